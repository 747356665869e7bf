"""Random gradients, and optimisers and callbacks that are run on them."""

import json

import jax
import numpy as np
import optax

KEY = jax.random.key(0)


def draws(count, *shape, seed=0):
    """`count` gradients, each of two arrays."""
    random = np.random.default_rng(seed)
    pairs = random.normal(size=(count, 2, *shape)).astype(np.float32)
    return [{"a": a, "b": b} for a, b in pairs]


def run(optimizer, params, gradients):
    """Parameters and states after every update."""
    update, state, steps = jax.jit(optimizer.update), optimizer.init(params), []
    for gradient in gradients:
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        steps.append((params, state))
    return steps


def close(a, b, tolerance=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, tolerance, tolerance), a, b)


def records(losses):
    return [{"step": i, "eval_loss": loss} for i, loss in enumerate(losses)]


def replayed(callback, state, losses, look):
    """What `look` sees after every round of training with these held-out losses."""
    seen = []
    for rounds in range(1, len(losses) + 1):
        history = json.loads(json.dumps(records(losses[:rounds])))
        state = callback(state, history)
        seen.append(look(state))
    return np.array(seen)
