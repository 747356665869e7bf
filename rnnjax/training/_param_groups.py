"""Groups of parameters by their role, which follows from their names."""

import re
from typing import Any

import jax
from jaxtyping import PyTree

# The first pattern that fits the end of a path decides. Flax's cells name their layers by input
# or state and by gate, such as "ii", "hf" and "dense_h"; NNX writes "if_", since "if" is a keyword.
_ROLE_OF_PATH = {
    r"w_h[^/]*|(dense_)?h[ifgorznh]?/kernel": "recurrent",
    r"w_x[^/]*|(dense_)?i[ifgorznh]?_?/kernel": "input",
    r"w[^/]*|kernel": "dense",
    r"b[^/]*": "bias",
    r"table[^/]*|embedding": "embedding",
}
_DECAYED = {"recurrent", "input", "dense", "embedding"}

ROLES = (*_ROLE_OF_PATH.values(), "other")


def label_by_role(params: PyTree) -> PyTree[str]:
    """The role of every parameter, for `optax.partition`.

    The role follows from the name of an array, the last field or key on its path, and from the
    layer of a Flax cell before it:

    | name | role |
    |---|---|
    | `w_h…`; `kernel` of a recurrent layer of a Flax cell, such as `hf`, `dense_h` | "recurrent" |
    | `w_x…`; `kernel` of an input layer of a Flax cell, such as `ii`, `dense_i` | "input" |
    | other `w…`; other `kernel` | "dense" |
    | `b…` | "bias" |
    | `table…`; `embedding` | "embedding" |
    | any other name, or none | "other" |

    Parameters may be those of cells and layers, of our Flax modules and of Flax's own. Additional
    axes, such as that of an ensemble, make no difference.

    Args:
        params: parameters of cells, layers or models.

    Returns:
        The tree of the parameters with one of `ROLES` for each array.

    Examples:
        >>> import rnnjax, optax
        >>> label_by_role(rnnjax.Elman(4).init(jax.random.key(0), 3))
        ElmanParams(w_x='input', w_h='recurrent', b='bias')
        >>> rates = dict.fromkeys(ROLES, optax.adam(1e-3)) | {"recurrent": optax.adam(1e-4)}
        >>> optimizer = optax.partition(rates, label_by_role)
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: _role(path), params)


def decay_mask(params: PyTree) -> PyTree[bool]:
    """True for the parameters that weight decay acts on: weights and embeddings, nothing else.

    Decay would pull biases, gains, decay rates and time constants away from their values.
    The function is a mask for `optax.adamw`. `optax.inject_hyperparams` takes it for a schedule
    unless `static_args="mask"` is passed.

    Args:
        params: parameters of cells, layers or models.

    Returns:
        The tree of the parameters with True or False for each array.

    Examples:
        >>> import rnnjax, optax
        >>> decay_mask(rnnjax.Elman(4).init(jax.random.key(0), 3))
        ElmanParams(w_x=True, w_h=True, b=False)
        >>> optimizer = optax.adamw(1e-3, weight_decay=0.01, mask=decay_mask)
    """
    return jax.tree.map(_DECAYED.__contains__, label_by_role(params))


def _role(path: tuple[Any, ...]) -> str:
    keys = [getattr(key, "name", getattr(key, "key", None)) for key in path]
    # Flax's NNX ends the path to an array with the name of the variable's own field, "value".
    names = [key for key in keys if isinstance(key, str) and key != "value"]
    end = "/".join(names)
    fits = (role for rule, role in _ROLE_OF_PATH.items() if re.search(f"(^|/)({rule})$", end))
    return next(fits, "other")
