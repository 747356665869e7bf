"""Groups of parameters by their role, which their names tell."""

from typing import Any

import jax
from jaxtyping import PyTree

# The first rule that fits the start of a name decides.
_ROLE_OF_START = {
    "w_h": "recurrent",
    "w_x": "input",
    "w": "dense",
    "b": "bias",
    "table": "embedding",
}
_DECAYED = {"recurrent", "input", "dense", "embedding"}

ROLES = (*_ROLE_OF_START.values(), "other")


def label_by_role(params: PyTree) -> PyTree[str]:
    """The role of every parameter, for `optax.partition`.

    The name of an array, the last field or key on its path, tells its role:

    | name | role |
    |---|---|
    | `w_h…` | "recurrent" |
    | `w_x…` | "input" |
    | other `w…` | "dense" |
    | `b…` | "bias" |
    | `table…` | "embedding" |
    | anything else, or none | "other" |

    It works for parameters of cells, layers and Flax modules alike. Additional axes, such as
    that of an ensemble, make no difference.

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
    """Which parameters weight decay is for: weights and embeddings, and nothing else.

    Decay would pull biases, gains, decay rates and time constants away from where they belong.
    The function is a mask for `optax.adamw`. `optax.inject_hyperparams` would take it for a
    schedule without `static_args="mask"`.

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
    name = names[-1] if names else ""
    return next((role for start, role in _ROLE_OF_START.items() if name.startswith(start)), "other")
