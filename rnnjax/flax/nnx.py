"""Cells and layers as modules of Flax NNX.

The parameters of a module are its attribute `params`: the tree that `init` draws, each array an
`nnx.Param`. `nnx.as_pure(module.params)` is the tree for functional calls, and
`nnx.update(module.params, nnx.state(tree))` puts another one in.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from .. import _core, engine, layers
from ._shared import entries, overridden, run

Metadata = Mapping[str, Mapping[str, Any]]


class Cell(nnx.RNNCellBase):
    """One step of a cell, called as Flax calls its cells; Flax's own `nnx.RNN` takes it.

    Args:
        cell: the cell.
        in_features: number of features of an input.
        param_dtype: that of the parameters.
        metadata: what each `nnx.Param` is told besides its value, by the name of the parameter.
        rngs: its stream `params` draws the parameters.

    Example:
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
        self.cell = cell
        self.params = _parameters(cell, in_features, param_dtype, metadata, rngs)

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        """The new carry and the output."""
        return self.cell.step(nnx.as_pure(self.params), carry, inputs)

    def initialize_carry(self, input_shape: tuple[int, ...], rngs: Any = None) -> Any:
        """The carry to start from, for inputs of a shape; no key is needed."""
        del rngs
        return self.cell.init_carry(nnx.as_pure(self.params), input_shape[:-1])

    @property
    def num_feature_axes(self) -> int:
        """Number of axes of an input that are not batch."""
        return 1


class RNN(nnx.Module):
    """A cell run over time, called as `nnx.RNN` is; `nnx.Bidirectional` takes it, too.

    Args:
        cell: the cell.
        in_features: number of features of an input.
        time_major: whether inputs, outputs, mask and resets are `[T, *batch, …]` instead of
            `[*batch, T, …]`.
        return_carry: whether to return the final carry before the outputs.
        reverse: whether to run from the last valid step to the first.
        keep_order: whether outputs of a reverse run stay in the order of the inputs; otherwise
            the one computed first comes first, and padding stays at the end.
        method: how the engine computes; `None` is the best known way.
        dtype: that to compute products in, such as "bfloat16"; see `rnnjax.scan`.
        precision: of products in float32, such as "highest"; see `rnnjax.scan`.
        param_dtype: that of the parameters.
        metadata: what each `nnx.Param` is told besides its value, by the name of the parameter,
            or by its path where there are several of that name, such as "0.w_x".
        rngs: its stream `params` draws the parameters.

    Raises:
        ValueError: if `metadata` names a parameter that does not exist.

    Example:
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
        method: engine.Sequential | None = None,
        dtype: Any = None,
        precision: str | None = None,
        param_dtype: Any = jnp.float32,
        metadata: Metadata | None = None,
        rngs: nnx.Rngs,
    ):
        self.layer = layers.Recurrent(cell, method=method, dtype=dtype, precision=precision)
        self.params = _parameters(self.layer, in_features, param_dtype, metadata, rngs)
        self.time_major, self.return_carry = time_major, return_carry
        self.reverse, self.keep_order = reverse, keep_order

    def __call__(
        self,
        inputs: Any,
        *,
        initial_carry: Any = None,
        seq_lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = None,
        rngs: Any = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs.

        Args as in `rnnjax.layers.Layer.apply`; `seq_lengths` are its lengths. Options that are
        not `None` replace the module's. There is nothing to draw from `rngs`.
        """
        del rngs
        call = overridden(
            self,
            return_carry=return_carry,
            time_major=time_major,
            reverse=reverse,
            keep_order=keep_order,
        )
        carry, ys = run(
            replace(self.layer, reverse=call.reverse),
            nnx.as_pure(self.params),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            time_major=call.time_major,
            flip=call.reverse and not call.keep_order,
        )
        return (carry, ys) if call.return_carry else ys


class Bidirectional(nnx.Module):
    """A cell run forwards, and one run backwards, over the whole sequence; outputs merged.

    Carries are `rnnjax.layers.Directions(forward, backward)`, and so are the parameters.

    Args:
        cell: the cell of both directions, which have parameters of their own.
        in_features: number of features of an input.
        merge: "concat" (forward features first), "sum", "mean" or "product".
        backward: another cell for the backward direction, or `None` for the same.
        time_major: as in `RNN`, and so are the other options; the path of a parameter is such
            as "forward.w_x".

    Example:
        >>> import rnnjax
        >>> rnn = Bidirectional(rnnjax.GRU(8), 3, rngs=nnx.Rngs(0))
        >>> rnn(jnp.ones((2, 5, 3)), seq_lengths=jnp.array([5, 2])).shape
        (2, 5, 16)
    """

    def __init__(
        self,
        cell: _core.Cell,
        in_features: Any,
        *,
        merge: Literal["concat", "sum", "mean", "product"] = "concat",
        backward: _core.Cell | None = None,
        time_major: bool = False,
        return_carry: bool = False,
        method: engine.Sequential | None = None,
        dtype: Any = None,
        precision: str | None = None,
        param_dtype: Any = jnp.float32,
        metadata: Metadata | None = None,
        rngs: nnx.Rngs,
    ):
        self.layer = layers.Bidirectional(cell, merge, backward, method, dtype, precision)
        self.params = _parameters(self.layer, in_features, param_dtype, metadata, rngs)
        self.time_major, self.return_carry = time_major, return_carry

    def __call__(
        self,
        inputs: Any,
        *,
        initial_carry: Any = None,
        seq_lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs; see `RNN`."""
        call = overridden(self, return_carry=return_carry, time_major=time_major)
        carry, ys = run(
            self.layer,
            nnx.as_pure(self.params),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            time_major=call.time_major,
        )
        return (carry, ys) if call.return_carry else ys


class Layer(nnx.Module):
    """Any layer, or a whole model of layers, batch-major.

    Args:
        layer: the layer.
        in_features: number of features of an input; `None` for a model that starts with an
            `Embedding`.
        return_carry: whether to return the final carry before the outputs.
        deterministic: whether there is no noise; `train()` and `eval()` set it. A module made
            deterministic keeps no random state: it has noise only in calls that bring `rngs`.
        param_dtype: that of the parameters.
        metadata: as in `RNN`.
        rngs: its stream `params` draws the parameters, and a fork of `dropout` the noise.

    Example:
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
        return_carry: bool | None = None,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs; noise comes from `rngs` if given."""
        call = overridden(self, return_carry=return_carry, deterministic=deterministic)
        key = None if call.deterministic else self._noise(rngs)
        carry, ys = self.layer.apply(
            nnx.as_pure(self.params),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            key=key,
        )
        return (carry, ys) if call.return_carry else ys

    def _noise(self, rngs):
        stream = self.rngs if rngs is None else rngs.dropout
        if stream is None:
            raise ValueError(
                "expected rngs to draw noise from, got None; the module was made deterministic"
            )
        return stream()


def _parameters(module: Any, in_features: Any, dtype: Any, metadata: Metadata | None, rngs: Any):
    params = module.init(rngs.params(), in_features, dtype=dtype)
    arrays, structure = jax.tree.flatten(params)
    told = entries(metadata, params)
    pairs = zip(arrays, told, strict=True)
    return nnx.data(structure.unflatten([nnx.Param(a, **(more or {})) for a, more in pairs]))
