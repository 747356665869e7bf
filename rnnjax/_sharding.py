"""Arrays on several devices."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType


def may_be_divided(x: Any) -> bool:
    """Whether XLA may keep parts of an array on several devices, and sees to that by itself."""
    mesh = jax.typeof(x).sharding.mesh
    axes = zip(mesh.axis_sizes, mesh.axis_types, strict=True)
    return any(size > 1 and kind != AxisType.Manual for size, kind in axes)


def check_meshes(*trees: Any) -> None:
    """Raises if an array or the context has explicit mesh axes, which loops do not propagate.

    Raises:
        ValueError: if so; inside `jax.shard_map` no axis is explicit.
    """
    meshes = [jax.typeof(a).sharding.mesh for a in jax.tree.leaves(trees)]
    for mesh in (jax.sharding.get_abstract_mesh(), *meshes):
        axes = zip(mesh.axis_sizes, mesh.axis_types, strict=True)
        if any(size > 1 and kind == AxisType.Explicit for size, kind in axes):
            raise ValueError(
                "expected arrays on a mesh of automatic axes, got explicit ones; make it with "
                "jax.make_mesh(shape, names, axis_types=(jax.sharding.AxisType.Auto,) * n), or "
                "call inside jax.shard_map"
            )


def match_varying_axes(tree: Any, like: Any) -> Any:
    """A tree of which each leaf counts as varying between devices if any leaf of `like` does.

    Inside `jax.shard_map` that is part of an array's type. A loop must leave with the types that
    it entered with, and a gradient must have its primal's; elsewhere nothing varies.
    """

    def varying(a):
        return jax.typeof(a).manual_axis_type.varying

    axes = frozenset().union(*map(varying, jax.tree.leaves(like)))

    def cast(a):
        missing = tuple(axes - varying(a))
        return lax.pcast(jnp.asarray(a), missing, to="varying") if missing else a

    return jax.tree.map(cast, tree)
