"""Conversion from and to Flax: exactly the same function, and a refusal of anything else."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import assert_close, random_like
from draws import B, F, H, T, pull
from flax import linen, nnx
from flax.core import freeze

from rnnjax import GRU, LSTM, Elman, LSTMCarry, ProjectedLSTM, ResetBeforeGRU
from rnnjax.interop import from_linen, from_nnx, to_linen, to_nnx
from rnnjax.layers import RNN, Bidirectional, Dense, Directions, Layer

LENGTHS = jnp.array([2, T, 3])
VALID = jnp.arange(T) < LENGTHS[:, None]

# What each of Flax's modules is here.
MODELS = {
    "LSTMCell": LSTM(H),
    "OptimizedLSTMCell": LSTM(H),
    "GRUCell": GRU(H),
    "SimpleCell-relu": Elman(H, activation="relu"),
    "RNN": RNN(LSTM(H)),
    "RNN-reverse": RNN(GRU(H), reverse=True),
    "Bidirectional": Bidirectional(LSTM(H), backward=Elman(H)),
}
each_module = pytest.mark.parametrize("name", MODELS)
# Each cell is in one of these.
each_function = pytest.mark.parametrize("name", [n for n in MODELS if not n.endswith("Cell")])


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def linen_cell(kind, **options):
    return getattr(linen, kind)(H, param_dtype=jnp.float64, **options)


def nnx_cell(kind, **options):
    dtypes = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    return getattr(nnx, kind)(F, H, **dtypes, **options, rngs=nnx.Rngs(0))


def make(flax, cell, name, **options):
    """A module of Linen or NNX."""
    if name.endswith("relu"):
        return cell("SimpleCell", activation_fn=jax.nn.relu)
    if name.startswith("RNN"):
        reverse = {"reverse": True, "keep_order": True} if name.endswith("reverse") else {}
        return flax.RNN(cell("GRUCell" if reverse else "LSTMCell"), return_carry=True, **reverse)
    if name == "Bidirectional":
        first, last = flax.RNN(cell("OptimizedLSTMCell")), flax.RNN(cell("SimpleCell"))
        return flax.Bidirectional(first, last, return_carry=True, **options)
    return cell(name)


def told(name):
    """The model, as far as arrays alone tell it."""
    return RNN(GRU(H)) if name == "RNN-reverse" else MODELS[name]


def options(name):
    """What arrays do not tell."""
    return {"activation": "relu"} if name.endswith("relu") else {}


def arguments(name):
    """Inputs and a carry in our form, random."""
    model = MODELS[name]
    shape = (B, T, F) if isinstance(model, Layer) else (B, F)
    params = model.init(jax.random.key(0), F, dtype=jnp.float64)
    return random_like(2, np.empty(shape)), random_like(3, model.init_carry(params, (B,)))


def flax_carry(carry):
    """A carry of ours as Flax has it."""
    match carry:
        case LSTMCarry(h, c):
            return c, h
        case Directions(forward, backward):
            return flax_carry(forward), flax_carry(backward)
        case _:
            return carry


def run_flax(module, xs, carry):
    """The final carry and the outputs, which Flax does not mask."""
    carry = flax_carry(carry)
    if xs.ndim == 2:
        return module(carry, xs)
    carry, ys = module(xs, initial_carry=carry, seq_lengths=LENGTHS)
    return carry, jnp.where(VALID[..., None], ys, 0)


def run_ours(name, params, xs, carry):
    """The same, by the model of that name."""
    model = MODELS[name]
    if isinstance(model, Layer):
        carry, ys = model.apply(params, xs, carry, lengths=LENGTHS)
    else:
        carry, ys = model.step(params, carry, xs)
    return flax_carry(carry), ys


def linen_tree(name):
    """A module of Linen, and random parameters of it."""
    module = make(linen, linen_cell, name)
    xs, carry = arguments(name)
    args = (flax_carry(carry), xs) if xs.ndim == 2 else (xs,)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *args)
    return module, random_like(1, shapes["params"])


def nnx_tree(name):
    """A module of NNX that has random parameters, and these."""
    module = make(nnx, nnx_cell, name)
    tree = random_like(1, nnx.to_pure_dict(nnx.state(module, nnx.Param)))
    nnx.update(module, tree)
    return module, tree


@each_function
def test_the_function_is_that_of_linen(name):
    module, tree = linen_tree(name)
    model, params = from_linen(tree, **options(name))
    assert model == told(name)

    xs, carry = arguments(name)
    theirs = pull(lambda p, *args: run_flax(module.bind({"params": p}), *args), tree, xs, carry)
    (final, ys), (dp, dx, dc) = pull(lambda *args: run_ours(name, *args), params, xs, carry)
    assert_close(((final, ys), (to_linen(model, dp), dx, dc)), theirs)


@each_function
def test_the_function_is_that_of_nnx(name):
    module, tree = nnx_tree(name)
    model, params = from_nnx(module)
    assert model == MODELS[name]

    def run_nnx(tree, *args):
        module = make(nnx, nnx_cell, name)
        nnx.update(module, tree)
        return run_flax(module, *args)

    xs, carry = arguments(name)
    theirs = pull(run_nnx, tree, xs, carry)
    (final, ys), (dp, dx, dc) = pull(lambda *args: run_ours(name, *args), params, xs, carry)
    dp = to_nnx(model, without_b_hn(dp), optimized="dense_h" in str(tree))
    assert_close(((final, ys), (dp, dx, dc)), theirs)


def without_b_hn(params):
    """Parameters whose `b_hn`, which NNX has not, is zero."""

    def has_b_hn(part):
        return hasattr(part, "b_hn")

    def zeroed(part):
        return part._replace(b_hn=0 * part.b_hn) if has_b_hn(part) else part

    return jax.tree.map(zeroed, params, is_leaf=has_b_hn)


def assert_same(actual, expected):
    """Equal structures and arrays, in every bit and in dtype."""
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    chex.assert_trees_all_equal(actual, expected)


@each_module
def test_there_and_back_changes_nothing(name):
    _, tree = linen_tree(name)
    model, params = from_linen(tree, **options(name))
    assert_same(to_linen(model, params), tree)
    assert_same(from_linen(to_linen(model, params), **options(name)), (model, params))

    module, tree = nnx_tree(name)
    model, params = from_nnx(module)
    joint = {"optimized": "dense_h" in str(tree)}
    assert_same(to_nnx(model, params, **joint), tree)
    again = from_nnx(to_nnx(model, params, **joint), **options(name))
    assert_same(again, (told(name), params))


def test_all_forms_in_which_parameters_come():
    _, tree = linen_tree("Bidirectional")
    expected = from_linen(tree)
    assert_same(from_linen({"params": tree}), expected)
    assert_same(from_linen(freeze({"params": tree})), expected)
    module, tree = nnx_tree("Bidirectional")
    assert_same(from_nnx(nnx.state(module, nnx.Param)), from_nnx(module))
    assert_same(from_nnx(tree), from_nnx(module))


def test_one_cell_in_both_directions_is_named_once():
    _, params = from_linen(linen_tree("GRUCell")[1])
    layer = Bidirectional(GRU(H))
    assert from_linen(to_linen(layer, Directions(params, params)))[0] == layer


@pytest.mark.parametrize("to, back", [(to_linen, from_linen), (to_nnx, from_nnx)])
def test_half_precision_stays(to, back):
    params = LSTM(H).init(jax.random.key(0), F, dtype=jnp.bfloat16)
    tree = to(LSTM(H), params)
    assert {a.dtype for a in jax.tree.leaves(tree)} == {jnp.dtype(jnp.bfloat16)}
    assert_same(back(tree)[1], params)


# Refusals.


def lstm(**changes):
    """The tree of a Linen LSTM with other arrays in some places; `None` takes one away."""
    tree = {f"i{gate}": {"kernel": np.ones((F, H))} for gate in "ifgo"}
    tree |= {f"h{gate}": {"kernel": np.ones((H, H)), "bias": np.ones(H)} for gate in "ifgo"}
    for path, a in changes.items():
        module, name = path.split("_")
        tree.setdefault(module, {})[name] = a
    return tree


@pytest.mark.parametrize(
    "tree, message",
    [
        (lstm(hf_bias=None), "got no hf/bias$"),
        (lstm(hx_kernel=np.ones((H, H))), "got an unknown hx/kernel$"),
        (lstm(ig_kernel=np.ones((4, H))), r"got ig/kernel of shape \[4, 3\] instead of \[2, 3\]$"),
        (lstm(ho_bias=np.ones(())), r"got ho/bias of shape \[\] instead of \[3\]$"),
        ({"RNN_0": lstm()}, "an unknown RNN_0/"),
        ({"cell": lstm(), "other": {"b": np.ones(3)}}, "an unknown cell/hf/bias"),
        ({}, "got no "),
        (linen.LSTMCell(H), "mapping of names to arrays, got LSTMCell; .* without its parameters"),
    ],
    ids=["missing", "unknown", "rows", "scalar", "model", "beside", "empty", "module"],
)
def test_arrays_that_do_not_fit_are_refused(tree, message):
    with pytest.raises(ValueError, match=message):
        from_linen(tree)


class OwnCell(nnx.GRUCell):
    """What it computes cannot be told."""


@pytest.mark.parametrize(
    "make_module, message",
    [
        (lambda: nnx_cell("LSTMCell", gate_fn=abs), "expected gate_fn to be of jax.nn, got"),
        (lambda: nnx_cell("SimpleCell", activation_fn=abs), "expected activation_fn to be of jax"),
        (lambda: nnx_cell("SimpleCell", residual=True), "expected residual=False, got True"),
        (lambda: nnx.RNN(nnx_cell("GRUCell"), reverse=True), "expected an RNN with keep_order=T"),
        (lambda: nnx.RNN(OwnCell(F, H, rngs=nnx.Rngs(0))), "expected an LSTMCell, .* got OwnCell"),
        (lambda: make(nnx, nnx_cell, "Bidirectional", merge_fn=jnp.add), "Bidirectional that conc"),
    ],
    ids=["gate", "lambda", "residual", "order", "cell", "merge"],
)
def test_modules_that_have_no_equal_are_refused(make_module, message):
    with pytest.raises(ValueError, match=message):
        from_nnx(make_module())


def test_activations_of_gates_are_kept():
    assert from_linen(lstm(), activation="relu")[0] == LSTM(H, activation="relu")
    cell = nnx_cell("GRUCell", gate_fn=jax.nn.hard_sigmoid, activation_fn=jax.nn.relu)
    expected = GRU(H, activation="relu", gate_activation="hard_sigmoid")
    model, params = from_nnx(cell)
    assert model == expected and isinstance(model, GRU)
    xs, carry = arguments("LSTMCell")
    assert_close(model.step(params, carry.h, xs)[0], cell(carry.h, xs)[0])


@pytest.mark.parametrize("to", [to_linen, to_nnx])
@pytest.mark.parametrize(
    "model",
    [ResetBeforeGRU(H), ProjectedLSTM(H, 2), RNN(ProjectedLSTM(H, 2)), Dense(H)],
)
def test_models_that_flax_has_not_are_refused(to, model):
    params = model.init(jax.random.key(0), F)
    with pytest.raises(
        ValueError, match="expected (one of LSTM, GRU, Elman, as Flax has|an RNN or .*), got"
    ):
        to(model, params)


@pytest.mark.parametrize("to", [to_linen, to_nnx])
def test_flax_has_no_cells_without_biases(to):
    cell = Elman(H, use_bias=False)
    with pytest.raises(ValueError, match="expected a cell with biases, as all of Flax have, got"):
        to(cell, cell.init(jax.random.key(0), F))


def test_nnx_has_no_recurrent_bias():
    params = random_like(1, GRU(H).init(jax.random.key(0), F))
    with pytest.raises(ValueError, match="expected a GRU whose b_hn is zero, got .*; NNX's GRU"):
        to_nnx(RNN(GRU(H)), params)
