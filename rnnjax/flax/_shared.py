"""The logic that the modules of NNX and Linen share: names of parameters, steps and calls."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from .._arguments import cast_params, check_context, check_params, check_real
from .._checks import brief, check_array, check_arrays, check_flag, check_instance, check_shape
from .._core import Cell
from .._masks import valid_steps
from .._shapes import batch_shape
from .._trees import leaf_paths, where, zeros_like
from .._wrapper import check_cell
from ..engine import Loop, scan
from ..layers._layer import check_layer


def entries(option: str, by_name: Any, kind: type, params: Any) -> list[Any]:
    """The entry of an option for each array: under its path, "0.w_x", or its name, "w_x"."""
    by_name = {} if by_name is None else check_instance(option, by_name, Mapping)
    for name, value in by_name.items():
        check_instance(f"a name in {option}", name, str)
        check_instance(f"{option} of {name}", value, kind)
    places = leaf_paths(params)
    known = {name for path in places for name in (".".join(path), *path[-1:])}
    if unknown := sorted(set(by_name) - known):
        raise ValueError(
            f"expected names of parameters, which are {', '.join(sorted(known))}, got {unknown}"
        )
    return [
        next((by_name[name] for name in (".".join(path), *path[-1:]) if name in by_name), None)
        for path in places
    ]


def prepared(cell: Cell, params: Any, dtype: Any, batch: tuple[int, ...]) -> Any:
    """The weights of `cell.step`; the factors of products are in `dtype`."""
    check_context(cell, None)
    params = cast_params(jax.tree.map(jnp.asarray, params), Loop(dtype=dtype).dtype)
    return cell.prepare(params, batch_shape=batch)


def step(cell: Cell, params: Any, dtype: Any, carry: Any, inputs: Any) -> tuple[Any, Any]:
    """One step of a cell: the new carry and the output."""
    carry, inputs = check_arrays("carry", carry), arrays(inputs, cell.num_feature_axes)
    check_real(params, inputs)
    weights = prepared(cell, params, dtype, batch_shape(cell.num_feature_axes, inputs))
    try:
        return cell.step(weights, carry, inputs)
    except (TypeError, ValueError):
        check_params(cell, params, inputs)  # only now: to draw shapes takes longer than a step
        raise


def arrays(inputs: Any, axes: int) -> Any:
    """The inputs as arrays.

    Raises:
        ValueError: unless there is an array, and all have at least so many axes.
    """
    try:
        found = jax.tree.map(jnp.asarray, inputs)
    except (TypeError, ValueError):
        found = None
    leaves = jax.tree.leaves(found)
    if not leaves or any(leaf.ndim < axes for leaf in leaves):
        got = [list(leaf.shape) for leaf in leaves] or brief(inputs)
        raise ValueError(
            f"expected inputs to be arrays with {axes} axes or more, got {got}; features are the "
            "last axis, and scalars need one: xs[..., None]"
        )
    return found


def features(core: Any, inputs: Any) -> Any:
    """The `input_size` of `init` for inputs; `None` for tokens."""

    def size(a):
        return a.shape[-1] if axes == 1 else a.shape[a.ndim - axes :]

    axes = core.num_feature_axes
    return jax.tree.map(size, arrays(inputs, axes)) if axes else None


def batch_of(cell: Cell, input_shape: Any) -> tuple[int, ...]:
    """The batch axes of an input of a shape.

    Raises:
        ValueError: unless it is a shape with the axes of features.
    """
    axes = cell.num_feature_axes
    if not isinstance(input_shape, tuple | list) or len(input_shape) < axes:
        raise ValueError(
            f"expected input_shape to be a shape with {axes} axes of features, such as "
            f"{(2, *range(3, 3 + axes))}, got {input_shape!r}"
        )
    check_shape("input_shape", input_shape)
    return tuple(input_shape[: len(input_shape) - axes])


class RNNCall:
    """The call of `RNN`, in Flax's words. Each kind of module gives `_sources`."""

    def __call__(
        self: Any,
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
        rngs: Any = None,
        init_key: Any = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs.

        Args as in `rnnjax.scan`; `seq_lengths` are its lengths. Options that are not `None`
        replace the module's. `rngs` is the source of noise of an NNX module; that of a Linen
        module is the `rngs` of `apply`. `init_key` is unused: no carry is random.
        """
        call = _options(
            self,
            return_carry=return_carry,
            time_major=time_major,
            reverse=reverse,
            keep_order=keep_order,
            deterministic=deterministic,
        )
        check_cell(self.cell)
        inputs = arrays(inputs, 1 + self.cell.num_feature_axes)
        params, key = self._sources(self.cell, inputs, call.deterministic, rngs)
        first = jax.tree.leaves(inputs)[0]
        time = 0 if call.time_major else first.ndim - 1 - self.cell.num_feature_axes
        mask, resets = _signal("mask", mask, time), _signal("resets", resets, time)
        xs, mask, resets = _move(time, 0, (inputs, mask, resets))
        lengths = None if seq_lengths is None else check_array("seq_lengths", seq_lengths)
        carry, ys = scan(
            self.cell,
            params,
            xs,
            initial_carry,
            context=context,
            key=key,
            lengths=lengths,
            mask=mask,
            resets=resets,
            reverse=call.reverse,
            method=self.method,
        )
        if call.reverse and not call.keep_order:
            ys = _turned(valid_steps(first.shape[time], lengths, mask), ys)
        ys = _move(0, time, ys)
        return (carry, ys) if call.return_carry else ys


class LayerCall:
    """The call of `Layer`, in Flax's words. Each kind of module gives `_sources`."""

    def __call__(
        self: Any,
        inputs: Any,
        *,
        initial_carry: Any = None,
        seq_lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        context: Any = None,
        return_carry: bool | None = None,
        deterministic: bool | None = None,
        rngs: Any = None,
        init_key: Any = None,
    ) -> Any:
        """The outputs, or the final carry and the outputs.

        Args as in `Layer.apply` of layers and in the call of `RNN`.
        """
        call = _options(self, return_carry=return_carry, deterministic=deterministic)
        check_layer("layer", self.layer)
        params, key = self._sources(self.layer, inputs, call.deterministic, rngs)
        signals = {"lengths": seq_lengths, "mask": mask, "resets": resets, "context": context}
        carry, ys = self.layer.apply(params, inputs, initial_carry, key=key, **signals)
        return (carry, ys) if call.return_carry else ys


def _options(module: Any, **call: Any) -> Any:
    """The options of a call, which are flags: those that it leaves at `None` are the module's."""
    given = {name: getattr(module, name) if flag is None else flag for name, flag in call.items()}
    return SimpleNamespace(
        **{
            name: flag if flag is None and name == "deterministic" else check_flag(name, flag)
            for name, flag in given.items()
        }
    )


def _signal(name: str, signal: Any, time: int) -> Any:
    """A signal as an array; it has an axis of time."""
    array = None if signal is None else check_array(name, signal)
    if array is not None and array.ndim <= time:
        raise ValueError(
            f"expected {name} with an entry for each step, got shape {list(array.shape)}"
        )
    return array


def _move(source: int, target: int, arrays: Any) -> Any:
    return jax.tree.map(lambda a: jnp.moveaxis(a, source, target), arrays)


def _turned(valid: Any, ys: Any) -> Any:
    """The outputs with the order of the valid steps reversed; zeros elsewhere."""
    if valid is None:
        return jax.tree.map(lambda y: y[::-1], ys)
    rank = jnp.cumsum(valid, 0)
    valid_first = jnp.argsort(~valid, 0, stable=True)
    source = jnp.take_along_axis(valid_first, jnp.maximum(rank[-1:] - rank, 0), 0)

    def turn(y):
        return jnp.take_along_axis(y, jnp.expand_dims(source, range(source.ndim, y.ndim)), 0)

    return where(valid, jax.tree.map(turn, ys), zeros_like(ys))
