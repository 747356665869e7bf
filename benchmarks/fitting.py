"""How much does `fit` add to a training step?

A hundred steps on one batch, by `fit` in one round and in rounds of ten, and by the shortest loop
around the same compiled step. The time is that of one step, with the start and the end of `fit`
in it.
"""

from collections.abc import Iterator

import jax
import optax
from _case import Case
from _compare import Call, Program, compare
from _harness import Run, Scale, main
from _record import Measurement

from rnnjax.data import Batch
from rnnjax.layers import RNN
from rnnjax.losses import squared_error
from rnnjax.training import SequenceObjective, clipped, fit, train_state, train_step

STEPS = 100


def cases(scale: Scale) -> Iterator[Case]:
    """Steps of half a millisecond, of five, and of thirty."""
    if scale == "smoke":
        yield Case("GRU", 2, 5, 3, 4)
        return
    yield Case("GRU", 8, 16, 16, 16)
    yield Case("LSTM", 16, 64, 64, 64)
    yield Case("LSTM", 32, 128, 128, 128)


def programs(case: Case) -> list[Program]:
    """The loop by hand, first, and `fit`."""
    model, optimizer = RNN(case.ours), clipped(optax.adam(1e-3))
    step = train_step(SequenceObjective(model, squared_error), optimizer)
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (case.batch, case.steps)
    batch = Batch(
        jax.random.normal(keys[0], (*shape, case.inputs)),
        jax.random.normal(keys[1], (*shape, case.hidden)),
    )
    start = train_state(model.init(keys[2], case.inputs), optimizer, keys[2])

    def by_hand():
        state = start
        for _ in range(STEPS):
            state, _ = step(state, batch)
        return state.params

    def fitted(rounds: int):
        every = STEPS // rounds
        return fit(step, start, batch, steps=STEPS, eval_every=every, quiet=True).state.params

    ways = {
        "a loop": by_hand,
        "fit, one round": lambda: fitted(1),
        "fit, ten rounds": lambda: fitted(10),
    }
    return [Program(name, lambda _, way=way: Call(way, count=STEPS)) for name, way in ways.items()]


def measure(case: Case, run: Run) -> list[Measurement]:
    """All three, whose parameters must be equal."""
    return compare(case, programs(case), ("training",), repeats=run.repeats)


if __name__ == "__main__":
    main(__file__, __doc__, cases, measure, repeats=9)
