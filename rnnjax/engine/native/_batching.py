"""A loop under `vmap`: more rows where they share the factors of products, else more members."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun
from jax.interpreters import batching

from ._primitive import RowLoop, compiled, row_loop_p


def _batch(operands, dims, *, loop: RowLoop):
    size = next(a.shape[d] for a, d in zip(operands, dims, strict=True) if d is not None)
    return _more_rows(loop, size, operands, dims) or _more_members(loop, size, operands, dims)


def _more_rows(loop: RowLoop, size: int, operands, dims):
    """The loop over `size` times as many rows; `None` if they would not share a factor."""
    groups = loop.operand_groups
    mapped = [g != "constant" or d is not None for g, d in zip(groups, dims, strict=True)]
    batch, args = (size, *loop.batch), range(len(loop.groups))
    shapes = [
        a.update(shape=(size, *a.shape)) if mapped[k] else a
        for k, a in enumerate(loop.body.in_avals)
    ]
    body = jax.vmap(jaxpr_as_fun(loop.body), [0 if mapped[k] else None for k in args])
    jaxpr = jax.make_jaxpr(body)(*shapes)
    if isinstance(compiled(jaxpr, loop.groups, batch, loop.kept, loop.over), str):
        return None
    axes = [int(g in ("row", "next")) if m else None for g, m in zip(groups, mapped, strict=True)]
    out = [int(k >= loop.count("carry")) for k in range(len(loop.body.out_avals))]
    new = replace(loop, body=jaxpr, batch=batch, portable=jax.vmap(loop.portable, axes, out))
    given = [
        _moved(a, dim, None if axis is None else axis + own, size)
        for a, dim, axis, own in zip(operands, dims, axes, loop.own, strict=True)
    ]
    lead = loop.members is not None
    out = [axis + lead for axis, keep in zip(out, loop.kept, strict=True) if keep]
    return row_loop_p.bind(*given, loop=new), out


def _more_members(loop: RowLoop, size: int, operands, dims):
    """A loop for each entry of the batch, and for each member that there is."""
    before = loop.members or 1

    def folded(a, dim, own):
        if dim is None and not own:
            return a
        a = _moved(a, dim, 0, size)
        a = a if own else jnp.broadcast_to(a[:, None], (size, before, *a.shape[1:]))
        return a.reshape(-1, *a.shape[2:])

    own = tuple(o or d is not None for o, d in zip(loop.own, dims, strict=True))
    new = replace(loop, members=size * before, own=own)
    given = [folded(*each) for each in zip(operands, dims, loop.own, strict=True)]
    lead = (size,) if loop.members is None else (size, before)
    results = [a.reshape(*lead, *a.shape[1:]) for a in row_loop_p.bind(*given, loop=new)]
    return results, [0] * len(results)


def _moved(a: Any, dim: int | None, axis: int | None, size: int) -> Any:
    """An operand with its batch at an axis, if it is to have one."""
    if axis is None:
        return a
    if dim is None:
        return jnp.broadcast_to(jnp.expand_dims(a, axis), (*a.shape[:axis], size, *a.shape[axis:]))
    return jnp.moveaxis(a, dim, axis)


batching.primitive_batchers[row_loop_p] = _batch
