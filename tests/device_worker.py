"""What `test_devices.py` runs in processes of its own, since JAX counts its devices only once.

`device_worker.py virtual FOLDER` checks training on eight virtual devices against one device.
`device_worker.py process ADDRESS RANK FOLDER` is one of two processes that train together.
"""

import re
import sys
from functools import cache
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax.data import Batch, windows
from rnnjax.layers import RNN, Dense, Dropout, Sequential
from rnnjax.losses import squared_error
from rnnjax.training import (
    SequenceObjective,
    TBPTTObjective,
    clipped,
    ensemble_step,
    fit,
    replicate,
    shard,
    shard_weights,
    train_state,
    train_step,
)

ROWS, STEPS, INPUTS, UNITS, OUTPUTS, MEMBERS = 24, 7, 5, 16, 2, 12
OPTIMIZER = clipped(optax.adam(1e-2), 0.5)
WHOLE = Sequential((Dropout(0.2), RNN(rnnjax.LSTM(UNITS)), Dense(OUTPUTS)))
STREAM = Sequential((RNN(rnnjax.Stack((rnnjax.LSTM(UNITS), rnnjax.GRU(UNITS)))), Dense(INPUTS)))
whole_step = train_step(SequenceObjective(WHOLE, squared_error), OPTIMIZER)
stream_step = train_step(TBPTTObjective(STREAM, squared_error), OPTIMIZER)


def random_like(seed, tree):
    draw = np.random.default_rng(seed).standard_normal
    return jax.tree.map(lambda a: jnp.asarray(draw(a.shape) / 2), tree)


def random_params(model):
    return random_like(0, jax.eval_shape(lambda: model.init(jax.random.key(0), INPUTS)))


def whole_state():
    params = random_params(WHOLE)
    return train_state(params, OPTIMIZER, jax.random.key(1))


def whole_batch(position, rows=slice(None)):
    """Sequences of different lengths, 0 among them, new ones at every position."""
    random = np.random.default_rng(position)
    lengths = random.integers(0, STEPS + 1, ROWS)
    batch = Batch(
        inputs=random.standard_normal((ROWS, STEPS, INPUTS)),
        targets=random.standard_normal((ROWS, STEPS, OUTPUTS)),
        lengths=lengths,
    )
    return jax.tree.map(lambda a: a[rows], batch)


def stream_state():
    params = random_params(STREAM)
    carry = random_like(3, STREAM.init_carry(params, (ROWS,)))
    return train_state(params, OPTIMIZER, jax.random.key(1), carry)


def stream_batches():
    random = np.random.default_rng(4)
    rows = random.standard_normal((ROWS, 3 * STEPS + 1, INPUTS))
    return list(windows(rows, STEPS, resets=random.random(rows.shape[:2]) < 0.1))


WHOLE_BATCHES = [whole_batch(position) for position in range(3)]
STREAM_BATCHES = stream_batches()


def trained(step, state, batches):
    """The state after all batches, and the metrics of the last one."""
    metrics = None
    for batch in batches:
        state, metrics = step(state, batch)
    return jax.device_get((state._replace(key=jax.random.key_data(state.key)), metrics))


@cache
def whole_on_one():
    return trained(whole_step, whole_state(), WHOLE_BATCHES)


@cache
def stream_on_one():
    return trained(stream_step, stream_state(), STREAM_BATCHES)


def assert_equal(actual, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-9, 1e-9), actual, expected)


def mesh(**axes):
    count = int(np.prod(list(axes.values())))
    return jax.make_mesh(tuple(axes.values()), tuple(axes), devices=jax.devices()[:count])


def assert_divided(program, count, *sizes):
    """No array of a device's program that has an axis of each size, or one of all, is whole."""
    shapes = re.findall(r"[a-z]\d+\[([\d,]+)\]", program.as_text())
    for shape in {tuple(map(int, shape.split(","))) for shape in shapes}:
        assert not {count, *sizes} <= {*shape}, f"{shape} is whole"
        assert count * prod(sizes) not in shape, f"{shape} is whole"


def exchanged(program):
    """The kinds of collectives in a compiled program."""
    kinds = r" (all-\w+|reduce-scatter|collective-\w+|ragged-[\w-]+?)(?:-start)?\("
    return set(re.findall(kinds, program.as_text()))


def check_data_parallel():
    over = mesh(data=8)
    state, parts = replicate(whole_state(), over), [shard(batch, over) for batch in WHOLE_BATCHES]
    program = whole_step.run.lower(state, parts[0]).compile()
    assert_equal(trained(program, state, parts), whole_on_one())
    assert_divided(program, ROWS, STEPS)
    assert exchanged(program) == {"all-reduce"}  # of gradients


def check_streams_data_parallel():
    over = mesh(data=8)
    state = stream_state()
    state = replicate(state, over)._replace(carry=shard(state.carry, over))
    parts = [shard(batch, over) for batch in STREAM_BATCHES]
    program = stream_step.run.lower(state, parts[0]).compile()
    assert_equal(trained(program, state, parts), stream_on_one())
    assert_divided(program, ROWS, STEPS)
    assert exchanged(program) == {"all-reduce"}  # of gradients
    after, _ = program(state, parts[0])
    assert {leaf.sharding.spec for leaf in jax.tree.leaves(after.carry)} == {jax.P("data")}


