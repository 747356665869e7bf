"""Roles of parameters: which ones are weights, which biases, which set the pace."""

from collections.abc import Mapping

import jax
from jaxtyping import PyTree

# A name that is not here has the role of its part before the first underscore: b_hn that of b.
_ROLE_OF_NAME = {
    "w_x": "input",
    "w_h": "recurrent",
    "w_y": "recurrent",
    "w": "dense",
    "table": "embedding",
    "b": "bias",
    "bias": "bias",
    "gain": "scale",
    "scale": "scale",
    "leak": "eigenvalue",
    "lambda": "eigenvalue",
    "nu": "eigenvalue",
    "theta": "eigenvalue",
    "tau": "eigenvalue",
    "rate": "rate",
}
_DECAYS = {"input", "recurrent", "dense", "embedding"}

ROLES = tuple(dict.fromkeys(_ROLE_OF_NAME.values()))


def label_by_role(params: PyTree, roles: Mapping[str, str] | None = None) -> PyTree[str]:
    """The role of every parameter, told by the name of its field; for `optax.partition`.

    Roles are "input", "recurrent" and "dense" weights, "embedding" tables (arrays without a
    name), "bias", "scale" (gains of normalisation), "eigenvalue" (leaks, poles, time constants)
    and "rate" (of dropout, which no gradient trains); `ROLES` lists them. Additional axes, such
    as that of an ensemble, make no difference.

    Args:
        params: parameters of cells, layers or models.
        roles: roles of names that rnnjax does not know, or knows by another role.

    Returns:
        The parameters' tree with a string for each array.

    Raises:
        ValueError: if a name has no role.

    Example:
        >>> import rnnjax, optax
        >>> label_by_role(rnnjax.Elman(4).init(jax.random.key(0), 3))
        ElmanParams(w_x='input', w_h='recurrent', b='bias')
        >>> rates = dict.fromkeys(ROLES, optax.adam(1e-3)) | {"recurrent": optax.adam(1e-4)}
        >>> optimizer = optax.partition(rates, label_by_role)
    """
    table = _ROLE_OF_NAME | dict(roles or {})
    return jax.tree_util.tree_map_with_path(lambda path, _: _role(path, table), params)


def decays(params: PyTree, roles: Mapping[str, str] | None = None) -> PyTree[bool]:
    """Which parameters weight decay is for: weights and embeddings, and nothing else.

    Decay pulls a bias, a gate's too, a gain or an eigenvalue away from where it belongs. It is
    a mask for `optax.adamw`. With `optax.inject_hyperparams` say `static_args="mask"`: it would
    take a function for a schedule.

    Args:
        params: parameters of cells, layers or models.
        roles: as for `label_by_role`.

    Raises:
        ValueError: if a name has no role.

    Example:
        >>> import rnnjax, optax
        >>> decays(rnnjax.Elman(4).init(jax.random.key(0), 3))
        ElmanParams(w_x=True, w_h=True, b=False)
        >>> optimizer = optax.adamw(1e-3, weight_decay=0.01, mask=decays)
    """
    return jax.tree.map(_DECAYS.__contains__, label_by_role(params, roles))


def _role(path: tuple, table: Mapping[str, str]) -> str:
    keys = [getattr(key, "name", getattr(key, "key", None)) for key in path]
    name = next((key for key in reversed(keys) if isinstance(key, str)), "table")
    for known in (name, name.split("_")[0]):
        if known in table:
            return table[known]
    raise ValueError(
        f"expected a parameter with a known role, got {name!r}; pass roles={{{name!r}: …}}, "
        f"with one of {', '.join(ROLES)}"
    )
