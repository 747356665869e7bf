"""Associative memories: storage, recall without inputs, energy, capacity, attention."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from cases import assert_close, random_like

from rnnjax import scan
from rnnjax.attention import Dot, Source
from rnnjax.cells import Hopfield, ModernHopfield, SynchronousHopfield

N, B, T = 7, 5, 4
CELLS = [Hopfield(N), SynchronousHopfield(N), ModernHopfield(N, 3, beta=0.7)]
each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def signs(seed, *shape):
    return np.random.default_rng(seed).choice([-1.0, 1.0], shape)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def spin_glass(seed, size):
    return Hopfield(size).init(jax.random.key(seed), size, dtype=jnp.float64)


def wrong(found, rows):
    """The share of rows with an error."""
    return np.mean((np.sign(found) != rows).any(-1))


@each_cell
def test_recall_needs_no_inputs(cell):
    params = random_like(0, jax.eval_shape(lambda: cell.init(jax.random.key(0), N)), float)
    cues, zeros = jnp.asarray(signs(1, B, N)), jnp.zeros((T, B, N))
    field = {"beta": cell.beta} if isinstance(cell, ModernHopfield) else {}
    final, ys = scan(cell, params, None, cues, length=T)
    ys = np.asarray(ys)
    for row in range(B):
        h = np.asarray(cues)[row]
        for t in range(T):
            h, y = getattr(reference, type(cell).__name__.lower())(
                jax.tree.map(np.asarray, params), h, None, **field
            )
            assert_close(ys[t, row], y)

    def loss(params, cues, xs):
        return (scan(cell, params, xs, cues, length=None if xs is not None else T)[1] ** 3).sum()

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    free, driven = gradient(params, cues, None), gradient(params, cues, zeros)
    assert_close(free, driven)
    is_constant = not isinstance(cell, ModernHopfield)  # the sign is constant in pieces
    assert all((a == 0).all() == is_constant for a in jax.tree.leaves(free))
    shorter, _ = scan(cell, params, None, cues, length=T, lengths=np.array([0, 1, 2, 3, 4]))
    assert_close(shorter, np.stack([cues[0], *(ys[k, k + 1] for k in range(4))]))
    assert_close(final, ys[-1])


@pytest.mark.parametrize("seed", range(2))
def test_no_unit_raises_the_energy_and_recall_ends(seed):
    """Over random symmetric weights with an empty diagonal, with and without a field."""
    params, x = spin_glass(seed, 40), normal(seed + 9, 20, 40)
    w = np.asarray(params.w_h)
    np.testing.assert_array_equal(w, w.T)
    assert (np.diag(w) == 0).all() and np.std(w) == pytest.approx(1 / np.sqrt(40), rel=0.1)
    cell, cues = Hopfield(40), jnp.asarray(signs(seed, 20, 40))
    energy = jax.jit(cell.energy)
    for xs, length in ((None, 30), (np.tile(x, (30, 1, 1)), None)):
        field = 0 if xs is None else np.asarray(x)
        _, states = scan(cell, params, xs, cues, length=length)
        states = np.concatenate([cues[None], states])
        energies = energy(params, states, None if xs is None else x)
        rises = np.diff(energies, axis=0)
        assert (rises <= 1e-12).all() and (rises[0] < -1).all()
        last = states[-1]
        np.testing.assert_array_equal(np.sign(last @ w + field), last)  # stable
    one = np.asarray(cues)[0]  # unit by unit
    before = -one @ w @ one / 2
    assert energy(params, one) == pytest.approx(before)
    for k in range(40):
        one = np.where(np.arange(40) == k, np.sign(one @ w[:, k]), one)
        after = -one @ w @ one / 2
        assert after <= before + 1e-12
        before = after


def test_synchronous_recall_ends_in_cycles_of_at_most_two_and_its_energy_may_rise():
    params, cell = spin_glass(0, 12), SynchronousHopfield(12)
    _, states = scan(cell, params, None, jnp.asarray(signs(0, 100, 12)), length=100)
    states = np.asarray(states)
    np.testing.assert_array_equal(states[-1], states[-3])
    cycles = (states[-1] != states[-2]).any(-1)
    assert 0 < cycles.mean() < 1
    assert (np.diff(jax.jit(cell.energy)(params, states), axis=0) > 0.1).any()
    swap = params._replace(w_h=jnp.array([[0.0, 1.0], [1.0, 0.0]]))
    _, states = scan(SynchronousHopfield(2), swap, None, jnp.array([1.0, -1.0]), length=3)
    assert states.tolist() == [[-1, 1], [1, -1], [-1, 1]]
    final, _ = scan(Hopfield(2), swap, None, jnp.array([1.0, -1.0]), length=3)
    assert final.tolist() == [-1, -1]


def test_a_unit_whose_sum_is_zero_keeps_its_state():
    empty = Hopfield(3).hebb(np.ones((1, 3)))._replace(w_h=jnp.zeros((3, 3)))
    for cell in (Hopfield(3), SynchronousHopfield(3)):
        assert jax.jit(cell.step)(empty, np.array([1.0, -1.0, 0.0]), None)[0].tolist() == [1, -1, 0]


def test_the_rules_of_storage():
    rows = signs(2, 3, 9)
    hebb, inverse = Hopfield(9).hebb(rows).w_h, Hopfield(9).pseudo_inverse(rows).w_h
    projection = rows.T @ np.linalg.inv(rows @ rows.T) @ rows
    for i in range(9):
        for j in range(9):
            expected = 0 if i == j else sum(row[i] * row[j] for row in rows) / 9
            assert hebb[i, j] == pytest.approx(expected)
            assert inverse[i, j] == pytest.approx(0 if i == j else projection[i, j])
    assert hebb.dtype == "float64"
    assert Hopfield(9).hebb(rows.astype("int8")).w_h.dtype == "float32"
    twice = Hopfield(9).pseudo_inverse(np.concatenate([rows, rows])).w_h
    np.testing.assert_allclose(twice, inverse, atol=1e-12)
    jitted = jax.jit(Hopfield(9).hebb)(rows).w_h  # values are not seen there
    np.testing.assert_allclose(jitted, hebb)


def test_capacity_of_random_patterns():
    """Hebb's rule fails far above 0.138 N, the pseudo-inverse does not."""
    cell, rows = Hopfield(100), signs(3, 35, 100)
    for rule, count, low, high in (
        (cell.hebb, 5, 0.99, 1.0),
        (cell.hebb, 35, 0.1, 0.75),
        (cell.pseudo_inverse, 35, 1.0, 1.0),
    ):
        stored = jnp.asarray(rows[:count])
        final, _ = scan(cell, rule(stored), None, stored, length=20)
        assert low <= (np.asarray(final) * rows[:count]).mean() <= high


