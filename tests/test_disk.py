"""Models on disk: what was saved comes back, and what does not fit is refused by name."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, Gated, Leaky, random_like
from safetensors.numpy import load_file, save_file

from rnnjax import GRU, LSTM, Elman, ResetBeforeGRU, Stack, engine
from rnnjax.interop import load, read_extra, save
from rnnjax.interop._disk import _digest
from rnnjax.layers import (
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    Pool,
    Sequential,
)

OWN = {type(case.cell) for case in CASES if type(case.cell).__module__ == "cases"}
# A function of a user has no name by which it could be found again.
SAVED = [case for case in CASES if case.id != "Stack"]
DEEP = Sequential(
    (
        Embedding(7, 3),
        Bidirectional(ResetBeforeGRU(4), merge="sum", backward=LSTM(4, forget_bias=0.5)),
        RNN(Stack((LSTM(3), Elman(2, activation="relu"))), method=engine.Loop(checkpoint="sqrt")),
        LayerNorm(epsilon=1e-3),
        Dropout("param", per_sequence=True),
        Pool("mean"),
        Sequential(head=Dense(2, use_bias=False), noise=Dropout(0.25)),
    )
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def random_params(model, input_size=None, dtype=jnp.float32):
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), input_size, dtype=dtype))
    return random_like(3, shapes)


def check_round_trip(path, model, params, input_size, classes=()):
    save(path, model, params, input_size)
    again, loaded = load(path, classes)
    assert again == model and hash(again) == hash(model)
    chex.assert_trees_all_equal_dtypes(loaded, params)
    chex.assert_trees_all_equal(loaded, params)


@pytest.mark.parametrize("case", SAVED, ids=lambda case: case.id)
def test_every_cell_comes_back(path, case):
    params = random_params(case.cell, case.input_size)
    check_round_trip(path, case.cell, params, case.input_size, OWN)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_layers_come_back_in_every_dtype(path, dtype):
    with jax.enable_x64(dtype == "float64"):
        check_round_trip(path, DEEP, random_params(DEEP, dtype=dtype), None)


def test_a_table_alone_comes_back(path):
    check_round_trip(path, Embedding(5, 2), random_params(Embedding(5, 2)), None)


def test_names_are_readable_and_arrays_are_as_in_memory(path):
    params = random_params(LSTM(4), 3)
    turned = params._replace(w_x=np.asarray(params.w_x).T.copy().T)  # a view, not in C order
    save(path, Sequential((RNN(LSTM(4)), Dense(2))), (turned, random_params(Dense(2), 4)), 3)
    arrays = load_file(path)
    assert sorted(arrays) == ["0.b", "0.w_h", "0.w_x", "1.b", "1.w"]
    np.testing.assert_array_equal(arrays["0.w_x"], params.w_x)


# What is refused, by name.


def saved(path, change=lambda arrays, about: None, model=None, input_size=3):
    """Saves a model, then writes its file again with arrays or metadata changed."""
    model = RNN(LSTM(4)) if model is None else model
    save(path, model, random_params(model, input_size), input_size)
    arrays, size = load_file(path), int.from_bytes(path.read_bytes()[:8], "little")
    about = json.loads(json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]["rnnjax"])
    change(arrays, about)
    about["digest"] = _digest(about, arrays)
    save_file(arrays, path, {"rnnjax": json.dumps(about)})


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: a.pop("w_h"), "got no w_h$"),
        (lambda a: a.update(w_p=a["b"]), "got w_p, which the model does not have$"),
        (lambda a: a.update(b=a["b"][:-1]), r"got b of shape \[15\] instead of \[16\]$"),
        (lambda a: a.update(b=a["b"].astype(int)), "got b of int64 instead of float32$"),
        (
            lambda a: a.update(b=a["b"].astype("complex64")),
            "got b of complex64 instead of float32$",
        ),
        (lambda a: a.update({"x" * 10**6: a["b"]}), "got x{60}…, which the model does not have$"),
        (lambda a: a["b"].__setitem__(3, np.nan), "got b with entries that are not finite$"),
        (lambda a: a["w_h"].__setitem__(0, np.inf), "got w_h with entries that are not finite$"),
        (lambda a: a.update(w=a.pop("w_x")), "got no w_x, w, which the model does not have$"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(path, change, message):
    saved(path, lambda arrays, about: change(arrays))
    with pytest.raises(ValueError, match="expected .* to hold the parameters.*" + message):
        load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: a.update(format=1), "has no entry 'rnnjax' of format 2"),
        (lambda a: a["model"]["cell"].update({"class": "os.system"}), "got 'os.system'; is it a"),
        (lambda a: a.pop("model"), "its metadata lacks model$"),
        (lambda a: (a.pop("input_size"), a.pop("extra")), "its metadata lacks extra, input_size$"),
        (lambda a: a["model"].update({"class": ["LSTM"]}), "classes of rnnjax.*got .'LSTM'.; is"),
        (lambda a: a["model"].update({"class": "x" * 10**6}), "got 'x+ … x+'; is it a class of yo"),
        (lambda a: a.update(model=nested(600)), "it is nested too deeply$"),
        (lambda a: a["model"].update(method="fast"), "expected method to be"),
        (lambda a: a["model"].update(reverse="no"), "expected reverse to be True or False"),
        (lambda a: a["model"].pop("class"), "expected a model made of classes.*got None"),
        (lambda a: a["model"].update(speed=1), r"expected the fields of rnnjax.layers.RNN"),
        (lambda a: a["model"]["cell"].update(hidden_size=-1), "expected hidden_size to be a posit"),
        (lambda a: a.update(input_size="x"), "expected a model and the input_size.*got .* 'x'"),
        (lambda a: a.update(input_size=5), r"w_x of shape \[3, 16\] instead of \[5, 16\]"),
        (lambda a: a.update(model=3), "expected a model and the input_size.*got 3"),
    ],
)
def test_metadata_that_is_not_a_models_is_refused(path, change, message):
    saved(path, lambda arrays, about: change(about))
    with pytest.raises(ValueError, match=message) as refused:
        load(path)
    assert str(path) in str(refused.value) and len(str(refused.value)) < 1200


def nested(depth):
    """A model of wrappers of wrappers."""
    model = {"class": "rnnjax.cells.LSTM", "hidden_size": 4}
    for _ in range(depth):
        model = {"class": "rnnjax.cells.Residual", "cell": model}
    return model


def test_deeply_nested_text_is_refused(path):
    save_file({"b": np.ones(3)}, path, {"rnnjax": "[" * 10**6})
    with pytest.raises(ValueError, match="got .*model.safetensors: it is nested too deeply$"):
        load(path)


@pytest.mark.parametrize("read", [load, read_extra])
def test_a_changed_bit_and_swapped_arrays_are_found(path, read):
    saved(path)
    whole = path.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    for place in (whole.index(b"forget_bias") + 15, size, size + 100, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="is damaged: its digest belongs to other content$"):
            read(path)
    path.write_bytes(whole.replace(b'"b":', b'"u":'))
    with pytest.raises(ValueError, match="is damaged"):
        read(path)
    model = Sequential((Dense(3), Dense(3)))
    save(path, model, random_params(model, 3), 3)
    whole = path.read_bytes()
    swapped = whole.replace(b'"0.w":', b'"2.w":').replace(b'"1.w":', b'"0.w":')
    path.write_bytes(swapped.replace(b'"2.w":', b'"1.w":'))
    assert sorted(load_file(path)) == ["0.b", "0.w", "1.b", "1.w"]
    with pytest.raises(ValueError, match="is damaged"):
        read(path)


@pytest.mark.parametrize(
    "extra", [None, 0, "text é", [1, 2.5, None, True], {"vocabulary": ["a", "b"], "lr": {"x": 1}}]
)
def test_extra_comes_back(path, extra):
    params = random_params(LSTM(4), 3)
    save(path, LSTM(4), params, np.int64(3), extra=extra)
    assert read_extra(path) == extra
    chex.assert_trees_all_equal(load(path), (LSTM(4), params))


@pytest.mark.parametrize(
    "extra", [np.float32(1), (1, 2), {1: 2}, float("nan"), {"a": [np.inf, {1}]}, object(), b"x"]
)
def test_extra_that_json_does_not_give_back_is_refused(path, extra):
    with pytest.raises(ValueError, match="expected extra to be what JSON can hold: .*, got "):
        save(path, LSTM(4), random_params(LSTM(4), 3), 3, extra=extra)
    assert not path.exists()


def test_other_files_and_damaged_ones_are_refused(path):
    saved(path)
    whole = path.read_bytes()
    save_file({"w": np.ones(3)}, path)
    other = path.read_bytes()
    for content in (b"", b"no such format", whole[:-1], whole[:40], other):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a file that rnnjax.interop.save wrote, got"):
            load(path)
    path.unlink()
    for read in (load, read_extra):
        with pytest.raises(FileNotFoundError, match="interop.save wrote, got no file: .*safetens"):
            read(path)
        with pytest.raises(ValueError, match="interop.save wrote, got a folder: "):
            read(path.parent)


def test_own_classes_must_be_passed(path):
    saved(path, model=RNN(Leaky(4)))
    with pytest.raises(ValueError, match="those passed as classes=, got 'Leaky'"):
        load(path, [Gated])
    assert load(path, [Gated, Leaky])[0] == RNN(Leaky(4))


def test_float64_needs_x64_to_be_loaded(path):
    with jax.enable_x64(True):
        save(path, LSTM(4), random_params(LSTM(4), 3, "float64"), 3)
    with pytest.raises(ValueError, match="got w_x of float64; is jax_enable_x64 off?"):
        load(path)


class Unwritable(Leaky):
    """A cell with a field that JSON has no word for."""

    table: frozenset = frozenset()


@pytest.mark.parametrize(
    "model, change, input_size, message",
    [
        (LSTM(4), {}, 5, r"expected params to hold.*w_x of shape \[3, 16\] instead of \[5, 16\]$"),
        (LSTM(4), {}, None, "expected a model and the input_size that its parameters were drawn"),
        (LSTM(4), {"b": np.full(16, np.nan)}, 3, "got b with entries that are not finite$"),
        (LSTM(4), {"b": np.ones(16, int)}, 3, "got b of int64 instead of float32$"),
        (GRU(4), {"b_hn": None}, 3, "expected params to hold.*got no b_hn$"),
        (Unwritable(4), {}, 3, r"expected a model whose fields are .*, got frozenset\(\);"),
        (Elman(4, activation=jnp.sin), {}, 3, "expected a model whose fields are .*, got .*sin"),
    ],
)
def test_what_cannot_be_saved_leaves_the_old_file_alone(path, model, change, input_size, message):
    saved(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        save(path, model, random_params(model, 3)._replace(**change), input_size)
    assert path.read_bytes() == before


def test_names_that_would_be_one_are_refused(path):
    with pytest.raises(ValueError, match="expected arrays of different names, got one name twice"):
        save(path, LSTM(4), {"a.b": jnp.ones(1), "a": {"b": jnp.ones(1)}}, 3)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(path, monkeypatch):
    saved(path)
    before = path.read_bytes()

    def fail(_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        save(path, LSTM(5), random_params(LSTM(5), 3), 3)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
