"""Learning in the page: tasks, the loss and its gradient, the clip, Adam; and the cliff."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from lab_node import close, run_scripts

import rnnjax
from rnnjax.training import clipped

SCRIPTS = ("random", "cells", "time", "learning", "panels/cliff")
LEARN = [("adding", "LSTM"), ("echo", "Elman"), ("parity", "GRU"), ("echo", "LSTM")]
TRAIN = {"length": 9, "batch": 3, "rate": 0.02, "largest": 0.7, "seed": 3}
DESCENTS = [
    {"w": 4.2, "b": -3.1, "steps": 40, "rate": 0.1, "updates": 150},
    {"w": 5.5, "b": -2.5, "steps": 20, "rate": 0.5, "updates": 30},
    {"w": 3.0, "b": 1.0, "steps": 5, "rate": 1.0, "updates": 20},
]
CLIP = 0.1
DRIVER = """
const array = (a) => Float64Array.from(a);
const optimize = ({ params, gradients, limit }) => {
  const current = mapArrays(params, array);
  const optimizer = adam(0.05);
  const norms = gradients.map((gradient) => {
    const grads = mapArrays(gradient, array);
    const norm = clip(grads, limit);
    optimizer.update(current, grads);
    return [norm, globalNorm(grads)];
  });
  return { params: current, norms };
};
const learn = (name, cell) => {
  const task = TASKS[name], random = randomStream(5);
  const samples = [1, 2, 3].map(() => task.sample(random, 9));
  const learner = drawLearner(cell, task.inputs, 4, 1);
  const move = (a) => a.forEach((v, j) => (a[j] = v + random.normal() / 9));
  Object.values(learner.params).forEach(move);
  const grads = zeroGradients(learner.params);
  const loss = lossOf(learner, samples, grads);
  return { samples, params: learner.params, grads, loss, alone: lossOf(learner, samples) };
};
const trained = ([name, cell]) => {
  const task = TASKS[name];
  const learner = drawLearner(cell, task.inputs, 4, 1);
  const start = mapArrays(learner.params, (a) => a.slice());
  const random = randomStream(given.train.seed);
  const sample = () => task.sample(random, given.train.length);
  const batches = [1, 2, 3, 4].map(() => Array.from({ length: given.train.batch }, sample));
  const training = train(learner, task, given.train);
  const updates = [];
  let sequences = 0;
  while (updates.length < batches.length) {
    const update = training.next().value;
    if (update) updates.push(update);
    else sequences += 1;
  }
  return { start, batches, updates, sequences, params: learner.params };
};
const manySamples = (task) => {
  const random = randomStream(1);
  return Array.from({ length: 300 }, () => task.sample(random, 10));
};
const many = Object.fromEntries(Object.entries(TASKS).map(([name, task]) =>
  [name, { samples: manySamples(task), trivial: task.trivialLoss }]));
return {
  optimized: optimize(given.optimize),
  learned: given.learn.map(([task, cell]) => learn(task, cell)),
  trained: given.learn.map(trained), many,
  descents: given.descents.map((one) => [cliffDescent(one), cliffDescent(one, given.clip)]),
  gradients: given.descents.map(({ w, b, steps }) => cliffLoss(w, b, steps).gradient),
};
"""


def optimization() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    draw = {"w": (3, 2), "b": (2,)}
    params = {name: rng.normal(size=shape) for name, shape in draw.items()}
    sizes = (0.01, 1.0, 10.0, 1.0)
    gradients = [
        {name: size * rng.normal(size=shape) for name, shape in draw.items()} for size in sizes
    ]
    return {"params": params, "gradients": gradients, "limit": 2.0}


@pytest.fixture(scope="module")
def page():
    """What the page's scripts compute."""
    optimize = optimization()

    def flat(arrays):
        return {name: a.ravel() for name, a in arrays.items()}

    optimize["params"] = flat(optimize["params"])
    optimize["gradients"] = [flat(gradient) for gradient in optimize["gradients"]]
    given = {"optimize": optimize, "learn": LEARN, "train": TRAIN, "clip": CLIP}
    given |= {"descents": DESCENTS}
    return run_scripts(SCRIPTS, DRIVER, given, before="const PANELS = [];")


@functools.cache
def loss_of(kind: str, inputs: int) -> Any:
    """The library's loss, with its gradient, of a cell with a readout by the page's parameters."""
    cell = getattr(rnnjax, kind)(4)
    like = cell.init(jax.random.key(0), inputs)

    def loss(params, xs, targets, weights):
        shaped = {name: params[name].reshape(a.shape) for name, a in like._asdict().items()}
        _, ys = rnnjax.scan(cell, like._replace(**shaped), xs.swapaxes(0, 1))
        y = (ys @ params["w_y"] + params["b_y"]).T
        return ((weights * (y - targets) ** 2).sum(1) / weights.sum(1)).mean()

    return jax.jit(jax.value_and_grad(loss))