def check_ensemble_parallel():
    optimizer = clipped(optax.inject_hyperparams(optax.adam)(0.0))
    step = ensemble_step(train_step(SequenceObjective(WHOLE, squared_error), optimizer))
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    one = train_state(whole_state().params, optimizer, keys[0])
    states = jax.tree.map(lambda a: jnp.stack([a] * MEMBERS), one)._replace(key=keys)
    states = states._replace(params=random_like(5, states.params))
    states = optax.tree.set(states, learning_rate=jnp.geomspace(1e-3, 1e-1, MEMBERS))
    expected = trained(step, states, WHOLE_BATCHES)
    placed = shard(states, mesh(members=4), "members")
    program = step.run.lower(placed, WHOLE_BATCHES[0]).compile()
    assert_equal(trained(program, placed, WHOLE_BATCHES), expected)
    assert_divided(program, MEMBERS)
    assert exchanged(program) == set()
    after, _ = program(placed, WHOLE_BATCHES[0])
    assert after.key.sharding.spec == jax.P("members")


def check_model_parallel():
    state = shard_weights(stream_state(), mesh(model=4))
    assert_equal(trained(stream_step, state, STREAM_BATCHES), stream_on_one())
    after, _ = stream_step(state, STREAM_BATCHES[0])
    cells, _ = after.params
    for leaf in jax.tree.leaves((cells, optax.tree.get(after.opt_state, "mu")[0])):
        assert 4 * leaf.addressable_shards[0].data.size == leaf.size, leaf.sharding


def check_data_and_model_parallel():
    over = mesh(data=2, model=4)
    state, parts = shard_weights(whole_state(), over), [shard(b, over) for b in WHOLE_BATCHES]
    assert_equal(trained(whole_step, state, parts), whole_on_one())


def check_shard_map():
    """Each device has its rows and the whole parameters, whose gradients JAX adds up."""
    params, carry = stream_state().params, stream_state().carry
    xs, resets = STREAM_BATCHES[0].inputs, STREAM_BATCHES[0].resets

    def gradients(params, xs, resets, carry):
        def loss(*args):
            final, ys = STREAM.apply(*args, resets=resets)
            return sum(jnp.sum(jnp.sin(a)) for a in jax.tree.leaves((final, ys)))

        return jax.grad(loss, (0, 1, 2))(params, xs, carry)

    over = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    whole, rows = jax.P(), jax.P("data")
    each, together = (whole, rows, rows, rows), (whole, rows, rows)
    parts = jax.shard_map(gradients, mesh=over, in_specs=each, out_specs=together)
    args = params, xs, resets, carry
    assert_equal(jax.device_get(jax.jit(parts)(*args)), jax.device_get(jax.jit(gradients)(*args)))


def check_resuming_on_fewer_devices(folder):
    """On eight devices, then four, then one."""
    expected = fit(whole_step, whole_state(), whole_batch, steps=8, eval_every=2).state.params
    for steps, devices in ((4, 8), (6, 4), (8, 1)):
        found = train(mesh(data=devices), steps, folder)
        params = found.state.params
        assert found.history[-1]["step"] == steps
        assert len(jax.tree.leaves(params)[0].sharding.device_set) == devices
    assert_equal(jax.device_get(params), jax.device_get(expected))


def train(over, steps, folder, rows=slice(None)):
    """Data parallel, of which this process has these rows of every batch."""
    return fit(
        whole_step,
        replicate(whole_state(), over),
        lambda position: shard(whole_batch(position, rows), over),
        steps=steps,
        eval_every=2,
        checkpoint_dir=folder,
    )


def check_what_does_not_divide():
    error = r"n a multiple of this process's 4 devices along 'data', got \[6, 2\] for x"
    with pytest.raises(ValueError, match=error):
        shard({"x": np.ones((6, 2))}, mesh(data=4))
    weights = shard_weights({"v": np.ones(6), "w": np.ones((8, 6))}, mesh(model=4))
    assert weights["v"].is_fully_replicated and weights["w"].sharding.spec == jax.P("model")


def virtual(folder):
    check_what_does_not_divide()
    check_data_parallel()
    check_streams_data_parallel()
    check_ensemble_parallel()
    check_model_parallel()
    check_shard_map()
    check_data_and_model_parallel()
    check_resuming_on_fewer_devices(folder)


def check_placing(over, rank):
    """Each process gives its part, and every process can get the whole."""
    keys = jax.random.split(jax.random.key(0), 4)
    parts = shard({"keys": keys[2 * rank :][:2], "rows": np.arange(rank, rank + 1)}, over)
    assert not any(leaf.is_fully_addressable for leaf in jax.tree.leaves(parts))
    whole = replicate(parts, over)
    assert np.asarray(whole["rows"]).tolist() == [0, 1]
    assert jax.random.key_data(whole["keys"]).tolist() == jax.random.key_data(keys).tolist()
    weights = shard_weights({"w": np.ones((3, 4)), "key": keys[0]}, over, "data")
    assert weights["w"].addressable_shards[0].data.shape == (3, 2)
    assert weights["key"].is_fully_replicated


def process(address, rank, folder):
    """From the start, then from a checkpoint of one process; then on and on."""
    rank = int(rank)
    jax.distributed.initialize(address, 2, rank, heartbeat_timeout_seconds=10)
    over = jax.make_mesh((2,), ("data",))
    half = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    check_placing(over, rank)
    for name in ("from-start", "from-one"):
        params = train(over, 8, folder / name, half).state.params
        np.savez(folder / f"{name}-{rank}.npz", *jax.tree.leaves(jax.device_get(params)))
    train(over, 1_000_000, folder / "endless", half)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    role, *arguments, folder = sys.argv[1:]
    {"virtual": virtual, "process": process}[role](*arguments, Path(folder))
