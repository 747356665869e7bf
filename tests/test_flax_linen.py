"""Linen modules as Flax uses modules, next to Flax's own, and where they do better."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import Gated, GatedCarry, random_like
from draws import total
from jax.sharding import PartitionSpec

from rnnjax import GRU, LSTM, Elman, LSTMCarry, scan
from rnnjax.cells import GRUParams
from rnnjax.engine import Loop
from rnnjax.flax import linen as rln
from rnnjax.layers import RNN, Bidirectional, Dense, Dropout, Embedding, Sequential

B, T, F, H = 3, 5, 2, 4
LENGTHS = np.array([5, 0, 3])
PADDING = np.arange(T) >= LENGTHS[:, None]
XS = random_like(2, np.empty((B, T, F), np.float32))
KEY = jax.random.key(0)


def drawn(config, *, seed=1) -> Any:
    """Random parameters of a cell or layer."""
    return random_like(seed, jax.eval_shape(lambda: config.init(KEY, F)))


def variables(params) -> dict[str, Any]:
    return {"params": rln.named(params)}


def close(actual, expected):
    """Equal but for rounding; a carry of Flax is a plain tuple."""
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


# Next to Flax's own.


@pytest.mark.parametrize("lengths", [None, np.array([5, 1, 3])], ids=["all", "lengths"])
@pytest.mark.parametrize("reverse, keep_order", [(False, False), (True, False), (True, True)])
def test_options_mean_what_they_mean_in_flax(reverse, keep_order, lengths):
    params = drawn(Elman(H))
    kernels = {"i": {"kernel": params.w_x, "bias": params.b}, "h": {"kernel": params.w_h}}
    time_major = lengths is not None and reverse
    xs, carry = XS.swapaxes(0, 1) if time_major else XS, random_like(3, np.ones((B, H), np.float32))
    options = {"time_major": time_major, "reverse": reverse, "keep_order": keep_order}
    options["return_carry"] = True
    call = {"seq_lengths": lengths, "initial_carry": carry}
    found = rln.RNN(Elman(H)).apply(variables(params), xs, **call, **options)
    theirs: Any = nn.RNN(nn.SimpleCell(H))
    final, ys = theirs.apply({"params": {"cell": kernels}}, xs, **call, **options)
    valid = np.arange(T) < np.reshape(T if lengths is None else lengths, (-1, 1))
    valid = (valid.T if time_major else valid)[..., None]
    close(found, (final, jnp.where(valid, ys, 0)))
    close(rln.RNN(Elman(H), **options).apply(variables(params), xs, **call), found)


def test_flax_runs_our_cells():
    cell = Gated(H)
    params = drawn(cell)

    def ours(params):
        out = RNN(cell, reverse=True).apply(params, XS)
        return total(out), out

    def theirs(tree):
        rnn = nn.RNN(rln.Cell(cell), reverse=True, keep_order=True, return_carry=True)
        out = rnn.apply({"params": {"cell": tree}}, XS)
        return total(out), out

    gradient, out = jax.grad(theirs, has_aux=True)(rln.named(params))
    expected_gradient, expected = jax.grad(ours, has_aux=True)(params)
    close((gradient, out), (rln.named(expected_gradient), expected))


def test_flax_merges_our_directions():
    forward, backward = drawn(Elman(H)), drawn(Elman(H), seed=2)
    call = {"seq_lengths": LENGTHS, "return_carry": True}
    both = {"forward_rnn": rln.named(forward), "backward_rnn": rln.named(backward)}
    theirs = nn.Bidirectional(rln.RNN(Elman(H)), rln.RNN(Elman(H)))
    ours = {"forward": both["forward_rnn"], "backward": both["backward_rnn"]}
    expected = rln.Layer(Bidirectional(Elman(H))).apply({"params": ours}, XS, **call)
    close(theirs.apply({"params": both}, XS, **call), expected)


class OwnCarry(nn.Module):
    """A user's, which asks for a carry as Flax's documentation does."""

    @nn.compact
    def __call__(self, x):
        carry = rln.Cell(GRU(H)).initialize_carry(jax.random.key(0), x[:, 0].shape)
        return nn.RNN(rln.Cell(GRU(H)), name="rnn")(x, initial_carry=carry)


def test_a_carry_needs_no_parameters_and_makes_none():
    carry = rln.Cell(LSTM(H)).initialize_carry(KEY, (B, F))
    assert isinstance(carry, LSTMCarry) and carry.h.shape == (B, H) and not carry.c.any()
    assert rln.Cell(GRU(H), parent=None).initialize_carry(None, (2, B, F)).shape == (2, B, H)
    tree: Any
    ys, tree = OwnCarry().init_with_output(KEY, XS)
    (name,) = tree["params"]
    close(ys, RNN(GRU(H)).apply(GRUParams(**tree["params"][name]), XS)[1])


def test_a_carry_made_of_parameters_needs_them():
    cell = Gated(H)
    params = drawn(cell)
    with pytest.raises(ValueError, match="expected a bound module, since Gated"):
        rln.Cell(cell).initialize_carry(KEY, (B, F))
    shape = (B, F)
    start = rln.Cell(cell).apply(variables(params), KEY, shape, method="initialize_carry")
    assert isinstance(start, GatedCarry)
    close(start.c, jnp.broadcast_to(params.start, (B, H)))


def test_a_plain_pair_is_no_carry_of_an_lstm():
    pair = (jnp.ones((B, H)), jnp.ones((B, H)))
    with pytest.raises(ValueError, match=r"expected a carry of LSTM.*LSTMCarry\(h="):
        rln.Cell(LSTM(H)).apply(variables(drawn(LSTM(H))), pair, XS[:, 0])


def test_modules_take_what_flax_passes_at_a_call():
    call = {"init_key": KEY, "reverse": True, "keep_order": True, "time_major": False}
    both: Any = nn.Bidirectional(rln.RNN(Elman(H)), rln.RNN(Elman(H)))
    tree = both.init(KEY, XS)
    close(both.apply(tree, XS, **call), both.apply(tree, XS))
    rln.RNN(Elman(H)).apply(variables(drawn(Elman(H))), XS, **call)


# Where they do better.


def test_without_a_step_the_carry_is_the_initial_one():
    carry = random_like(3, LSTMCarry(*jnp.ones((2, B, H))))
    call = {"seq_lengths": LENGTHS, "initial_carry": carry, "return_carry": True}
    final, _ = rln.RNN(LSTM(H)).apply(variables(drawn(LSTM(H))), XS, **call)
    np.testing.assert_array_equal(final.c[1], carry.c[1])


def test_what_stands_in_the_padding_reaches_nothing():
    def loss(tree, xs):
        call = {"seq_lengths": LENGTHS, "return_carry": True}
        out = rln.RNN(LSTM(H)).apply({"params": tree}, xs, **call)
        return total(out), out

    results = [
        jax.grad(loss, has_aux=True)(
            rln.named(drawn(LSTM(H))), jnp.where(PADDING[..., None], x, XS)
        )
        for x in (0, jnp.nan)
    ]
    jax.tree.map(np.testing.assert_array_equal, *results)
    assert (results[0][1][1][PADDING] == 0).all()


def test_the_final_carry_takes_no_memory():
    steps, carries = 400, 400 * B * 2 * H * 4  # bytes, were they all kept

    def temporary(lengths):
        def carry(tree, xs, lengths):
            rnn = rln.RNN(LSTM(H), return_carry=True)
            return rnn.apply({"params": tree}, xs, seq_lengths=lengths)[0]

        args = rln.named(drawn(LSTM(H))), jnp.ones((B, steps, F)), lengths
        analysis: Any = jax.jit(carry).lower(*args).compile().memory_analysis()
        return analysis.temp_size_in_bytes

    assert temporary(jnp.full(B, steps)) - temporary(None) < carries / 4


# As Flax uses modules.


class Model(nn.Module):
    """A user's, around ours."""

    @nn.compact
    def __call__(self, xs):
        xs = nn.remat(rln.RNN)(GRU(H), name="rnn")(xs)
        return nn.Dense(2)(rln.Layer(Sequential((Dropout(0.5), Dense(3))))(xs))