def loss_and_gradients(kind: str, samples: list[dict[str, Any]], params: Any) -> Any:
    names = ("xs", "targets", "weights")
    arrays = [jnp.array([sample[name] for sample in samples], float) for name in names]
    return loss_of(kind, arrays[0].shape[-1])(params, *arrays)


def as_arrays(params: dict[str, Any]) -> dict[str, Any]:
    return {name: jnp.asarray(a, float) for name, a in params.items()}


def test_the_clip_and_adam_equal_optax(page, x64):
    optimize = optimization()
    optimizer = clipped(optax.adam(0.05), optimize["limit"])
    params: Any = jax.tree.map(jnp.asarray, optimize["params"])
    state = optimizer.init(params)
    for gradient, (before, after) in zip(
        optimize["gradients"], page["optimized"]["norms"], strict=True
    ):
        norm = np.linalg.norm(np.concatenate([a.ravel() for a in gradient.values()]))
        close(before, norm)
        close(after, min(norm, optimize["limit"]))
        updates, state = optimizer.update(jax.tree.map(jnp.asarray, gradient), state, params)
        params = optax.apply_updates(params, updates)
    for name, array in params.items():
        close(page["optimized"]["params"][name], np.ravel(array))


@pytest.mark.parametrize("index", range(len(LEARN)), ids=lambda index: "-".join(LEARN[index]))
def test_the_loss_of_a_learner_and_its_gradient_equal_the_library(page, index, x64):
    found, kind = page["learned"][index], LEARN[index][1]
    value, gradients = loss_and_gradients(kind, found["samples"], as_arrays(found["params"]))
    close(found["loss"], value)
    close(found["alone"], value)
    for name, gradient in gradients.items():
        close(found["grads"][name], gradient)
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("index", range(2), ids=lambda index: "-".join(LEARN[index]))
def test_training_equals_the_librarys(page, index, x64):
    found, kind = page["trained"][index], LEARN[index][1]
    assert found["sequences"] == TRAIN["batch"] * len(found["batches"])
    params: Any = as_arrays(found["start"])
    optimizer = clipped(optax.adam(TRAIN["rate"]), TRAIN["largest"])
    state, shortened = optimizer.init(params), 0
    for batch, update in zip(found["batches"], found["updates"], strict=True):
        loss, gradients = loss_and_gradients(kind, batch, params)
        norm = np.linalg.norm(np.concatenate([np.ravel(a) for a in gradients.values()]))
        close(update["loss"], loss)
        close(update["before"], norm)
        close(update["after"], min(norm, TRAIN["largest"]))
        shortened += norm > TRAIN["largest"]
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    assert shortened
    for name, array in params.items():
        close(found["params"][name], array)


def test_tasks_are_as_described_and_their_trivial_losses_are_right(page):
    for name, trivial in (("adding", 1.0), ("echo", 0.0), ("parity", 0.0)):
        task = page["many"][name]
        targets, weights, xs = (
            np.array([sample[what] for sample in task["samples"]])
            for what in ("targets", "weights", "xs")
        )
        loss = (weights * (targets - trivial) ** 2).sum() / weights.sum()
        assert abs(loss - task["trivial"]) < 0.02
        if name == "adding":
            assert (xs[:, :5, 1].sum(1) == 1).all() and (xs[:, 5:, 1].sum(1) == 1).all()
            close(targets[:, -1], (xs[..., 0] * xs[..., 1]).sum(1))
        elif name == "echo":
            close(targets[:, 5:], xs[:, :5, 0])
        else:
            close(targets, 2 * (np.cumsum(xs[..., 0], 1) % 2) - 1)
            assert 0.45 < xs.mean() < 0.55


def test_descents_on_the_cliff_equal_those_of_the_library(page, x64):
    cell = rnnjax.Elman(1, activation="sigmoid")
    like = cell.init(jax.random.key(0), 1)
    start = jax.nn.sigmoid(jnp.array([0.5]))

    def loss(point, steps):
        params = like._replace(w_x=jnp.zeros((1, 1)), w_h=point[:1, None], b=point[1:])
        return (rnnjax.scan(cell, params, jnp.zeros((steps, 1)), start)[0][0] - 0.7) ** 2

    compute = jax.jit(jax.vmap(jax.value_and_grad(loss), (0, None)), static_argnums=1)
    for one, gradient, paths in zip(DESCENTS, page["gradients"], page["descents"], strict=True):
        for path, largest in zip(paths, (np.inf, CLIP), strict=True):
            points = np.array([[point["w"], point["b"]] for point in path])
            assert len(points) == one["updates"] + 1
            close(points[0], [one["w"], one["b"]])
            losses, gradients = compute(jnp.asarray(points), one["steps"])
            norms = np.linalg.norm(gradients, axis=1)
            close(gradient, gradients[0])
            close([point["loss"] for point in path], losses)
            close([point["norm"] for point in path], norms)
            scales = one["rate"] * np.minimum(1, largest / norms)
            close(np.diff(points, axis=0), -(scales[:, None] * gradients)[:-1])
    assert max(point["norm"] for point in page["descents"][0][0]) > 100 * CLIP