def test_damaged_patterns_are_completed():
    rows = signs(4, 6, 100)
    noise = np.random.default_rng(5).random((6, 100)) < 0.15
    noisy, half = np.where(noise, -rows, rows), np.where(np.arange(100) < 50, rows, 0)
    for cell in (Hopfield(100), SynchronousHopfield(100), ModernHopfield(100, 6)):
        storage = cell.store if isinstance(cell, ModernHopfield) else cell.pseudo_inverse
        for cues in (noisy, half):
            final, _ = scan(cell, storage(rows), None, jnp.asarray(cues), length=10)
            assert wrong(final, rows) == 0


@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_a_step_of_the_modern_network_is_attention(beta):
    cell = ModernHopfield(N, 5, beta=beta)
    patterns, states = normal(0, 5, N), normal(1, B, N)
    found, _ = jax.jit(cell.step)(cell.store(patterns), states, None)

    @jax.jit
    def attended(patterns, states):
        keys = patterns[None, :, None]  # [batch, keys, heads, features]
        one = jax.nn.dot_product_attention(states[None, :, None], keys, keys, scale=beta)
        memory = Dot().prepare((), Source(jnp.tile(patterns, (B, 1, 1))))
        return one[0, :, 0], Dot().read((), beta * states, memory)[0]

    one, other = attended(patterns, states)
    np.testing.assert_allclose(found, one, rtol=1e-4, atol=1e-6)  # in float32
    assert_close(found, other)


def test_no_step_of_the_modern_network_raises_its_energy():
    cell = ModernHopfield(N, 6, beta=1.5)
    params, x = cell.store(normal(0, 6, N)), normal(2, 40, N)
    cues, energy = 2 * np.asarray(normal(1, 40, N)), jax.jit(cell.energy)
    for xs, field in ((None, None), (np.tile(x, (9, 1, 1)), x)):
        _, states = scan(cell, params, xs, cues, length=9 if xs is None else None)
        energies = np.asarray(energy(params, np.concatenate([cues[None], states]), field))
        assert (np.diff(energies, axis=0) <= 1e-12).all()
        assert field is not None or (energies >= 0).all()
        # The step is the one of the concave-convex procedure: h less the gradient of the energy.
        slope = jax.jit(jax.grad(lambda h, x: cell.energy(params, h, x).sum()))(cues, field)
        assert_close(cues - np.asarray(slope), np.asarray(states)[0])
    p, h = np.asarray(params.w_h), cues[0]
    expected = -np.log(sum(np.exp(1.5 * row @ h) for row in p)) / 1.5 + h @ h / 2
    expected += np.log(6) / 1.5 + max(row @ row for row in p) / 2
    assert energy(params, cues[0]) == pytest.approx(expected)


def test_the_modern_network_holds_far_more_patterns_than_units():
    """And needs a single step; the number grows exponentially with the units."""
    errors = []
    for size in (16, 64):
        rows = signs(size, 2000, size)
        noise = np.random.default_rng(0).random((100, size)) < 0.05
        cues = jnp.asarray(np.where(noise, -rows[:100], rows[:100]))
        cell = ModernHopfield(size, 2000, beta=2.0)
        errors.append(wrong(cell.step(cell.store(rows), cues, None)[0], rows[:100]))
    assert errors[0] > 0.3 and errors[1] == 0


def test_what_cannot_be_stored_is_refused():
    cell = Hopfield(3)
    for storage in (cell.hebb, cell.pseudo_inverse):
        with pytest.raises(ValueError, match="expected patterns of 1 and -1, .* become 2 p - 1"):
            storage(np.array([[0, 1, 1]]))
        with pytest.raises(ValueError, match=r"expected patterns \[P, 3\], one a row, got"):
            storage(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"expected real patterns \[2, 3\], one a row, got"):
        ModernHopfield(3, 2).store(np.ones((3, 3)))
    with pytest.raises(ValueError, match="expected input_size to be 3, since an input"):
        cell.init(jax.random.key(0), 4)
