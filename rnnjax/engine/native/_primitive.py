"""A loop with a row-wise body as one primitive of JAX.

It has two forms that compute the same: a call of the compiled body, and a function in JAX. The call
serves a CPU on which one device holds the arrays. The function serves everything else: other
platforms, artifacts, and derivatives.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import prod
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir
from jax.interpreters import partial_eval as pe

from ..._sharding import match_varying_axes
from ._compiler import CompilerError, target
from ._reader import read
from ._rows import Body, Group, Obstacle
from ._source import Source


@dataclass(frozen=True, eq=False)
class RowLoop:
    """A loop over time; its operands are constants, carry, rows, next rows and their ends.

    Attributes:
        body: the jaxpr of the body: of constants, carry, the row of a step and that of the step
            that follows it; returns the carry and a row.
        groups: the group of each argument of the body.
        batch: the shape of the rows in the body's arrays.
        kept: whether each result of the body is a result of the loop; the carry always is.
        over: for the first rows that the body returns the index of the row among its arguments over
            which each may be written, or `None`.
        steps: number of steps, at least 1.
        reverse: whether the last step comes first.
        portable: the same loop as a function of the operands, of all results.
        own: whether each operand has an axis of members, in front.
        members: number of such loops, each with arrays of its own; `None` for one.
    """

    body: Any
    groups: tuple[Group, ...]
    batch: tuple[int, ...]
    kept: tuple[bool, ...]
    over: tuple[int | None, ...]
    steps: int
    reverse: bool
    portable: Callable
    own: tuple[bool, ...]
    members: int | None = None

    def count(self, group: Group) -> int:
        """The number of operands of a group."""
        return self.groups.count(group)

    @property
    def operand_groups(self) -> list[Group]:
        """The group of each operand; the ends of the next rows are laid out as a carry."""
        ends: list[Group] = ["carry"] * self.count("next")
        return [*self.groups, *ends]

    def results(self) -> list[tuple[tuple[int, ...], Any]]:
        """Shapes and dtypes: of the last carry, and of the rows of all steps."""
        lead = () if self.members is None else (self.members,)
        carry = self.count("carry")
        return [
            ((*lead, *(() if k < carry else (self.steps,)), *a.shape), a.dtype)
            for k, a in enumerate(self.body.out_avals)
            if self.kept[k]
        ]

    def function(self, *operands) -> list:
        """The loop in JAX."""
        run = self.portable
        if self.members is not None:
            run = jax.vmap(run, [0 if own else None for own in self.own])
        return [a for a, keep in zip(run(*operands), self.kept, strict=True) if keep]


def row_loop(
    body: Callable,
    portable: Callable,
    constants: Any,
    carry: Any,
    rows: Any,
    following: tuple[Any, Any] = ((), ()),
    *,
    batch: tuple[int, ...],
    steps: int,
    reverse: bool = False,
    over: Sequence[int | None] = (),
) -> tuple[Any, Any]:
    """The last carry, and the rows that the steps return.

    Args:
        body: `(constants, carry, row, next row) -> (carry, row)`, for trees of arrays.
        portable: the same loop as a function `(constants, carry, rows, following)`.
        constants: arrays that are the same in every step.
        carry: arrays `[*batch, …]`.
        rows: arrays `[T, *batch, …]`.
        following: arrays `[T, *batch, …]`, of which each step gets the entry of the step that
            follows, and arrays `[*batch, …]` for the last step.
        batch: the shape of the rows.
        steps: number of steps T, at least 1.
        reverse: whether the last step comes first.
        over: for the first rows that are returned the index of the row over which each may be
            written, as nothing reads that later, or `None`.
    """
    given = match_varying_axes((constants, carry, rows, following), (constants, carry, rows))
    operands, tree = jax.tree.flatten(given)
    jaxpr, groups, structure = trace(body, *given)

    def flat(*operands):
        return jax.tree.leaves(portable(*tree.unflatten(operands)))

    loop = RowLoop(
        body=jaxpr,
        groups=groups,
        batch=batch,
        kept=(True,) * len(jaxpr.out_avals),
        over=tuple(over),
        steps=steps,
        reverse=reverse,
        portable=flat,
        own=(False,) * len(operands),
    )
    return structure.unflatten(row_loop_p.bind(*operands, loop=loop))


def trace(
    body: Callable, constants: Any, carry: Any, rows: Any, following: tuple[Any, Any]
) -> tuple[Any, tuple[Group, ...], Any]:
    """The jaxpr of a body, the groups of its arguments, and the structure of its results."""

    def row(a):
        return jax.ShapeDtypeStruct(a.shape[1:], a.dtype)

    def whole(a):
        return jax.ShapeDtypeStruct(a.shape, a.dtype)

    args = (*jax.tree.map(whole, (constants, carry)), *jax.tree.map(row, (rows, following[0])))
    names: tuple[Group, ...] = ("constant", "carry", "row", "next")
    pairs = zip(names, args, strict=True)
    groups = tuple(name for name, tree in pairs for _ in jax.tree.leaves(tree))
    jaxpr, shapes = jax.make_jaxpr(body, return_shape=True)(*args)
    return jaxpr, groups, jax.tree.structure(shapes)


class Compiled(NamedTuple):
    """A body, its file, and the operands over which results may be written, by result."""

    body: Body
    source: str
    overwrites: dict[int, int]


@lru_cache(maxsize=256)
def compiled(
    jaxpr: Any,
    groups: tuple[Group, ...],
    batch: tuple[int, ...],
    kept: tuple[bool, ...] | None = None,
    over: tuple[int | None, ...] = (),
) -> Compiled | str:
    """The body of a jaxpr with its file, or the obstacle; `kept` and `over` as in `RowLoop`."""
    kept = kept or (True,) * len(jaxpr.out_avals)
    try:
        body = read(jaxpr, groups, batch, kept)
    except Obstacle as obstacle:
        return str(obstacle)
    carry = len(body.carry)
    read_rows = [k for k, use in enumerate(body.reads[carry : carry + groups.count("row")]) if use]
    results = [row for row, keep in zip(over, kept[carry:], strict=False) if keep]
    free = {k: read_rows.index(row) for k, row in enumerate(results) if row in read_rows}
    source = Source(body, free)
    return Compiled(body, source.text, source.overwrites)


row_loop_p = Primitive("row_loop")
row_loop_p.multiple_results = True


@row_loop_p.def_abstract_eval
def _abstract(*avals, loop: RowLoop):
    # Inside `jax.shard_map` all operands vary alike, and so do the results.
    return [avals[0].update(shape=s, dtype=d, weak_type=False) for s, d in loop.results()]


@row_loop_p.def_impl
def _eager(*operands, loop: RowLoop):
    return jax.jit(partial(row_loop_p.bind, loop=loop))(*operands)


def _differentiate(primals, tangents, *, loop: RowLoop):
    return jax.jvp(loop.function, tuple(primals), tuple(map(ad.instantiate_zeros, tangents)))


# Dead code: rows that are not read are not written.


def _drop_unused(used: Sequence[bool], *rest: Any) -> tuple[list[bool], Any]:
    equation = rest[-1]  # before it some versions of JAX pass which inputs live
    if not any(used):
        return [False] * len(equation.invars), None
    loop = equation.params["loop"]
    uses = iter(used)
    kept = tuple(
        keep and (next(uses) or k < loop.count("carry")) for k, keep in enumerate(loop.kept)
    )
    still = [keep for keep, before in zip(kept, loop.kept, strict=True) if before]
    outvars = [var for var, keep in zip(equation.outvars, still, strict=True) if keep]
    fewer = equation.replace(outvars=outvars, params={"loop": replace(loop, kept=kept)})
    return [True] * len(equation.invars), fewer


# Lowering.


def _lower(context, *operands, loop: RowLoop):
    return mlir.lower_fun(loop.function, multiple_results=True)(context, *operands)


def _lower_on_cpu(context, *operands, loop: RowLoop):
    found = compiled(loop.body, loop.groups, loop.batch, loop.kept, loop.over)
    if _on_one_device(context.module_context) and not isinstance(found, str):
        with suppress(CompilerError):  # the next `explain` has the reason
            call = partial(_call, loop, found, target(found.source))
            return mlir.lower_fun(call, multiple_results=True)(context, *operands)
    return _lower(context, *operands, loop=loop)


def _on_one_device(module) -> bool:
    """Whether whole arrays, or by `jax.shard_map` whole parts, are on this machine's CPU."""
    if module.lowering_parameters.for_export:
        return False
    axes = module.axis_context
    if hasattr(axes, "num_devices"):
        return axes.num_devices == 1
    mesh = getattr(axes, "mesh", None)
    return mesh is not None and axes.manual_axes == frozenset(mesh.axis_names)


