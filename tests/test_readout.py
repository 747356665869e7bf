"""Ridge regression, and the readout of an echo state network, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from cases import random_like

from rnnjax.cells import EchoState
from rnnjax.training import fit_readout, ridge_regression


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def solved(x, y, ridge=0.0):
    """The solution by centred normal equations."""
    x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    xc, yc = x - x.mean(0), y - y.mean(0)
    w = np.linalg.solve(xc.T @ xc + ridge * np.eye(x.shape[1]), xc.T @ yc)
    return w, y.mean(0) - x.mean(0) @ w


@pytest.mark.parametrize("ridge", [0.0, 0.3, 20.0])
def test_ridge_regression_is_exact_and_masked_places_do_not_count(ridge):
    with jax.enable_x64(True):
        x, y = normal(0, 6, 5, 4) + 1, normal(1, 6, 5, 2) - 3
        for found, expected in zip(
            ridge_regression(x, y, ridge=ridge), solved(x, y, ridge), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-10)
        mask = np.random.default_rng(2).random((6, 5)) < 0.7
        x[~mask], y[~mask] = np.nan, np.inf
        found = jax.jit(ridge_regression, static_argnames="ridge")(x, y, ridge=ridge, mask=mask)
        for a, b in zip(found, solved(x[mask], y[mask], ridge), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)


def test_ridge_regression_takes_the_smallest_of_equal_solutions():
    with jax.enable_x64(True):
        x = normal(0, 3, 5)
        y = normal(1, 3, 1)
        table = np.concatenate([x, np.ones((3, 1))], axis=1)
        expected = np.linalg.lstsq(table, y)[0]
        w, b = ridge_regression(x, y)
        np.testing.assert_allclose(np.concatenate([w, b[None]]), expected, rtol=1e-10)


def test_ridge_regression_keeps_the_precision_that_covariances_lose():
    x = normal(0, 200, 3).astype("float32")
    x[:, 2] = x[:, 1] + 1e-4 * x[:, 2]  # squared, the difference is below the resolution
    true = np.array([[1.0], [2.0], [-2.0]])
    w, _ = ridge_regression(x, x.astype(float) @ true)
    np.testing.assert_allclose(w, true, atol=0.01)


def test_ridge_regression_has_derivatives():
    with jax.enable_x64(True):
        x, y, move = normal(0, 9, 3), normal(1, 9, 2), normal(2, 9, 3)

        @jax.jit
        def loss(x, y, ridge=0.2):
            w, b = ridge_regression(x, y, ridge=ridge)
            return (w**2).sum() + (b**3).sum()

        by_x, by_y = jax.grad(loss, argnums=(0, 1))(jnp.asarray(x), jnp.asarray(y))
        near = (loss(x + 1e-5 * move, y) - loss(x - 1e-5 * move, y)) / 2e-5
        np.testing.assert_allclose((by_x * move).sum(), near, rtol=1e-6)
        near = (loss(x, y + 1e-5 * move[:, :2]) - loss(x, y - 1e-5 * move[:, :2])) / 2e-5
        np.testing.assert_allclose((by_y * move[:, :2]).sum(), near, rtol=1e-6)


def states(cell, params, xs, h):
    """The states of one row, by the equations."""
    params, found = jax.tree.map(np.asarray, params), []
    for x in xs:
        h, _ = reference.echostate(params, h, x, cell.leak)
        found.append(h)
    return np.stack(found)


def test_a_readout_equals_regression_on_the_states_behind_the_washout():
    """In a batch with lengths and gaps, from a carry that is not zero."""
    with jax.enable_x64(True):
        cell = EchoState(5, 2, leak=0.6)
        shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), 3))
        params = random_like(0, shapes, jnp.float64)
        xs, targets, carry = normal(0, 12, 3, 3), normal(1, 12, 3, 2), normal(2, 3, 5)
        lengths, mask = np.array([12, 7, 0]), np.random.default_rng(3).random((12, 3)) < 0.8
        valid = mask & (np.arange(12)[:, None] < lengths)
        xs[~valid], targets[~valid] = np.nan, np.nan
        signals = {"lengths": lengths, "mask": mask}
        found = fit_readout(cell, params, xs, targets, carry, ridge=0.1, washout=2, **signals)
        rows = [(row, np.flatnonzero(valid[:, row])) for row in range(3)]
        x = [states(cell, params, xs[t, row], carry[row])[2:] for row, t in rows if len(t)]
        y = [targets[t[2:], row] for row, t in rows if len(t)]
        w, b = solved(np.concatenate(x), np.concatenate(y), 0.1)
        np.testing.assert_allclose(found.w_o, w, rtol=1e-9)
        np.testing.assert_allclose(found.b_o, b, rtol=1e-9)
        for kept, given in zip(found[:2], params[:2], strict=True):
            np.testing.assert_array_equal(kept, given)


def test_bad_shapes_are_refused():
    cell = EchoState(4, 2)
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), 3))
    params, xs = random_like(0, shapes), np.ones((6, 3))
    for targets in (np.ones((6, 3)), np.ones((5, 2)), np.ones(6)):
        with pytest.raises(ValueError, match=r"expected targets \[6, 2\] for float32\[6, 3\]"):
            fit_readout(cell, params, xs, targets)
    with pytest.raises(ValueError, match="expected a washout below the 6 steps, got 6"):
        fit_readout(cell, params, xs, np.ones((6, 2)), washout=6)
    with pytest.raises(ValueError, match=r"expected x \[\*lead, I\], y \[\*lead, O\]"):
        ridge_regression(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"expected a mask \[3\] for float32\[3, 2\]"):
        ridge_regression(np.ones((3, 2)), np.ones((3, 2)), mask=np.ones(2, bool))
