"""Cells and layers as modules of Flax NNX.

The parameters of a module are its attribute `params`: the tree that `init` draws, each array an
`nnx.Param`. `nnx.as_pure(module.params)` is the tree for functional calls, and
`nnx.update(module.params, nnx.state(tree))` puts another one in.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .. import _core, engine, layers
from .._checks import check_flag, check_function, check_instance, check_key, check_positive
from .._wrapper import check_cell
from ..layers._layer import check_layer
from ._shared import LayerCall, RNNCall, batch_of, entries, prepared, step

Metadata = Mapping[str, Mapping[str, Any]]


class Cell(nnx.RNNCellBase):
    """One step of a cell, called as Flax calls its cells; Flax's own `nnx.RNN` takes it.

    It has no noise and no context; `RNN` has both.

    Args:
        cell: the cell.
        in_features: number of features of an input, as in `Cell.init` of cells.
        dtype: this and `param_dtype` are as in `rnnjax.flax.linen.Cell`.
        metadata: metadata of each `nnx.Param`, by the name of the parameter.
        rngs: its stream `params` draws the parameters.

    Examples:
        >>> import rnnjax
        >>> cell = Cell(rnnjax.LSTM(8), 3, rngs=nnx.Rngs(0))
        >>> carry, y = cell(cell.initialize_carry((2, 3)), jnp.ones((2, 3)))
        >>> y.shape, nnx.RNN(cell)(jnp.ones((2, 5, 3))).shape
        ((2, 8), (2, 5, 8))
    """

    def __init__(
        self,
        cell: _core.Cell,
        in_features: Any,
        *,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        metadata: Metadata | None = None,
        rngs: nnx.Rngs,
    ):
        check_cell(cell)
        self.cell, self.dtype = cell, engine.Loop(dtype=dtype).dtype
        self.params = _parameters(cell, in_features, param_dtype, metadata, rngs)

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        """The new carry and the output."""
        return step(self.cell, nnx.as_pure(self.params), self.dtype, carry, inputs)

    def initialize_carry(
        self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None
    ) -> Any:
        """The carry to start from, for inputs of a shape.

        Only `carry_init`, an initializer for each array of the carry, needs `rngs`.
        """
        batch = batch_of(self.cell, input_shape)
        weights = prepared(self.cell, nnx.as_pure(self.params), self.dtype, batch)
        carry = engine.initial_carry(self.cell, weights, batch)
        if carry_init is None:
            return carry
        init = check_function("carry_init", carry_init, "jax.nn.initializers.normal()")
        return jax.tree.map(
            lambda a: init(check_key("rngs", _key(rngs, "carry")), a.shape, a.dtype), carry
        )

    num_feature_axes = property(lambda self: self.cell.num_feature_axes)


class _Module(nnx.Module):
    """A module that is called on whole sequences."""

    def _sources(self: Any, core, inputs, deterministic, rngs):
        """The parameters and the key of a call."""
        key = None if deterministic else _key(self.rngs if rngs is None else rngs, "dropout")
        return nnx.as_pure(self.params), key


class RNN(_Module):
    """A cell run over time, called as `nnx.RNN` is; `nnx.Bidirectional` takes it, too.

    Args:
        cell: the cell.
        in_features: number of features of an input, as in `Cell.init` of cells.
        time_major: this, `return_carry`, `reverse`, `keep_order`, `method` and `param_dtype` are
            as in `rnnjax.flax.linen.RNN`.
        deterministic: whether there is no noise, such as that of recurrent dropout; `train()`
            and `eval()` set it.
        keep_rngs: whether to keep a fork of the stream `dropout` of `rngs`, for a cell with
            noise. Otherwise there is noise only in calls that bring `rngs`.
        metadata: metadata of each `nnx.Param`, by the name of the parameter, or by its path
            where several have that name, such as "0.w_x".
        rngs: its stream `params` draws the parameters.

    Raises:
        ValueError: if `metadata` names a parameter that does not exist.

    Examples:
        >>> import rnnjax
        >>> rnn = RNN(rnnjax.LSTM(8), 3, return_carry=True, rngs=nnx.Rngs(0))
        >>> carry, ys = rnn(jnp.ones((2, 5, 3)), seq_lengths=jnp.array([5, 2]))
        >>> ys.shape, carry.h.shape, rnn.params.w_x.shape
        ((2, 5, 8), (2, 8), (3, 32))
    """

    def __init__(
        self,
        cell: _core.Cell,
        in_features: Any,
        *,
        time_major: bool = False,
        return_carry: bool = False,
        reverse: bool = False,
        keep_order: bool = False,
        method: engine.Method | None = None,
        deterministic: bool = False,
        keep_rngs: bool = False,
        param_dtype: Any = jnp.float32,
        metadata: Metadata | None = None,
        rngs: nnx.Rngs,
    ):
        check_cell(cell)
        if method is not None:
            check_instance("method", method, engine.Method, "engine.Loop()")
        self.cell, self.method = cell, method
        self.deterministic = check_flag("deterministic", deterministic)
        self.params = _parameters(cell, in_features, param_dtype, metadata, rngs)
        self.time_major = check_flag("time_major", time_major)
        self.return_carry = check_flag("return_carry", return_carry)
        self.reverse = check_flag("reverse", reverse)
        self.keep_order = check_flag("keep_order", keep_order)
        self.rngs = nnx.data(
            _stream(rngs, "dropout").fork() if check_flag("keep_rngs", keep_rngs) else None
        )

    __call__ = RNNCall.__call__


class Layer(_Module):
    """Any layer, or a whole model of layers, batch-major.

    Args:
        layer: the layer.
        in_features: number of features of an input; `None` for a model of tokens.
        return_carry: whether to return the final carry before the outputs.
        deterministic: whether there is no noise; `train()` and `eval()` set it. A module made
            deterministic keeps no random state: it has noise only in calls that bring `rngs`.
        param_dtype: dtype of the parameters.
        metadata: as in `RNN`; a path is such as "forward.w_x".
        rngs: its stream `params` draws the parameters, and a fork of `dropout` the noise.

    Examples:
        >>> from rnnjax.layers import Dropout, LayerNorm, Sequential
        >>> layer = Layer(Sequential((LayerNorm(), Dropout(0.5))), 4, rngs=nnx.Rngs(0))
        >>> xs = jnp.ones((1, 2, 4)).at[..., 0].set(0)
        >>> layer.eval()
        >>> layer(xs).round(2)[0, 0]
        Array([-1.73,  0.58,  0.58,  0.58], dtype=float32)
    """

    def __init__(
        self,
        layer: layers.Layer,
        in_features: Any = None,
        *,
        return_carry: bool = False,
        deterministic: bool = False,
        param_dtype: Any = jnp.float32,
        metadata: Metadata | None = None,
        rngs: nnx.Rngs,
    ):
        check_layer("layer", layer)
        self.layer = layer
        self.params = _parameters(layer, in_features, param_dtype, metadata, rngs)
        self.return_carry = check_flag("return_carry", return_carry)
        self.deterministic = check_flag("deterministic", deterministic)
        self.rngs = nnx.data(None if deterministic else _stream(rngs, "dropout").fork())

    __call__ = LayerCall.__call__

    def _sources(self, core, inputs, deterministic, rngs):
        """The parameters and the key of a call."""
        params, key = super()._sources(core, inputs, deterministic, rngs)
        if key is None and not deterministic:
            raise ValueError("expected rngs to draw noise from, got None; the module keeps none")
        return params, key


def _key(rngs: Any, name: str) -> Any:
    """A key from a source of noise; `None` where it has no stream of the name."""
    if isinstance(rngs, nnx.Rngs):
        rngs = rngs[name] if {name, "default"} & {*rngs} else None
    if rngs is None or isinstance(rngs, jax.Array):
        return rngs
    if not isinstance(rngs, nnx.RngStream):
        raise ValueError(f"expected rngs to be nnx.Rngs, a stream of it, or a key, got {rngs!r}")
    return rngs()


def _stream(rngs: Any, name: str) -> Any:
    """The stream of a name, or the default one.

    Raises:
        ValueError: if there is neither.
    """
    if not {name, "default"} & {*rngs}:
        raise ValueError(
            f"expected rngs with a stream {name!r}, such as nnx.Rngs(0), got streams {[*rngs]}"
        )
    return rngs[name]


def _parameters(core: Any, in_features: Any, dtype: Any, metadata: Metadata | None, rngs: Any):
    """Parameters as `init` draws them, each array an `nnx.Param`."""
    if not isinstance(rngs, nnx.Rngs):
        raise ValueError(f"expected rngs to be nnx.Rngs, such as nnx.Rngs(0), got {rngs!r}")
    if core.num_feature_axes:
        for size in jax.tree.leaves(in_features, is_leaf=lambda size: size is None):
            check_positive("in_features", size)
    params = core.init(_stream(rngs, "params")(), in_features, dtype=dtype)
    leaves, structure = jax.tree.flatten(params)
    pairs = zip(leaves, entries("metadata", metadata, Mapping, params), strict=True)
    return nnx.data(structure.unflatten([nnx.Param(a, **(more or {})) for a, more in pairs]))
