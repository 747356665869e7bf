"""NNX modules as Flax uses modules, next to Flax's own, and where they do better."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from cases import Gated, random_like
from draws import total
from flax import nnx
from jax.sharding import AxisType, PartitionSpec

from rnnjax import GRU, LSTM, Elman, LSTMCarry, scan
from rnnjax.engine import Loop
from rnnjax.flax import nnx as rnx
from rnnjax.layers import RNN, Bidirectional, Dense, Dropout, Sequential

B, T, F, H = 3, 5, 2, 4
ELMAN = Elman(H)
LENGTHS = np.array([5, 0, 3])
PADDING = np.arange(T) >= LENGTHS[:, None]
XS = random_like(2, np.empty((B, T, F), np.float32))


def module(kind: Any = rnx.RNN, config: Any = ELMAN, inputs: Any = F, **options) -> Any:
    """A module with random parameters."""
    made = kind(config, inputs, rngs=nnx.Rngs(0), **options)
    nnx.update(made, random_like(1, nnx.state(made, nnx.Param)))
    return made


def both(**options) -> Any:
    """Both directions of an Elman network."""
    return module(rnx.Layer, Bidirectional(ELMAN), deterministic=True, **options)


def close(actual, expected):
    """Equal but for rounding; a carry of Flax is a plain tuple."""
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


# Next to Flax's own.


def flax_elman() -> tuple[Any, Any]:
    """Our network, and Flax's own with its parameters."""
    ours, theirs = module(), nnx.RNN(nnx.SimpleCell(F, H, rngs=nnx.Rngs(0)))
    cell: Any = theirs.cell
    cell.dense_i.kernel[...] = ours.params.w_x[...]
    cell.dense_h.kernel[...] = ours.params.w_h[...]
    cell.dense_i.bias[...] = ours.params.b[...]
    return ours, theirs


@pytest.mark.parametrize("lengths", [None, np.array([5, 1, 3])], ids=["all", "lengths"])
@pytest.mark.parametrize("reverse, keep_order", [(False, False), (True, False), (True, True)])
def test_options_mean_what_they_mean_in_flax(reverse, keep_order, lengths):
    ours, theirs = flax_elman()
    time_major = lengths is not None and reverse
    xs, carry = XS.swapaxes(0, 1) if time_major else XS, random_like(3, np.ones((B, H), np.float32))
    call = {"time_major": time_major, "reverse": reverse, "keep_order": keep_order}
    call |= {"seq_lengths": lengths, "initial_carry": carry, "return_carry": True}
    final, ys = ours(xs, **call)
    expected_final, expected = theirs(xs, **call)
    valid = np.arange(T) < np.reshape(T if lengths is None else lengths, (-1, 1))
    valid = (valid.T if time_major else valid)[..., None]
    close((final, ys), (expected_final, jnp.where(valid, expected, 0)))
    options = {name: call[name] for name in ("time_major", "reverse", "keep_order", "return_carry")}
    same = module(**options)(xs, seq_lengths=lengths, initial_carry=carry)
    close(same, (final, ys))


def test_flax_runs_our_cells():
    cell = module(rnx.Cell, Gated(H))
    params = nnx.as_pure(cell.params)

    def ours(params):
        final, ys = RNN(cell.cell, reverse=True).apply(params, XS)
        return total((final, ys)), (final, ys)

    def theirs(cell):
        out = nnx.RNN(cell, reverse=True, keep_order=True, return_carry=True)(XS)
        return total(out), out

    gradient, out = nnx.grad(theirs, has_aux=True)(cell)
    expected_gradient, expected = jax.grad(ours, has_aux=True)(params)
    close(out, expected)
    close(gradient, nnx.state({"params": expected_gradient}))


def test_flax_merges_our_directions():
    ours = both()
    forward, backward = module(), module()
    for rnn, params in zip((forward, backward), ours.params, strict=True):
        nnx.update(rnn.params, nnx.state(nnx.as_pure(params)))
    call = {"seq_lengths": LENGTHS, "return_carry": True}
    close(nnx.Bidirectional(forward, backward)(XS, **call), ours(XS, **call))


def test_modules_take_what_flax_passes_at_a_call():
    call = {"rngs": nnx.Rngs(0), "reverse": True, "keep_order": True, "time_major": False}
    theirs: Any = nnx.Bidirectional(module(), module())
    close(theirs(XS, **call), theirs(XS))
    module()(XS, **call)


# Where they do better.


