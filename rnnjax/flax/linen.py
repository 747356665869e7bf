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
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree

from .. import _core, engine, layers
from .._trees import leaf_paths
from .._wrapper import check_cell
from ._shared import LayerCall, RNNCall, batch_of, entries, features, prepared, step

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

    It has no noise and no context; `RNN` has both.

    Args:
        cell: the cell.
        dtype: dtype of the factors of products, the parameters `w…`, such as "bfloat16"; sums,
            carry and outputs keep at least float32. `None` is the dtype of the parameters.
        param_dtype: dtype of the parameters.
        partitioning: names of the axes of a parameter, for sharding, by its name.
        parent: as in Flax.
        name: name of the module.

    Examples:
        >>> import rnnjax
        >>> rnn = nn.RNN(Cell(rnnjax.LSTM(8)))
        >>> ys, variables = rnn.init_with_output(jax.random.key(0), jnp.ones((2, 5, 3)))
        >>> ys.shape, variables["params"]["cell"]["w_x"].shape
        ((2, 5, 8), (3, 32))
    """

    cell: _core.Cell
    dtype: Any = None
    param_dtype: Any = jnp.float32
    partitioning: Partitioning | None = None

    def __call__(self, carry: Any, inputs: Any) -> tuple[Any, Any]:
        """The new carry and the output."""
        check_cell(self.cell)
        params = self._params(features(self.cell, inputs))
        return step(self.cell, params, self.dtype, carry, inputs)

    @nn.nowrap
    def initialize_carry(self, rng: Any, input_shape: tuple[int, ...]) -> Any:
        """The carry to start from, for inputs of a shape; `rng` may be `None`.

        A module that is not bound has one, too, unless the carry is made of parameters.
        """
        check_cell(self.cell)
        batch = batch_of(self.cell, input_shape)
        size = features(self.cell, np.empty(input_shape))

        def weights(params):
            return prepared(self.cell, params, self.dtype, batch)

        draw = partial(self.cell.init, input_size=size, dtype=self.param_dtype)
        shapes = jax.eval_shape(lambda: weights(draw(jax.random.key(0))))
        try:
            return engine.initial_carry(self.cell, shapes, batch)
        except TypeError as error:  # the carry is made of the values of parameters
            if self.scope is None:
                raise ValueError(
                    f"expected a bound module, since {self.cell} starts from parameters, got one "
                    "that is not; use apply(…, method='initialize_carry')"
                ) from error
        return engine.initial_carry(self.cell, weights(self._params(size)), batch)

    @nn.compact
    def _params(self, in_features):
        return _parameters(self, self.cell, in_features)

    num_feature_axes = property(lambda self: self.cell.num_feature_axes)


class _Module(nn.Module, kw_only=True):
    """A module that is called on whole sequences."""

    return_carry: bool = False
    deterministic: bool | None = None
    param_dtype: Any = jnp.float32
    partitioning: Partitioning | None = None

    @nn.nowrap
    def _sources(self, core, inputs, deterministic, rngs):
        """The parameters and the key of a call."""
        if rngs is not None:
            raise ValueError("expected the rngs of a Linen module at its apply, got them at a call")
        noisy = self.has_rng("dropout") if deterministic is None else not deterministic
        params = _parameters(self, core, features(core, inputs))
        return params, self.make_rng("dropout") if noisy else None


class RNN(_Module):
    """A cell run over time, called as `nn.RNN` is; `nn.Bidirectional` takes it, too.

    Args:
        cell: the cell.
        time_major: whether inputs, outputs, mask and resets are `[T, *batch, …]` instead of
            `[*batch, T, …]`.
        return_carry: whether to return the final carry before the outputs.
        reverse: whether to run from the last valid step to the first.
        keep_order: whether outputs of a reverse run stay in the order of the inputs; otherwise
            the one computed first comes first, and padding stays at the end.
        method: how the engine computes; `dtype`, `precision` and Flax's `unroll` are its fields.
            `None` is the best known way.
        deterministic: whether there is no noise, such as that of recurrent dropout; `None` is
            for noise in calls that bring an rng of the name `dropout`.
        param_dtype: dtype of the parameters.
        partitioning: names of the axes of a parameter, for sharding, by its name, or by its path
            where several have that name, such as "0.w_x".
        parent: as in Flax.
        name: name of the module.

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
    reverse: bool = False
    keep_order: bool = False
    method: engine.Method | None = None

    __call__ = nn.compact(RNNCall.__call__)


class Layer(_Module):
    """Any layer, or a whole model of layers, batch-major.

    Args:
        layer: the layer.
        return_carry: whether to return the final carry before the outputs.
        deterministic: as in `RNN`.
        param_dtype: dtype of the parameters.
        partitioning: as in `RNN`; a path is such as "forward.w_x".
        parent: as in Flax.
        name: name of the module.

    Examples:
        >>> from rnnjax.layers import Dense, Dropout, Sequential
        >>> layer, xs = Layer(Sequential((Dropout(0.5), Dense(2)))), jnp.ones((1, 5, 3))
        >>> ys, variables = layer.init_with_output(jax.random.key(0), xs)
        >>> noisy = layer.apply(variables, xs, rngs={"dropout": jax.random.key(1)})
        >>> variables["params"]["1"]["w"].shape, bool((noisy == ys).all())
        ((3, 2), False)
    """

    layer: layers.Layer

    __call__ = nn.compact(LayerCall.__call__)


def _places(params: Any) -> list[tuple[str, ...]]:
    return [path or ("value",) for path in leaf_paths(params)]


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
    places, axes = _places(params), entries("partitioning", module.partitioning, tuple, params)
    trees = named(structure.unflatten(map(partial, [initial] * len(arrays), arrays, axes)))
    kept = {
        name: module.param(name, lambda _, tree=tree: jax.tree.map(lambda make: make(), tree))
        for name, tree in trees.items()
    }
    flat = flatten_dict(kept)
    return structure.unflatten([flat[place] for place in places])
