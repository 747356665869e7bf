"""Many devices: the placement of its arguments decides how a compiled step runs.

`train_step`, `ensemble_step`, `fit` and `evaluate` are the same on one device and on many. Their
arguments are placed on a `jax.sharding.Mesh` of devices, of one host or of several:

* data parallel: `replicate` the state, and `shard` every batch, and the carry of streams, by rows;
* ensemble parallel: `shard` the states by members;
* model parallel: `shard_weights` the state. With a mesh of two axes, data parallel too.

Any mesh will do. Its axes are made automatic, since the engine leaves the placement of intermediate
results to the compiler.

A CPU is one device, and a loop that is compiled from C++ uses all of its cores. Where there is no
C++ compiler, XLA runs most of a loop on one core, and a program that begins with
`jax.config.update("jax_num_cpu_devices", 2)`, or as many as there are cores, may train faster with
rows or members divided among these devices. Arrays that are divided always run in XLA's loop.

Several hosts each run the same program, which begins with `jax.distributed.initialize` and makes
its mesh of all their devices. If one of them dies, JAX stops the others with an error, within
about the `heartbeat_timeout_seconds` it was given. Started again, on however many devices, `fit`
goes on from its checkpoint.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from .._checks import brief, check_instance
from .._trees import named_leaves

Tree = TypeVar("Tree", bound=PyTree)


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """Puts a whole copy of every array on every device of a mesh.

    Args:
        tree: arrays, such as a `TrainState`; in several processes the same in each. What is
            sharded over the mesh is brought together.
        mesh: the devices, such as `jax.make_mesh((8,), ("data",))`.

    Examples:
        >>> mesh = jax.make_mesh((1,), ("data",))
        >>> replicate({"w": np.ones((2, 3))}, mesh)["w"].is_fully_replicated
        True
    """
    _check_mesh(mesh)
    sharding = NamedSharding(_automatic(mesh), PartitionSpec())
    return jax.tree.map(lambda a: _placed(_put, sharding, a), tree)


def shard(tree: Tree, mesh: Mesh, axis: str = "data") -> Tree:
    """Divides the leading axis of every array among the devices along an axis of a mesh.

    Rows of a batch: each device computes its own, and the gradients are added once a step. Members
    of an ensemble: devices exchange nothing.

    Args:
        tree: a batch `[B, …]`, the carry of streams, or the states of an ensemble. Each of
            several processes gives its own part: B divided by the number of processes.
        mesh: the devices.
        axis: the name of the mesh's axis. Along its other axes there are copies.

    Raises:
        ValueError: if the leading axis does not divide, or the mesh has no such axis.

    Examples:
        >>> from rnnjax.data import Batch
        >>> mesh = jax.make_mesh((1,), ("data",))
        >>> shard(Batch(np.ones((4, 5, 3)), np.ones((4, 1))), mesh).inputs.sharding.spec
        P('data',)
    """
    _check_axis(mesh, axis)
    sharding = NamedSharding(_automatic(mesh), PartitionSpec(axis))
    parts = mesh.local_mesh.shape[axis]

    for name, a in named_leaves(tree, alone="one").items():
        if not np.ndim(a) or np.shape(a)[0] % parts:
            raise ValueError(
                f"expected arrays [n, …] with n a multiple of this process's {parts} devices along "
                f"{axis!r}, got {list(np.shape(a))} for {name}"
            )
    return jax.tree.map(
        lambda a: _placed(jax.make_array_from_process_local_data, sharding, a), tree
    )


def shard_weights(tree: Tree, mesh: Mesh, axis: str = "model") -> Tree:
    """Divides every array among the devices along an axis of a mesh, on its last axis.

    For models that one device cannot hold: weights and the optimiser's moments lie in parts. It
    is slower than `shard`. A recurrent product needs the whole state, so devices exchange states
    and gates several times in every time step, forwards and backwards, and wait each time.

    Args:
        tree: a `TrainState`, or parameters; in several processes the same in each. An array is
            divided on its last axis that the devices divide evenly; one without is replicated.
        mesh: the devices.
        axis: the name of the mesh's axis. Along its other axes there are copies.

    Raises:
        ValueError: if the mesh has no such axis.

    Examples:
        >>> mesh = jax.make_mesh((1,), ("model",))
        >>> shard_weights({"w": np.ones((2, 3))}, mesh)["w"].sharding.spec
        P(None, 'model')
    """
    _check_axis(mesh, axis)
    parts, automatic = mesh.shape[axis], _automatic(mesh)

    def place(a: Any) -> Any:
        divide = [index for index, size in enumerate(np.shape(a)) if size % parts == 0]
        spec = [None] * divide[-1] + [axis] if divide else []
        return _placed(_put, NamedSharding(automatic, PartitionSpec(*spec)), a)

    return jax.tree.map(place, tree)


def _placed(put: Callable, sharding: NamedSharding, a: Any) -> jax.Array:
    """`put(sharding, a)` between processes, where JAX takes neither keys nor a device's arrays."""
    if not isinstance(a, jax.Array) and np.asarray(a).dtype.kind in "OUS":
        raise ValueError(f"expected arrays of numbers, got {brief(a)}")
    if sharding.is_fully_addressable:
        return jax.device_put(a, sharding)
    if isinstance(a, jax.Array) and jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
        data = _placed(put, sharding, jax.random.key_data(a))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(a))
    shared = isinstance(a, jax.Array) and not a.is_fully_addressable
    return put(sharding, a if shared else np.asarray(a))


def _put(sharding: NamedSharding, a: Any) -> jax.Array:
    return jax.device_put(a, sharding)


def _automatic(mesh: Mesh) -> Mesh:
    """The mesh with axes along which the compiler decides; `jax.make_mesh` makes explicit ones."""
    return Mesh(mesh.devices, mesh.axis_names)


def _check_mesh(mesh: Any) -> None:
    check_instance("mesh", mesh, Mesh, 'jax.make_mesh((8,), ("data",))')


def _check_axis(mesh: Any, axis: Any) -> None:
    _check_mesh(mesh)
    if axis not in mesh.axis_names:
        raise ValueError(f"expected an axis of the mesh, one of {mesh.axis_names}, got {axis!r}")