def test_a_gru_has_the_bias_that_flax_leaves_out():
    rnn = module(config=GRU(H))
    gradient = nnx.grad(lambda rnn: total(rnn(XS)))(rnn)
    assert (abs(gradient["params"]["b_hn"][...]) > 1e-3).all()


def test_without_a_step_the_carry_is_the_initial_one():
    rnn = module(config=LSTM(H))
    carry = random_like(3, LSTMCarry(*jnp.ones((2, B, H))))
    final, _ = rnn(XS, seq_lengths=LENGTHS, initial_carry=carry, return_carry=True)
    np.testing.assert_array_equal(final.c[1], carry.c[1])
    alone, _ = rnn(
        XS[2:, :3], initial_carry=jax.tree.map(lambda a: a[2:], carry), return_carry=True
    )
    close([final.h[2:], final.c[2:]], alone)


def test_what_stands_in_the_padding_reaches_nothing():
    rnn = module(config=LSTM(H))

    def loss(rnn, xs):
        out = rnn(xs, seq_lengths=LENGTHS, return_carry=True)
        return total(out), out

    results = [
        nnx.grad(loss, has_aux=True)(rnn, jnp.where(PADDING[..., None], garbage, XS))
        for garbage in (0, jnp.nan)
    ]
    jax.tree.map(np.testing.assert_array_equal, *map(jax.tree.leaves, results))
    assert (results[0][1][1][PADDING] == 0).all()


def test_the_final_carry_takes_no_memory():
    steps, carries = 400, 400 * B * 2 * H * 4  # bytes, were they all kept
    graph, state = nnx.split(module(config=LSTM(H)))

    def temporary(lengths):
        def carry(state, xs, lengths):
            rnn = nnx.merge(graph, state)
            return rnn(xs, seq_lengths=lengths, return_carry=True)[0]

        compiled = jax.jit(carry).lower(state, jnp.ones((B, steps, F)), lengths).compile()
        analysis: Any = compiled.memory_analysis()
        return analysis.temp_size_in_bytes

    assert temporary(jnp.full(B, steps)) - temporary(None) < carries / 4


def test_a_carry_needs_no_key_and_cannot_be_mixed_up():
    cell = module(rnx.Cell, LSTM(H))
    carry = cell.initialize_carry((B, F))
    assert (carry.h.shape, carry.c.shape) == ((B, H), (B, H))
    with pytest.raises(ValueError, match="expected a carry"):
        module(config=LSTM(H))(XS, initial_carry=tuple(carry))
    with pytest.raises(ValueError, match="expected a carry"):
        cell(tuple(carry), XS[:, 0])


# As Flax uses modules.


def paths(tree):
    return {".".join(map(str, path)) for path, _ in nnx.to_flat_state(nnx.state(tree))}


def test_parameters_have_names():
    assert paths(module(config=LSTM(H))) == {"params.w_x", "params.w_h", "params.b"}
    assert paths(both()) == {
        f"params.{way}.{name}" for way in ("forward", "backward") for name in ("w_x", "w_h", "b")
    }
    model = module(rnx.Layer, Sequential((Dropout(0.5), Dense(2))), deterministic=True)
    assert paths(model) == {"params.1.w", "params.1.b"}
    assert model.params[1].w[...].shape == (F, 2)


def test_a_module_is_split_and_merged_and_compiled_once():
    traces = []

    @nnx.jit
    def call(rnn, xs):
        traces.append(1)
        return rnn(xs, seq_lengths=LENGTHS)

    rnn = module()
    graph, state = nnx.split(rnn)
    merged = nnx.merge(graph, state)
    assert isinstance(merged.params, type(rnn.params))
    np.testing.assert_array_equal(call(merged, XS), call(rnn, XS))
    assert not np.array_equal(call(rnx.RNN(Elman(H), F, rngs=nnx.Rngs(7)), XS), call(rnn, XS))
    assert len(traces) == 1


def test_an_ensemble_is_made_and_run_by_vmap():
    @nnx.split_rngs(splits=3)
    @nnx.vmap
    def make(rngs):
        return rnx.RNN(ELMAN, F, rngs=rngs)

    rnns = make(nnx.Rngs(0))
    assert rnns.params.w_x[...].shape == (3, F, H)
    together = nnx.vmap(lambda rnn, xs: rnn(xs), in_axes=(0, None))(rnns, XS)
    for member, ys in enumerate(together):
        params = jax.tree.map(lambda a, m=member: a[m], nnx.as_pure(rnns.params))
        close(ys, RNN(ELMAN).apply(params, XS)[1])
    assert not np.allclose(together[0], together[1])


