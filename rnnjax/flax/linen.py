"""Cells and layers as modules of Flax Linen.

The parameters of a module are the tree that `init` draws, by names: `variables["params"]["w_x"]`.
`named(tree)` makes `variables["params"]` of a tree.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree

from .. import _core, engine, layers
from .._arguments import cast_params
from .._checks import batch_shape
from ._shared import entries, features, overridden, paths, run

Partitioning = Mapping[str, tuple[str | None, ...]]


def named(params: PyTree) -> dict[str, Any]:
    """Parameters as Linen keeps them: nested dictionaries of names and numbers of entries.

    An array that is not inside anything is named "value".

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.Stack((rnnjax.LSTM(4), rnnjax.Elman(2)))
        >>> params = named(cell.init(jax.random.key(0), 3))
        >>> params["1"]["w_x"].shape
        (4, 2)
    """
    return unflatten_dict(dict(zip(_places(params), jax.tree.leaves(params), strict=True)))


class Cell(nn.RNNCellBase):
    """One step of a cell, called as Flax calls its cells; Flax's own `nn.RNN` takes it.

    It has no noise, and no context; `RNN` has both.

    Args:
        cell: the cell.
        param_dtype: that of the parameters.
        partitioning: the names of the axes of a parameter, for sharding, by its name.
        parent: Flax's own.
        name: of the module, Flax's own.

    Examples:
        >>> import rnnjax
        >>> rnn = nn.RNN(Cell(rnnjax.LSTM(8)))
        >>> ys, variables = rnn.init_with_output(jax.random.key(0), jnp.ones((2, 5, 3)))
        >>> ys.shape, variables["params"]["cell"]["w_x"].shape
        ((2, 5, 8), (3, 32))
    """

    cell: _core.Cell
    param_dtype: Any = jnp.float32
    partitioning: Partitioning | None = None

    def setup(self):
        self._weights = _Weights(self.cell, self.param_dtype, self.partitioning)
        nn.share_scope(self, self._weights)

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        """The new carry and the output."""
        batch = batch_shape(self.num_feature_axes, inputs)
        params = cast_params(self._weights(_features(self.cell, inputs)))
        return self.cell.step(self.cell.prepare(params, batch_shape=batch), carry, inputs)

    @nn.nowrap
    def initialize_carry(self, rng: Any, input_shape: tuple[int, ...]) -> Any:
        """The carry to start from, for inputs of a shape; `rng` may be `None`.

        A module that is not bound has one, too, unless the carry is made of parameters.
        """
        axes = self.num_feature_axes
        batch, size = input_shape[: len(input_shape) - axes], features(axes, tuple(input_shape))
        prepare = partial(self.cell.prepare, batch_shape=batch)
        shapes = jax.eval_shape(
            lambda key: prepare(cast_params(self.cell.init(key, size, dtype=self.param_dtype))),
            jax.random.key(0),
        )
        try:
            return engine.initial_carry(self.cell, shapes, batch)
        except TypeError as error:
            # Shapes do not do: the carry is made of the values of parameters.
            if self.scope is None:
                raise ValueError(
                    f"expected a bound module, since {self.cell} starts from parameters, got an "
                    "unbound one; pass method='initialize_carry' to its apply"
                ) from error
        return engine.initial_carry(self.cell, prepare(cast_params(self._weights(size))), batch)

    @property
    def num_feature_axes(self) -> int:
        """Number of axes of an input that are not batch."""
        return self.cell.num_feature_axes


class _Weights(nn.Module):
    """The parameters of `Cell`, a module since two methods need them."""

    cell: _core.Cell
    param_dtype: Any
    partitioning: Partitioning | None

    @nn.compact
    def __call__(self, in_features):
        return _parameters(self, self.cell, in_features)


class RNN(nn.Module):
    """A cell run over time, called as `nn.RNN` is; `nn.Bidirectional` takes it, too.

    Noise, such as that of recurrent dropout, is in calls that bring an rng of the name `dropout`.

    Args:
        cell: the cell.
        time_major: whether inputs, outputs, mask and resets are `[T, *batch, …]` instead of
            `[*batch, T, …]`.
        return_carry: whether to return the final carry before the outputs.
        reverse: whether to run from the last valid step to the first.
        keep_order: whether outputs of a reverse run stay in the order of the inputs; otherwise
            the one computed first comes first, and padding stays at the end.
        method: how the engine computes, `dtype` and `precision` included; `None` is the best
            known way.
        param_dtype: that of the parameters.
        partitioning: the names of the axes of a parameter, for sharding, by its name, or by its
            path where there are several of that name, such as "0.w_x".
        parent: Flax's own.
        name: of the module, Flax's own.

    Raises:
        ValueError: if `partitioning` names a parameter that does not exist.

    Examples:
        >>> import rnnjax
        >>> rnn, xs = RNN(rnnjax.LSTM(8)), jnp.ones((2, 5, 3))
        >>> variables = rnn.init(jax.random.key(0), xs)
        >>> rnn.apply(variables, xs, seq_lengths=jnp.array([5, 2])).shape
        (2, 5, 8)
    """

    cell: _core.Cell
    time_major: bool = False
    return_carry: bool = False
    reverse: bool = False
    keep_order: bool = False
    method: engine.Method | None = None
    param_dtype: Any = jnp.float32
    partitioning: Partitioning | None = None

    @nn.compact
    def __call__(
        self,
        inputs: Any,
        *,
        initial_carry: Any = None,
        init_key: Any = None,
        seq_lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        context: Any = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs.

        Args as in `rnnjax.scan`; `seq_lengths` are its lengths. Options that are not `None`
        replace the module's. There is nothing to draw with `init_key`.
        """
        return run(
            self.cell,
            _parameters(self, self.cell, _features(self.cell, inputs)),
            inputs,
            initial_carry,
            overridden(
                self,
                return_carry=return_carry,
                time_major=time_major,
                reverse=reverse,
                keep_order=keep_order,
            ),
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            context=context,
            key=self.make_rng("dropout") if self.has_rng("dropout") else None,
            method=self.method,
        )


