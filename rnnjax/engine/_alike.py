"""An array that `vmap` batches wherever it batches another.

In the gradient of an ensemble with the same inputs, the product of inputs and gradients has a batch
axis on one side only. XLA makes one large product of it, and transposes the gradients for that.
With a copy of the inputs for each member, which is smaller, it transposes nothing.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

_alike_p = Primitive("alike")


def alike(tree: Any, other: Any) -> Any:
    """The tree, its arrays batched wherever the array `other` is."""
    return jax.tree.map(lambda a: _alike_p.bind(a, other), tree)


@_alike_p.def_impl
def _first(a, other):
    return a


@_alike_p.def_abstract_eval
def _abstract(a, other):
    return a


def _batch(arrays, dims):
    a, other = arrays
    if dims[0] is None:
        return jnp.broadcast_to(a, (other.shape[dims[1]], *a.shape)), 0
    # A later `vmap` may batch the other array alone, so it stays, without this axis.
    other = other if dims[1] is None else jnp.take(other, 0, axis=dims[1])
    return _alike_p.bind(a, other), dims[0]


def _differentiate(primals, tangents):
    tangent, other = tangents[0], primals[1]
    if not isinstance(tangent, ad.Zero):
        tangent = _alike_p.bind(tangent, other)
    return _alike_p.bind(*primals), tangent


batching.primitive_batchers[_alike_p] = _batch
ad.primitive_jvps[_alike_p] = _differentiate
ad.primitive_transposes[_alike_p] = lambda cotangent, a, other: (cotangent, None)
mlir.register_lowering(_alike_p, lambda context, a, other: [a])