def _call(loop: RowLoop, found: Compiled, name: str, *operands):
    """The call of the compiled body."""
    body, count = found.body, loop.count("constant")
    constants, rest = list(operands[:count]), operands[count:]
    own, rest_own = loop.own[:count], loop.own[count:]
    if any(own):
        constants = jax.vmap(body.constants, ([0 if o else None for o in own],))(constants)
    else:
        constants = body.constants(constants)
    kept = [k for k, use in enumerate(body.reads) if use]
    arrays = match_varying_axes([*constants, *(rest[k] for k in kept)], operands)
    flags = [any(own)] * len(constants) + [rest_own[k] for k in kept]
    sizes = [loop.members or 1, prod(loop.batch), loop.steps, loop.reverse, *flags]
    shapes = [jax.ShapeDtypeStruct(*each) for each in loop.results()]
    alias = {
        operand: len(body.carry) + result
        for result, operand in found.overwrites.items()
        if loop.members is None or flags[operand]
    }
    call = jax.ffi.ffi_call(name, shapes, input_output_aliases=alias)
    return call(*arrays, sizes=np.array(sizes, np.int64))


ad.primitive_jvps[row_loop_p] = _differentiate
pe.dce_rules[row_loop_p] = _drop_unused
mlir.register_lowering(row_loop_p, _lower)
mlir.register_lowering(row_loop_p, _lower_on_cpu, platform="cpu")
