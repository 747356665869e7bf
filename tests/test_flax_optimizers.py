"""Roles and decay of parameters of Flax's own modules, alone and around ours."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from cases import random_like
from flax import nnx

from rnnjax import GRU
from rnnjax.flax import linen as rln
from rnnjax.flax import nnx as rnx
from rnnjax.training import decay_mask, label_by_role

KEY, TOKENS = jax.random.key(0), np.array([[1, 2, 3]])
INPUT, RECURRENT, BIASED = {"kernel": "input"}, {"kernel": "recurrent"}, {"bias": "bias"}
OURS = {"w_x": "input", "w_h": "recurrent", "b": "bias", "b_hn": "bias"}


class LinenModel(nn.Module):
    """A user's, of Flax's own layers and cells and of ours."""

    @nn.compact
    def __call__(self, tokens):
        xs: Any = nn.LayerNorm()(nn.Embed(7, 3)(tokens))
        cells = nn.LSTMCell(2), nn.OptimizedLSTMCell(2), nn.GRUCell(2), nn.SimpleCell(2)
        for cell in (*cells, nn.MGUCell(2)):
            xs = nn.RNN(cell)(xs)
        return nn.Dense(2)(nn.Conv(3, (2,))(rln.RNN(GRU(3))(xs)))


def test_roles_of_linen_modules():
    params = jax.eval_shape(lambda: LinenModel().init(KEY, TOKENS))["params"]
    lstm = {f"i{gate}": INPUT for gate in "ifgo"}
    lstm |= {f"h{gate}": RECURRENT | BIASED for gate in "ifgo"}
    gru = {f"i{gate}": INPUT | BIASED for gate in "rzn"}
    head = {"kernel": "dense", "bias": "bias"}
    assert label_by_role(params) == {
        "Embed_0": {"embedding": "embedding"},
        "LayerNorm_0": {"scale": "other", "bias": "bias"},
        "LSTMCell_0": lstm,
        "OptimizedLSTMCell_0": lstm,
        "GRUCell_0": gru | {"hr": RECURRENT, "hz": RECURRENT, "hn": RECURRENT | BIASED},
        "SimpleCell_0": {"i": INPUT | BIASED, "h": RECURRENT},
        "MGUCell_0": {f"i{gate}": INPUT | BIASED for gate in "fn"}
        | {"hf": RECURRENT, "hn": RECURRENT | BIASED},
        "RNN_5": OURS,
        "Conv_0": head,
        "Dense_0": head,
    }


def test_roles_of_a_layer_of_images():
    frames = jnp.ones((1, 2, 4, 4, 1))
    model: Any = nn.RNN(nn.ConvLSTMCell(2, (3, 3)))
    params = jax.eval_shape(lambda: model.init(KEY, frames))["params"]
    assert label_by_role(params) == {"cell": {"ih": INPUT | BIASED, "hh": RECURRENT | BIASED}}


class NnxModel(nnx.Module):
    """A user's, of Flax's own layers and cells and of ours."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(7, 3, rngs=rngs)
        self.norm = nnx.LayerNorm(3, rngs=rngs)
        self.lstm = nnx.RNN(nnx.LSTMCell(3, 2, rngs=rngs))
        self.gru = nnx.RNN(nnx.GRUCell(2, 2, rngs=rngs))
        self.rnn = rnx.RNN(GRU(3), 2, rngs=rngs)
        self.head = nnx.Linear(3, 2, rngs=rngs)


def by_path(tree) -> dict[str, Any]:
    """The leaves by the names on their paths, without the field of a variable."""
    return {
        jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value"): leaf
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def test_roles_of_nnx_modules():
    model = nnx.eval_shape(lambda: NnxModel(nnx.Rngs(0)))
    labels = by_path(label_by_role(nnx.state(model, nnx.Param)))
    lstm = {f"lstm.cell.{name}.kernel": "input" for name in ("ii", "if_", "ig", "io")}
    lstm |= {f"lstm.cell.h{gate}.kernel": "recurrent" for gate in "ifgo"}
    assert labels == lstm | {f"lstm.cell.h{gate}.bias": "bias" for gate in "ifgo"} | {
        "embed.embedding": "embedding",
        "norm.scale": "other",
        "norm.bias": "bias",
        "gru.cell.dense_i.kernel": "input",
        "gru.cell.dense_i.bias": "bias",
        "gru.cell.dense_h.kernel": "recurrent",
        "rnn.params.w_x": "input",
        "rnn.params.w_h": "recurrent",
        "rnn.params.b": "bias",
        "rnn.params.b_hn": "bias",
        "head.kernel": "dense",
        "head.bias": "bias",
    }


def test_decay_of_nnx_modules():
    model = NnxModel(nnx.Rngs(0))
    before = random_like(1, nnx.state(model, nnx.Param))
    nnx.update(model, before)
    adamw = optax.adamw(0.1, weight_decay=0.5, mask=decay_mask)
    optimizer = nnx.Optimizer(model, adamw, wrt=nnx.Param)
    optimizer.update(model, jax.tree.map(jnp.zeros_like, before))
    after = by_path(nnx.state(model, nnx.Param))
    for path, a in by_path(before).items():
        decays = path.split(".")[-1] in ("kernel", "embedding", "w_x", "w_h")
        np.testing.assert_allclose(after[path], a * (0.95 if decays else 1), rtol=1e-6)
