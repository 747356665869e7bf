"""The libraries that run a recurrent cell in JAX."""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
from _case import Case
from _contestant import JaxContestant, Peer

import rnnjax
from rnnjax import interop
from rnnjax.layers import RNN

OURS, PLAIN, TORCH = "rnnjax", "lax.scan", "PyTorch"
FLAX = ("Flax Linen", "Flax NNX")
LIBRARIES = (*FLAX, "Haiku", "Equinox", "Keras")
BEST = "best other JAX library"  # all of them as one family
UNROLLS = (1, 8)


def contestants(case: Case, *families: str, unrolls: tuple[int, ...] = UNROLLS):
    """The peers that compute a case, ours first; those of these families, if any."""
    return [
        JaxContestant(family, peer, case)
        for family, (_, peers) in FAMILIES.items()
        if (not families or family in families) and family not in missing()
        for peer in peers(case, unrolls)
        if peer.lengths or not case.lengths
    ]


def missing() -> list[str]:
    """The libraries that are not installed."""
    return [family for family, (module, _) in FAMILIES.items() if not find_spec(module)]


def ours(case: Case, name: str = "", method: Any = None) -> Peer:
    """This library: the engine for one layer, `rnnjax.layers` for more."""
    cell = case.ours

    def run(params, xs, lengths, reverse):
        return rnnjax.scan(cell, params, xs, lengths=lengths, reverse=reverse, method=method)[1]

    def step(params, carry, x):
        return cell.step(params, carry, x)[0]

    def network(params, xs, lengths):
        # The layers are batch-major; XLA drops the transposition, which they undo.
        xs = xs.swapaxes(0, 1)
        ys = case.network(method).apply(case.joined(params), xs, lengths=lengths)[1]
        return ys.swapaxes(0, 1)

    deep = case.layers > 1 or case.bidirectional
    name = name or type(cell).__name__
    return Peer(name, _ours, run, step, network=network if deep else None)


def plain(case: Case, unroll: int = 1) -> Peer:
    """The step of our cell in `jax.lax.scan`, differentiated by JAX."""
    cell = case.ours

    def run(params, xs, lengths, reverse):
        del lengths
        carry = cell.init_carry(params, xs.shape[1:-1])
        step = partial(cell.step, params)
        return jax.lax.scan(step, carry, xs, reverse=reverse, unroll=unroll)[1]

    def step(params, carry, x):
        return cell.step(params, carry, x)[0]

    name = "the step in a scan" + f", unroll={unroll}" * (unroll > 1)
    return Peer(name, _ours, run, step, lengths=False)


def linen(case: Case, unrolls: tuple[int, ...]) -> Iterator[Peer]:
    """Flax Linen: `nn.RNN` of every cell that computes the case."""
    import flax.linen as nn

    lstm = case.cell == "LSTM"

    def run(cell, unroll, theirs, xs, lengths, reverse):
        # The carry has the dtype of the parameters, float32 by default.
        module = cell(case.hidden, dtype=xs.dtype)
        rnn = nn.RNN(module, time_major=True, unroll=unroll, reverse=reverse, keep_order=True)
        return rnn.apply({"params": {"cell": theirs}}, xs, seq_lengths=lengths)

    def step(cell, theirs, carry, x):
        state = (carry.c, carry.h) if lstm else carry
        state, _ = cell(case.hidden).apply({"params": theirs}, state, x)
        return carry._replace(h=state[1], c=state[0]) if lstm else state

    for cell in _flax_cells(nn, case):
        for unroll in unrolls:
            name = f"{cell.__name__}, unroll={unroll}"
            yield Peer(name, interop.to_linen, partial(run, cell, unroll), partial(step, cell))


def nnx(case: Case, unrolls: tuple[int, ...]) -> Iterator[Peer]:
    """Flax NNX: `nnx.RNN` of every cell that computes the case; its GRU lacks `b_hn`."""
    from flax import nnx

    lstm = case.cell == "LSTM"

    @lru_cache
    def structure(cell, inputs):
        return nnx.graphdef(nnx.eval_shape(lambda: cell(inputs, case.hidden, rngs=nnx.Rngs(0))))

    def run(cell, unroll, theirs, xs, lengths, reverse):
        module = nnx.merge(structure(cell, xs.shape[-1]), nnx.State(theirs))
        rnn = nnx.RNN(module, time_major=True, unroll=unroll, reverse=reverse, keep_order=True)
        zeros = jnp.zeros((*xs.shape[1:-1], case.hidden), xs.dtype)
        return rnn(xs, initial_carry=(zeros, zeros) if lstm else zeros, seq_lengths=lengths)

    def step(cell, theirs, carry, x):
        module = nnx.merge(structure(cell, x.shape[-1]), nnx.State(theirs))
        state, _ = module((carry.c, carry.h) if lstm else carry, x)
        return carry._replace(h=state[1], c=state[0]) if lstm else state

    def convert(cell, ours, params):
        if case.cell == "GRU":
            params = params._replace(b_hn=0 * params.b_hn)
        return interop.to_nnx(ours, params, optimized=cell is nnx.OptimizedLSTMCell)

    for cell in _flax_cells(nnx, case):
        for unroll in unrolls:
            functions = partial(convert, cell), partial(run, cell, unroll), partial(step, cell)
            yield Peer(f"{cell.__name__}, unroll={unroll}", *functions)


def _flax_cells(module: Any, case: Case) -> list[Any]:
    names = {"LSTM": ("LSTMCell", "OptimizedLSTMCell"), "GRU": ("GRUCell",)}
    names["Elman"] = ("SimpleCell",)
    return [getattr(module, name) for name in names.get(case.cell, ())]


