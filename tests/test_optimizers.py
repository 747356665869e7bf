"""Clips and their order, roles and decay, learning rates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import stacked
from flax import nnx
from optimizer_runs import KEY, close, draws, records, replayed, run

import rnnjax
from rnnjax.flax import linen
from rnnjax.flax import nnx as wrapped
from rnnjax.layers import RNN, Bidirectional, Dense, Dropout, Embedding, LayerNorm, Sequential
from rnnjax.training import (
    ROLES,
    ReduceOnPlateau,
    clipped,
    decay_mask,
    label_by_role,
    optimizer_chain,
    train_state,
)

# Clips


def norm(tree):
    return np.sqrt(sum((np.float64(a) ** 2).sum() for a in tree.values()))


def by_norm(gradient, params, limit):
    return {k: g * min(1, limit / norm(gradient)) for k, g in gradient.items()}


def by_value(gradient, params, limit):
    return {k: np.clip(g, -limit, limit) for k, g in gradient.items()}


def by_unit(gradient, params, limit):
    def clip(g, w):  # a unit is a column
        most = limit * np.maximum(np.sqrt((w**2).sum(0)), 1e-3)
        return g * np.minimum(1, most / np.sqrt((g**2).sum(0)))

    return {k: clip(g, params[k]) for k, g in gradient.items()}


@pytest.mark.parametrize(
    "by, clip", [("norm", by_norm), ("value", by_value), ("adaptive", by_unit)]
)
def test_the_clip_comes_before_the_optimiser(by, clip):
    params, *gradients = draws(4, 3, 2)
    gradients[1] = jax.tree.map(lambda g: g / 100, gradients[1])  # nothing to clip
    momentum, expected = {"a": 0, "b": 0}, params
    optimizer = clipped(optax.sgd(0.1, momentum=0.9), 0.3, by=by)
    for gradient, (actual, _) in zip(gradients, run(optimizer, params, gradients), strict=True):
        small = clip(gradient, expected, 0.3)
        momentum = {k: 0.9 * momentum[k] + small[k] for k in small}
        expected = {k: expected[k] - 0.1 * momentum[k] for k in small}
        close(actual, expected)


def test_clips_that_are_none_are_refused():
    with pytest.raises(ValueError, match="expected limit to be above 0, got 0"):
        clipped(optax.sgd(0.1), 0)
    with pytest.raises(
        ValueError, match="expected by to be 'norm', 'value' or 'adaptive', got 'row'"
    ):
        clipped(optax.sgd(0.1), by="row")
    with pytest.raises(ValueError, match="expected accumulate to be a positive integer, got 0"):
        optimizer_chain(optax.sgd(0.1), accumulate=0)


def test_the_recipe_clips_the_accumulated_gradient():
    params, *gradients = draws(5, 3, 2)
    nan = jax.tree.map(lambda g: g * np.nan, gradients[0])
    means = [jax.tree.map(lambda a, b: (a + b) / 2, *gradients[i : i + 2]) for i in (0, 2)]
    assert min(map(norm, means)) > 1.5  # or the clip would do nothing
    whole = run(clipped(optax.adam(0.1), 1.5), params, means)
    optimizer = optimizer_chain(optax.adam(0.1), clip=1.5, accumulate=2, skip=1)
    given = [gradients[0], nan, gradients[1], gradients[2], gradients[3]]
    parts = [p for p, _ in run(optimizer, params, given)]
    close(parts[:2], [params, params])
    close(parts[2:4], [whole[0][0]] * 2)
    close(parts[4], whole[1][0])
    broken = run(optimizer, params, [gradients[0], nan, nan])[-1][0]  # one more than may be
    assert np.isnan(broken["a"]).all()


def test_the_recipe_passes_the_loss_on():
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
    optimizer = optimizer_chain(
        optax.chain(optax.sgd(1.0), plateau), clip=9.0, accumulate=2, skip=1
    )
    params, gradient = jnp.zeros(1), jnp.ones(1)
    state, moves = optimizer.init(params), []
    for _ in range(8):
        updates, state = jax.jit(optimizer.update)(gradient, state, params, value=1.0)
        moves.append(float(updates[0]))
    assert moves == [0, -1, 0, -1, 0, -0.5, 0, -0.5]


# Roles


MODEL = Sequential(
    (
        Embedding(7, 3),
        Bidirectional(rnnjax.GRU(2)),
        LayerNorm(),
        Dropout("param"),
        RNN(rnnjax.Jordan(2, 2)),
        Dense(2),
    )
)
LABELS = (
    ("embedding",),
    (("input", "recurrent", "bias", "bias"),) * 2,
    ("other", "bias"),
    ("other",),
    ("input", "recurrent", "bias", "dense", "bias"),
    ("dense", "bias"),
)


def as_tuples(tree):
    return tuple(map(as_tuples, tree)) if isinstance(tree, tuple) else tree


def test_roles_of_a_model():
    params = MODEL.init(KEY)
    labels = label_by_role(params)
    assert as_tuples(labels) == LABELS
    assert label_by_role(stacked([params, params])) == labels  # an ensemble
    decayed = jax.tree.map(lambda role: role not in ("bias", "other"), labels)
    assert decay_mask(params) == decayed


def test_roles_are_told_by_the_last_name():
    own = {
        "w_h": np.ones(1),
        "layers": [{"w_hn": 1.0}, {"b_o": 1.0}],
        "w": (np.ones(1),),
        "nu": 1.0,
    }
    assert label_by_role(own) == {
        "w_h": "recurrent",
        "layers": [{"w_hn": "recurrent"}, {"b_o": "bias"}],
        "w": ("dense",),
        "nu": "other",
    }
    assert label_by_role((np.ones(1), [1.0])) == ("other", ["other"])
    assert decay_mask(np.ones(1)) is False


def test_roles_of_flax_modules_are_those_of_their_parameters():
    layer = linen.Layer(MODEL).init(KEY, jnp.ones((2, 3), int))["params"]
    assert sorted(jax.tree.leaves(label_by_role(layer))) == sorted(jax.tree.leaves(LABELS))
    module = wrapped.RNN(rnnjax.LSTM(4), 3, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(module, optax.adamw(1.0, mask=decay_mask), wrt=nnx.Param)
    before = jax.tree.map(jnp.ones_like, nnx.as_pure(module.params))
    nnx.update(module.params, nnx.state(before))
    optimizer.update(module, jax.tree.map(jnp.zeros_like, nnx.state(module, nnx.Param)))
    after = nnx.as_pure(module.params)
    close(after, jax.tree.map(lambda a, decay: a * (1 - decay * 1e-4), before, decay_mask(before)))


def random_params():
    leaves, structure = jax.tree.flatten(MODEL.init(KEY))
    random = np.random.default_rng(0)
    return structure.unflatten([random.normal(size=a.shape).astype(np.float32) for a in leaves])


def test_decay_leaves_all_but_weights_alone():
    params = random_params()
    gradients = [jax.tree.map(np.zeros_like, params)]
    left = {"input": 0.95, "recurrent": 0.95, "dense": 0.95, "embedding": 0.95}
    expected = jax.tree.map(lambda p, r: p * left.get(r, 1), params, label_by_role(params))
    for adamw in (optax.adamw, optax.inject_hyperparams(optax.adamw, static_args="mask")):
        optimizer = clipped(adamw(0.1, weight_decay=0.5, mask=decay_mask))
        [(moved, _)] = run(optimizer, params, gradients)
        close(moved, expected)


def test_roles_have_rates_of_their_own():
    params = random_params()
    gradients = [jax.tree.map(np.ones_like, params)]
    rates = dict.fromkeys(ROLES, 0.1) | {"recurrent": 0.01, "embedding": 0.0}
    optimizer = optax.partition({r: optax.sgd(rates[r]) for r in ROLES}, label_by_role)
    [(moved, _)] = run(optimizer, params, gradients)
    close(moved, jax.tree.map(lambda p, r: p - rates[r], params, label_by_role(params)))


# Learning rates


def with_rates(*rates):
    """The state of a model with a rate for each of its roles, deep in a chain."""
    sgds = [optax.inject_hyperparams(optax.sgd)(learning_rate=rate) for rate in rates]
    optimizer = optax.partition(dict(enumerate(sgds)), tuple(range(len(rates))))
    params = tuple(jnp.ones(2) for _ in rates)
    return train_state(params, optimizer_chain(optimizer, accumulate=2, skip=3), KEY)


def rates_of(state):
    found = optax.tree.get_all_with_path(state.opt_state, "learning_rate")
    return np.array([rate for _, rate in found])


def halvings(losses, patience):
    rate, least, since, rates = 1.0, float("inf"), 0, []
    for loss in losses:
        least, since = (loss, 0) if loss < least else (least, since + 1)
        if since == patience:
            rate, since = rate / 2, 0
        rates.append(rate)
    return np.array(rates)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_plateau_lowers_all_rates(patience):
    losses = [5.0, 4.0, 4.5, 4.0, 4.1, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 2.0]
    assert halvings(losses, 3).tolist() == [1.0] * 4 + [0.5] * 4 + [0.25] * 3 + [0.125] * 2
    rates = replayed(
        ReduceOnPlateau(factor=0.5, patience=patience), with_rates(1.0, 0.2), losses, rates_of
    )
    close(rates, halvings(losses, patience)[:, None] * [1.0, 0.2])


def test_members_of_an_ensemble_have_plateaus_of_their_own():
    losses = np.random.default_rng(0).normal(size=(12, 3))
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=1.0)
    state = jax.vmap(lambda p: train_state(p, optimizer, KEY))(jnp.ones((3, 2)))
    rates = replayed(ReduceOnPlateau(factor=0.5, patience=2), state, losses.tolist(), rates_of)[
        :, 0
    ]
    close(rates, np.stack([halvings(member, 2) for member in losses.T], 1))
    assert (rates != rates[:, :1]).any()
    with pytest.raises(ValueError, match=r"for each of the members \[3\], got \[2\]"):
        ReduceOnPlateau(patience=1)(state, records([[1.0, 2.0]]))


def test_a_plateau_says_what_it_lacks():
    state, fixed = with_rates(1.0), train_state(jnp.ones(2), optax.sgd(1.0), KEY)
    for history in ([], [{"step": 1}], records([1.0, None])):
        with pytest.raises(ValueError, match="a history.* of.*does fit evaluate"):
            ReduceOnPlateau()(state, history)
    with pytest.raises(ValueError, match="expected an optimiser with a learning rate in its state"):
        ReduceOnPlateau()(fixed, records([1.0]))
    scheduled = optax.inject_hyperparams(optax.sgd)(learning_rate=optax.constant_schedule(1.0))
    with pytest.raises(ValueError, match="that is a number, got a schedule"):
        ReduceOnPlateau()(train_state(jnp.ones(2), scheduled, KEY), records([1.0]))
    with pytest.raises(ValueError, match="expected factor to be between 0 and 1, got 2"):
        ReduceOnPlateau(factor=2)
    with pytest.raises(ValueError, match="expected patience to be a positive integer, got 0"):
        ReduceOnPlateau(patience=0)