def test_parameters_have_names():
    def shapes(module, xs):
        tree = jax.eval_shape(module.init, KEY, xs)["params"]
        return jax.tree.map(lambda a: a.shape, tree)

    model = shapes(Model(), XS)
    assert model["rnn"] == {"w_x": (F, 3 * H), "w_h": (H, 3 * H), "b": (3 * H,), "b_hn": (H,)}
    assert model["Layer_0"] == {"1": {"w": (H, 3), "b": (3,)}}
    tokens = Sequential((Embedding(7, 3), Dense(2)))
    assert shapes(rln.Layer(tokens), np.array([[1, 2]])) == {
        "0": {"table": (7, 3)},
        "1": {"w": (3, 2), "b": (2,)},
    }
    assert shapes(rln.Layer(Embedding(7, 3)), np.array([[1]])) == {"table": (7, 3)}


def test_another_key_draws_other_parameters():
    first, second = (rln.RNN(Elman(H)).init(jax.random.key(seed), XS)["params"] for seed in (0, 1))
    assert not np.array_equal(first["w_x"], second["w_x"])


def test_a_forget_gate_starts_open_whoever_draws():
    for rnn, path in ((rln.RNN(LSTM(H)), ()), (nn.RNN(rln.Cell(LSTM(H))), ("cell",))):
        tree: Any = rnn.init(KEY, XS)["params"]
        for name in path:
            tree = tree[name]
        np.testing.assert_array_equal(tree["b"], np.repeat([0, 1, 0, 0], H))
        orthogonal = tree["w_h"][:, :H]
        close(orthogonal @ orthogonal.T, np.eye(H))