def haiku(case: Case, unrolls: tuple[int, ...]) -> Iterator[Peer]:
    """Haiku: `hk.dynamic_unroll` of its three cores, which know no lengths."""
    import haiku as hk  # pyright: ignore[reportMissingImports]

    cores = {"LSTM": hk.LSTM, "ResetBeforeGRU": hk.GRU, "Elman (relu)": hk.VanillaRNN}
    lstm = case.cell == "LSTM"

    def run(core, unroll, theirs, xs, lengths, reverse):
        del lengths

        def unrolled(xs):
            made = core(case.hidden)
            start = made.initial_state(xs.shape[1])
            return hk.dynamic_unroll(made, xs, start, reverse=reverse, unroll=unroll)[0]

        return hk.without_apply_rng(hk.transform(unrolled)).apply(theirs, xs)

    def step(core, theirs, carry, x):
        state = hk.LSTMState(carry.h, carry.c) if lstm else carry
        one = hk.without_apply_rng(hk.transform(lambda x, state: core(case.hidden)(x, state)))
        _, state = one.apply(theirs, x, state)
        return carry._replace(h=state.hidden, c=state.cell) if lstm else state

    if core := cores.get(case.cell):
        for unroll in unrolls:
            functions = interop.to_haiku, partial(run, core, unroll), partial(step, core)
            yield Peer(f"{core.__name__}, unroll={unroll}", *functions, lengths=False)


def equinox(case: Case, unrolls: tuple[int, ...]) -> Iterator[Peer]:
    """Equinox: its two cells under `vmap`, in `jax.lax.scan`; they know no lengths."""
    import equinox as eqx  # pyright: ignore[reportMissingImports]

    del unrolls
    lstm = case.cell == "LSTM"

    def cell(theirs, inputs):
        make = eqx.nn.LSTMCell if lstm else eqx.nn.GRUCell
        empty = make(inputs, case.hidden, key=jax.random.key(0))
        names = list(theirs)

        def where(cell):
            return [getattr(cell, name) for name in names]

        return jax.vmap(eqx.tree_at(where, empty, [theirs[name] for name in names]))

    def step(theirs, carry, x):
        state = cell(theirs, x.shape[-1])(x, (carry.h, carry.c) if lstm else carry)
        return carry._replace(h=state[0], c=state[1]) if lstm else state

    def run(theirs, xs, lengths, reverse):
        del lengths
        zeros = jnp.zeros((xs.shape[1], case.hidden), xs.dtype)
        one = cell(theirs, xs.shape[-1])

        def body(state, x):
            state = one(x, state)
            return state, state[0] if lstm else state

        return jax.lax.scan(body, (zeros, zeros) if lstm else zeros, xs, reverse=reverse)[1]

    if case.cell in ("LSTM", "GRU"):
        yield Peer(f"{case.cell}Cell", interop.to_equinox, run, step, lengths=False)


def keras(case: Case, unrolls: tuple[int, ...]) -> Iterator[Peer]:
    """Keras 3 on JAX: its recurrent layers as pure functions, by `stateless_call`."""
    del unrolls
    lstm = case.cell == "LSTM"

    def convert(cell, params):
        return list(interop.to_keras(RNN(cell), params))

    def run(theirs, xs, lengths, reverse):
        layer = _keras_layer(case.cell, xs.shape[-1], case.hidden, reverse)
        valid = None if lengths is None else jnp.arange(len(xs)) < lengths[:, None]
        # The layer is batch-major; XLA drops the transposition, which it undoes.
        xs = jnp.swapaxes(xs, 0, 1)
        ys, _ = layer.stateless_call(theirs, _rest(layer), xs, mask=valid)
        ys = jnp.swapaxes(ys, 0, 1)
        return ys[::-1] if reverse else ys

    def step(theirs, carry, x):
        cell = _keras_layer(case.cell, x.shape[-1], case.hidden, False).cell
        states = [carry.h, carry.c] if lstm else [carry]
        (_, states), _ = cell.stateless_call(theirs, _rest(cell), x, states)
        return carry._replace(h=states[0], c=states[1]) if lstm else states[0]

    yield Peer("the layer", convert, run, step)


@lru_cache
def _keras_layer(cell: str, inputs: int, hidden: int, reverse: bool) -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # Keras reads it when it is imported.
    import keras  # pyright: ignore[reportMissingImports]

    if keras.backend.backend() != "jax":
        raise ValueError(f"expected Keras on JAX, got {keras.backend.backend()}")
    kind, options = {
        "LSTM": (keras.layers.LSTM, {}),
        "GRU": (keras.layers.GRU, {}),
        "ResetBeforeGRU": (keras.layers.GRU, {"reset_after": False}),
        "Elman": (keras.layers.SimpleRNN, {}),
        "Elman (relu)": (keras.layers.SimpleRNN, {"activation": "relu"}),
    }[cell]
    layer = kind(hidden, return_sequences=True, go_backwards=reverse, **options)
    layer.build((None, None, inputs))
    return layer


def _rest(layer: Any) -> list:
    return [variable.value for variable in layer.non_trainable_variables]


def _ours(cell: Any, params: Any) -> Any:
    del cell
    return params


# The module that must be installed, and the cells of the library.
FAMILIES: dict[str, tuple[str, Callable[..., Any]]] = {
    OURS: ("jax", lambda case, unrolls: [ours(case)]),
    PLAIN: ("jax", lambda case, unrolls: [plain(case)]),
    "Flax Linen": ("flax", linen),
    "Flax NNX": ("flax", nnx),
    "Haiku": ("haiku", haiku),
    "Equinox": ("equinox", equinox),
    "Keras": ("keras", keras),
}
