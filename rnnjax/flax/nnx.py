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
from .._arguments import cast_params
from .._checks import batch_shape
from .._wrapper import check_cell
from ._shared import entries, overridden, run

Metadata = Mapping[str, Mapping[str, Any]]


class Cell(nnx.RNNCellBase):
    """One step of a cell, called as Flax calls its cells; Flax's own `nnx.RNN` takes it.

    It has no noise, and no context; `RNN` has both.

    Args:
        cell: the cell.
        in_features: number of features of an input, as in `Cell.init` of cells.
        param_dtype: that of the parameters.
        metadata: what each `nnx.Param` is told besides its value, by the name of the parameter.
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
        param_dtype: Any = jnp.float32,
        metadata: Metadata | None = None,
        rngs: nnx.Rngs,
    ):
        check_cell(cell)
        self.cell = cell
        self.params = _parameters(cell, in_features, param_dtype, metadata, rngs)

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        """The new carry and the output."""
        batch = batch_shape(self.num_feature_axes, inputs)
        return self.cell.step(self._weights(batch), carry, inputs)

    def initialize_carry(self, input_shape: tuple[int, ...], rngs: Any = None) -> Any:
        """The carry to start from, for inputs of a shape; no key is needed."""
        batch = input_shape[: len(input_shape) - self.num_feature_axes]
        return engine.initial_carry(self.cell, self._weights(batch), batch)

    @property
    def num_feature_axes(self) -> int:
        """Number of axes of an input that are not batch."""
        return self.cell.num_feature_axes

    def _weights(self, batch):
        return self.cell.prepare(cast_params(nnx.as_pure(self.params)), batch_shape=batch)


class RNN(nnx.Module):
    """A cell run over time, called as `nnx.RNN` is; `nnx.Bidirectional` takes it, too.

    Args:
        cell: the cell.
        in_features: number of features of an input, as in `Cell.init` of cells.
        time_major: this, `return_carry`, `reverse`, `keep_order` and `method` are as in
            `rnnjax.flax.linen.RNN`.
        deterministic: whether there is no noise, such as that of recurrent dropout; `train()`
            and `eval()` set it.
        keep_rngs: whether to keep a fork of the stream `dropout` of `rngs`, for a cell with
            noise. Otherwise there is noise only in calls that bring `rngs`.
        param_dtype: that of the parameters.
        metadata: what each `nnx.Param` is told besides its value, by the name of the parameter,
            or by its path where there are several of that name, such as "0.w_x".
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
        self.cell, self.method = cell, method
        self.params = _parameters(cell, in_features, param_dtype, metadata, rngs)
        self.time_major, self.return_carry = time_major, return_carry
        self.reverse, self.keep_order = reverse, keep_order
        self.deterministic = deterministic
        self.rngs = nnx.data(rngs.dropout.fork() if keep_rngs else None)

    def __call__(
        self,
        inputs: Any,
        *,
        initial_carry: Any = None,
        seq_lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        context: Any = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = None,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | None = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs.

        Args as in `rnnjax.scan`; `seq_lengths` are its lengths. Options that are not `None`
        replace the module's, and noise comes from `rngs` if given.
        """
        call = overridden(
            self,
            return_carry=return_carry,
            time_major=time_major,
            reverse=reverse,
            keep_order=keep_order,
            deterministic=deterministic,
        )
        return run(
            self.cell,
            nnx.as_pure(self.params),
            inputs,
            initial_carry,
            call,
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            context=context,
            key=None if call.deterministic else _noise(self, rngs),
            method=self.method,
        )


class Layer(nnx.Module):
    """Any layer, or a whole model of layers, batch-major.

    Args:
        layer: the layer.
        in_features: number of features of an input; `None` for a model of tokens.
        return_carry: whether to return the final carry before the outputs.
        deterministic: whether there is no noise; `train()` and `eval()` set it. A module made
            deterministic keeps no random state: it has noise only in calls that bring `rngs`.
        param_dtype: that of the parameters.
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
        self.layer = layer
        self.params = _parameters(layer, in_features, param_dtype, metadata, rngs)
        self.return_carry, self.deterministic = return_carry, deterministic
        self.rngs = nnx.data(None if deterministic else rngs.dropout.fork())

    def __call__(
        self,
        inputs: Any,
        *,
        initial_carry: Any = None,
        seq_lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        context: Any = None,
        return_carry: bool | None = None,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | None = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs; noise comes from `rngs` if given."""
        call = overridden(self, return_carry=return_carry, deterministic=deterministic)
        key = None if call.deterministic else _noise(self, rngs)
        if key is None and not call.deterministic:
            raise ValueError(
                "expected rngs to draw noise from, got None; the module was made deterministic"
            )
        carry, ys = self.layer.apply(
            nnx.as_pure(self.params),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            context=context,
            key=key,
        )
        return (carry, ys) if call.return_carry else ys


def _noise(module: Any, rngs: Any) -> Any:
    """A key from the rngs of a call, or else of the module; `None` where these have no stream."""
    rngs = module.rngs if rngs is None else rngs
    if isinstance(rngs, nnx.Rngs):
        rngs = rngs.dropout if {"dropout", "default"} & {*rngs} else None
    return None if rngs is None else rngs()


def _parameters(core: Any, in_features: Any, dtype: Any, metadata: Metadata | None, rngs: Any):
    params = core.init(rngs.params(), in_features, dtype=dtype)
    arrays, structure = jax.tree.flatten(params)
    told = entries(metadata, params)
    pairs = zip(arrays, told, strict=True)
    return nnx.data(structure.unflatten([nnx.Param(a, **(more or {})) for a, more in pairs]))