def test_remat_and_a_model_around_change_nothing():
    params, head = drawn(GRU(H)), random_like(5, Dense(3).init(KEY, H))
    last = {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2)}
    tree = {"rnn": rln.named(params), "Layer_0": rln.named(((), head)), "Dense_0": last}

    def ours(tree):
        return total(Model().apply({"params": tree}, XS))

    def functional(params):
        _, ys = RNN(GRU(H)).apply(params, XS)
        return total(Dense(3).apply(head, ys)[1].sum(-1, keepdims=True) + jnp.zeros(2))

    close(jax.jit(jax.grad(ours))(tree)["rnn"], rln.named(jax.jit(jax.grad(functional))(params)))


def test_an_ensemble_is_a_vmap():
    options: Any = {"in_axes": None, "variable_axes": {"params": 0}, "split_rngs": {"params": True}}
    many: Any = nn.vmap(rln.RNN, axis_size=3, **options)(Elman(H))
    together, tree = many.init_with_output(KEY, XS)
    assert tree["params"]["w_x"].shape == (3, F, H)
    for member, ys in enumerate(together):
        alone = jax.tree.map(lambda a, m=member: a[m], tree)
        close(ys, rln.RNN(Elman(H)).apply(alone, XS))
    assert not np.allclose(together[0], together[1])


def test_partitioning_goes_to_the_parameter_that_it_names():
    names = {"w_x": (None, "model"), "b": (None,), "backward.b": ("model",)}
    specs: Any = nn.get_partition_spec(
        rln.Layer(Bidirectional(Elman(H)), partitioning=names).init(KEY, XS)
    )
    forward, backward = (specs["params"][way] for way in ("forward", "backward"))
    assert forward["w_x"] == backward["w_x"] == PartitionSpec(None, "model")
    assert (forward["b"], backward["b"]) == (PartitionSpec(None), PartitionSpec("model"))
    boxed = rln.RNN(Elman(H), partitioning={"w_x": (None, "model")})
    tree = boxed.init(KEY, XS)
    close(boxed.apply(tree, XS), rln.RNN(Elman(H)).apply(nn.unbox(tree), XS))
    with pytest.raises(ValueError, match=r"expected names of parameters.*got \['kernel'\]"):
        rln.RNN(Elman(H), partitioning={"kernel": ()}).init(KEY, XS)


def test_noise_is_drawn_from_dropout():
    model = Sequential((Dense(8), Dropout(0.5)))
    layer, tree, rngs = rln.Layer(model), variables(drawn(model)), {"dropout": KEY}
    quiet, noisy = (np.asarray(layer.apply(tree, XS, rngs=some)) for some in (None, rngs))
    assert (noisy == 0).mean() > 0.2 and (quiet != 0).all()
    np.testing.assert_array_equal(layer.apply(tree, XS, rngs=rngs, deterministic=True), quiet)
    with pytest.raises(Exception, match="dropout"):
        layer.apply(tree, XS, deterministic=False)


def test_dtypes_and_methods_go_to_the_engine():
    method = Loop(dtype=jnp.bfloat16, precision="highest", unroll=2)
    rnn = rln.RNN(LSTM(H), param_dtype=jnp.float16, method=method)
    ys, tree = rnn.init_with_output(KEY, XS)
    assert {a.dtype for a in jax.tree.leaves(tree)} == {jnp.dtype(jnp.float16)}
    params = type(drawn(LSTM(H)))(**tree["params"])
    _, expected = scan(LSTM(H), params, XS.swapaxes(0, 1), method=method)
    np.testing.assert_array_equal(ys, expected.swapaxes(0, 1))


@pytest.mark.parametrize("kind", [rln.Cell, rln.RNN, rln.Layer])
def test_every_module_tells_its_parameters(kind):
    config: Any = Dense(2) if kind is rln.Layer else Elman(H)
    made: Any = kind(config, param_dtype=jnp.float16, partitioning={"b": ("model",)})
    tree = (nn.RNN(made) if kind is rln.Cell else made).init(KEY, XS)
    assert {a.dtype for a in jax.tree.leaves(tree)} == {jnp.dtype(jnp.float16)}
    specs: Any = nn.get_partition_spec(tree)
    for path, spec in jax.tree.leaves_with_path(specs):
        assert spec == (PartitionSpec("model") if path[-1].key == "b" else PartitionSpec())


def test_a_parameter_of_a_wrong_shape_is_refused():
    tree = variables(drawn(LSTM(H))._replace(b=jnp.ones(3)))
    with pytest.raises(Exception, match="shape"):
        rln.RNN(LSTM(H)).apply(tree, XS)