class Layer(nn.Module):
    """Any layer, or a whole model of layers, batch-major.

    Args:
        layer: the layer.
        return_carry: whether to return the final carry before the outputs.
        deterministic: whether there is no noise; `None` is for noise in calls that bring an rng
            of the name `dropout`.
        param_dtype: that of the parameters.
        partitioning: as in `RNN`; a path is such as "forward.w_x".
        parent: Flax's own.
        name: of the module, Flax's own.

    Examples:
        >>> from rnnjax.layers import Dense, Dropout, Sequential
        >>> layer, xs = Layer(Sequential((Dropout(0.5), Dense(2)))), jnp.ones((1, 5, 3))
        >>> ys, variables = layer.init_with_output(jax.random.key(0), xs)
        >>> noisy = layer.apply(variables, xs, rngs={"dropout": jax.random.key(1)})
        >>> variables["params"]["1"]["w"].shape, bool((noisy == ys).all())
        ((3, 2), False)
    """

    layer: layers.Layer
    return_carry: bool = False
    deterministic: bool | None = None
    param_dtype: Any = jnp.float32
    partitioning: Partitioning | None = None

    @nn.compact
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
    ) -> Any:
        """The outputs, or the final carry and the outputs; args as in `Layer.apply` of layers."""
        call = overridden(self, return_carry=return_carry, deterministic=deterministic)
        noisy = self.has_rng("dropout") if call.deterministic is None else not call.deterministic
        carry, ys = self.layer.apply(
            _parameters(self, self.layer, _features(self.layer, inputs)),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            mask=mask,
            resets=resets,
            context=context,
            key=self.make_rng("dropout") if noisy else None,
        )
        return (carry, ys) if call.return_carry else ys


def _features(core: Any, inputs: Any) -> Any:
    return features(core.num_feature_axes, jax.tree.map(jnp.shape, inputs))


def _places(params: Any) -> list[tuple[str, ...]]:
    return [path or ("value",) for path in paths(params)]


def _parameters(module: Any, core: Any, in_features: Any) -> Any:
    """Draws the parameters of a cell or layer into a module, or reads them from it."""
    drawing = module.is_initializing()
    init = partial(core.init, input_size=in_features, dtype=module.param_dtype)
    draw = init if drawing else partial(jax.eval_shape, init)
    params = draw(module.make_rng("params") if drawing else jax.random.key(0))

    def initial(array, axes):
        # Where the parameters are there already, Flax asks for shapes only.
        array = array if drawing else jnp.zeros(array.shape, array.dtype)
        return array if axes is None else nn.Partitioned(array, names=axes)

    arrays, structure = jax.tree.flatten(params)
    places, axes = _places(params), entries(module.partitioning, params)
    initials = [partial(initial, *pair) for pair in zip(arrays, axes, strict=True)]
    kept = {
        name: module.param(name, lambda _, tree=tree: jax.tree.map(lambda make: make(), tree))
        for name, tree in unflatten_dict(dict(zip(places, initials, strict=True))).items()
    }
    flat = flatten_dict(kept)
    return structure.unflatten([flat[place] for place in places])
