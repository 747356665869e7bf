"""A description of the computation of `scan`, with reasons."""

from functools import partial
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from .._checks import check_arrays, check_flag
from .._core import Cell
from .._masks import as_signals
from .._trees import pullback
from .._wrapper import check_cell
from ._choice import describe
from ._loop import Loop
from ._method import Method
from ._methods import Choice, candidates, choose
from ._native_loop import NativeLoop
from ._scan import compute, scan

SIGNALS = ("lengths", "mask", "resets")


class Explanation(NamedTuple):
    """The methods for a call of `scan`, and the reasons; `print` it."""

    recurrences: tuple[Choice, ...]  # in the order in which they run
    methods: tuple[Method, ...]  # in the order in which they are tried
    gradient_bytes: int  # memory that the gradient keeps between its passes, inputs included
    sqrt_bytes: int  # the same with `Loop(checkpoint="sqrt")`, in the method's dtype
    sources: tuple[str, ...] = ()  # C++ of the loops and the loops back, if asked for

    def __str__(self) -> str:
        names = ", ".join(type(method).__name__ for method in self.methods)
        rows = [("methods", names), *(("", line) for line in describe())]
        for choice in self.recurrences:
            rows += [("cell", f"{choice.cell}")]
            rows += [("  not", f"{name}: {why}") for name, why in choice.ruled_out]
            rows += [("  by", f"{choice.form} of {choice.method}: {choice.why}")]
        kept, sqrt = (f"{n / 1e6:.3g} MB" for n in (self.gradient_bytes, self.sqrt_bytes))
        rows += [("memory", f"{kept} for the gradient, {sqrt} with checkpoint='sqrt'")]
        return "\n".join([*(f"{name:<8} {text}" for name, text in rows), *self.sources])


def explain(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree = None,
    *,
    method: Method | None = None,
    source: bool = False,
    **options: Any,
) -> Explanation:
    """Describes what `scan`, called with the same arguments, would do; computes nothing.

    Args:
        cell: the cell.
        params: its parameters; for these, `xs` and `carry`, `jax.ShapeDtypeStruct` will do.
        xs: inputs `[T, *batch, features]`, or `None`.
        carry: the carry to start from.
        method: the method; `None` is the best known one.
        source: whether to add the C++ of the loops that `NativeLoop` compiles.
        options: the other arguments of `scan`.

    Raises:
        ValueError: where `scan` does.

    Examples:
        >>> import rnnjax
        >>> cell = rnnjax.GRU(4)
        >>> params = cell.init(jax.random.key(0), 3)
        >>> print(rnnjax.explain(cell, params, jax.numpy.ones((100, 2, 3))).recurrences[0].form)
        staged loop
    """

    check_cell(cell)
    for name, tree in (("params", params), ("xs", xs), ("carry", carry)):
        leaves = jax.tree.leaves(tree)
        check_arrays(name, [a for a in leaves if not isinstance(a, jax.ShapeDtypeStruct)])
    signals = as_signals(*map(options.get, SIGNALS))
    options = {**options, **dict(zip(SIGNALS, signals, strict=True))}

    def kept(method):
        def pull(params, xs, carry):
            return pullback(
                lambda params: scan(cell, params, xs, carry, method=method, **options), params
            )

        leaves = jax.tree.leaves(jax.eval_shape(pull, params, xs, carry))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

    # First, since `scan` checks what it is given.
    dtype = getattr(method, "dtype", None)
    sizes = kept(method), kept(Loop(checkpoint="sqrt", dtype=dtype))
    found: list[Choice] = []
    sources: list[str] = []

    def note(cell, recurrence, steps):
        found.append(choice := choose(method, cell, recurrence, steps))
        if with_source and isinstance(choice.method, NativeLoop):
            sources.extend(choice.method.sources(cell, recurrence))
        return choice

    with_source = check_flag("source", source)
    given = {name: options.get(name) for name in ("context", "key")}
    direction = options.get("reverse", False), options.get("length")
    trace = partial(compute, cell, note, dtype, *direction, signals=signals, **given)
    jax.eval_shape(trace, params, xs, carry)
    return Explanation(tuple(found), candidates(method), *sizes, tuple(sources))
