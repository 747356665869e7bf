"""Losses as values: functions with a name, weights of means, elementwise losses with a mask."""

# pyright: reportArgumentType=false

import doctest
import inspect
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Float

import rnnjax.losses
from rnnjax.losses import Masked, MeanLoss, cross_entropy, squared_error

MASK = np.ones((2, 3), bool)


def close(a, b):
    np.testing.assert_allclose(a, b, 1e-6)


LOSSES = [loss for loss in vars(rnnjax.losses).values() if isinstance(loss, MeanLoss)]


def test_a_loss_is_a_function_with_a_name():
    assert len(LOSSES) == 20
    for loss in LOSSES:
        assert pickle.loads(pickle.dumps(loss)) is loss and len({loss, loss}) == 1
        assert repr(loss) == f"<loss {loss.__name__}>" and ">>>" in (loss.__doc__ or "")
        assert "mask" in inspect.signature(loss).parameters
        assert doctest.DocTestFinder(recurse=False).find(loss)[0].examples
    signature, total = map(inspect.signature, (cross_entropy, cross_entropy.total))
    assert signature.parameters == total.parameters
    assert "label_smoothing" in signature.parameters
    assert str(signature.return_annotation) == str(Float[jax.Array, ""])


def test_a_mean_has_any_weights():
    @MeanLoss
    def weighted(predictions, targets, mask=None):
        weights = jnp.where(jnp.ones(3) if mask is None else mask, 0.1, 0)
        return (weights * (predictions - targets)).sum(), weights.sum()

    close(weighted(np.arange(3.0), np.zeros(3)), 1)
    assert weighted(np.arange(3.0), np.zeros(3), np.zeros(3)) == 0


def test_elementwise_losses_are_values():
    a, b = (Masked(partial(optax.huber_loss, delta=2.0)) for _ in range(2))
    assert a == b and len({a, b, Masked(optax.huber_loss)}) == 2
    assert pickle.loads(pickle.dumps(a)) == a
    traced = []
    compiled = jax.jit(lambda loss, p: traced.append(loss) or loss(p, 2 * p), static_argnums=0)
    for loss in (a, b):
        compiled(loss, np.ones(2))
    assert len(traced) == 1


def test_an_elementwise_loss_of_first_axes():
    random = np.random.default_rng(0)
    predictions, targets = random.normal(size=(2, 3, 4, 2))
    mask = random.random((3, 4)) < 0.6
    loss = Masked(lambda p, t: ((p - t) ** 2).sum(-1))
    total, count = loss.total(np.where(mask[..., None], predictions, np.nan), targets, mask)
    close((total, count), (((predictions - targets) ** 2)[mask].sum(), mask.sum()))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Masked(1), "a function of predictions and targets, got 1"),
        (lambda: Masked(None), "a function of predictions and targets, got None"),
        (lambda: Masked(squared_error)(np.ones(2), np.ones(2)), r"losses .* got \[\]; does"),
        (
            lambda: Masked(lambda p, t: p.sum(-1))(np.ones((2, 3)), np.ones((2, 3)), MASK),
            r"losses of shape \[2, 3\], or at least its first 2 axes, got \[2\]",
        ),
        (lambda: Masked(lambda p, t: p[:, None] - t)(np.ones(2), np.ones(2)), r".* got \[2, 2\]"),
    ],
)
def test_elementwise_losses_that_are_none_are_refused(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