def test_an_optimizer_updates_what_it_should():
    rnn, tx = module(), optax.adam(0.1)
    params = nnx.as_pure(rnn.params)
    optimizer = nnx.Optimizer(rnn, tx, wrt=nnx.Param)

    @nnx.jit
    def step(rnn, optimizer):
        optimizer.update(rnn, nnx.grad(lambda rnn: total(rnn(XS)))(rnn))

    step(rnn, optimizer)
    gradient = jax.grad(lambda params: total(RNN(ELMAN).apply(params, XS)[1]))(params)
    updates, _ = tx.update(gradient, tx.init(params), params)
    close(nnx.as_pure(rnn.params), optax.apply_updates(params, updates))


def test_orbax_keeps_a_module(tmp_path):
    rnn, other = module(), rnx.RNN(Elman(H), F, rngs=nnx.Rngs(5))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "rnn", nnx.state(rnn))
        checkpointer.wait_until_finished()
        nnx.update(other, checkpointer.restore(tmp_path / "rnn", nnx.state(other)))
    np.testing.assert_array_equal(other(XS), rnn(XS))


def test_metadata_goes_to_the_parameter_that_it_names():
    split = {"out_sharding": (None, "model")}
    told = {"w_x": split, "w_h": {"note": 1}, "backward.w_h": {"note": 2}}
    with jax.set_mesh(jax.make_mesh((1,), ("model",), axis_types=(AxisType.Auto,))):
        rnn = both(metadata=told)
        specs: Any = nnx.get_partition_spec(nnx.state(rnn))
    assert specs["params"]["forward"]["w_x"].get_value() == PartitionSpec(None, "model")
    assert (rnn.params.forward.w_h.note, rnn.params.backward.w_h.note) == (1, 2)
    assert not hasattr(rnn.params.forward.b, "note")
    with pytest.raises(ValueError, match=r"expected names.*, forward\.w_h, .*got \['kernel'\]"):
        both(metadata={"kernel": {}})


def test_noise_is_drawn_in_training_only():
    model = Sequential((Dense(8), Dropout(0.5)))
    layer = module(rnx.Layer, model)
    quiet = model.apply(nnx.as_pure(layer.params), XS)[1]
    first, second = layer(XS), layer(XS)
    assert ((first == 0).mean() > 0.2) and not np.array_equal(first, second)
    layer.eval()
    np.testing.assert_array_equal(layer(XS), quiet)
    layer.train()
    assert not np.array_equal(layer(XS), quiet)
    np.testing.assert_array_equal(layer(XS, deterministic=True), quiet)


def test_a_module_made_deterministic_needs_rngs_for_noise():
    layer = module(rnx.Layer, Dropout(0.5), deterministic=True)
    np.testing.assert_array_equal(layer(XS), XS)
    layer.train()
    with pytest.raises(ValueError, match="expected rngs to draw noise from"):
        layer(XS)
    assert not np.array_equal(layer(XS, rngs=nnx.Rngs(1)), XS)


def test_dtypes_and_methods_go_to_the_engine():
    method = Loop(dtype=jnp.bfloat16, precision="highest", unroll=2)
    rnn = rnx.RNN(LSTM(H), F, param_dtype=jnp.float16, method=method, rngs=nnx.Rngs(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(rnn))} == {jnp.dtype(jnp.float16)}
    _, expected = scan(LSTM(H), nnx.as_pure(rnn.params), XS.swapaxes(0, 1), method=method)
    np.testing.assert_array_equal(rnn(XS), expected.swapaxes(0, 1))


@pytest.mark.parametrize("kind", [rnx.Cell, rnx.RNN, rnx.Layer])
def test_every_module_tells_its_parameters(kind):
    config = Dense(2) if kind is rnx.Layer else ELMAN
    made = module(kind, config, param_dtype=jnp.float16, metadata={"b": {"note": 1}})
    for path, param in nnx.to_flat_state(nnx.state(made, nnx.Param)):
        assert param[...].dtype == jnp.float16
        assert hasattr(param, "note") == (path[-1] == "b")


def test_what_is_not_a_cell_is_refused():
    with pytest.raises(ValueError, match="expected cell to be a Cell"):
        rnx.RNN(Dense(3), F, rngs=nnx.Rngs(0))  # pyright: ignore[reportArgumentType]
