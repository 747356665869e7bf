"""Files of weights in the page, and the language model and the sampling: as the library's."""

import base64

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from lab_node import close, run_scripts

import rnnjax
from rnnjax import decoding, interop
from rnnjax.tasks import text

SCRIPTS = ("random", "cells", "time", "files", "language")


def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(3, 4)) * 10.0 ** rng.integers(-9, 5, (3, 4))
    special = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, 65504.0, 6e-8, -3e-6, 6.1e-5])
    arrays = {}
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        with np.errstate(all="ignore"):
            arrays[f"a.{dtype}"] = np.asarray(values, jnp.dtype(dtype))
            arrays[f"special.{dtype}"] = np.asarray(special, jnp.dtype(dtype))
    return arrays | {"scalar": np.asarray(2.5, np.float32), "none": np.zeros((0, 3), np.float16)}


MODELS = {
    "LSTM": text.Config(hidden=6, embedding=4),
    "two tied GRUs": text.Config(hidden=6, embedding=4, cell="gru", layers=2, tied=True),
    "tied LSTM": text.Config(hidden=4, embedding=4, tied=True),
    "two Elmans": text.Config(hidden=5, embedding=4, cell="elman", layers=2),
}
TOKENS = [3, 1, 4, 1, 5, 0, 2]
NEXT, VOCABULARY = 6, 7
FILES = """
const text = (v) => String(Object.is(v, -0) ? "-0" : v).replace("Infinity", "inf");
const { metadata, tensors } = readSafetensors(fromBase64(given.file));
for (const tensor of Object.values(tensors)) tensor.data = Array.from(tensor.data, text);
const models = given.models.map((file) => {
  const model = languageModel([..."abcdefg"], readSafetensors(fromBase64(file)).tensors);
  let state = model.start();
  const steps = given.tokens.map((token) => {
    const step = model.step(token, state);
    state = step.state;
    return step;
  });
  return { steps, influence: tokenInfluence(model, steps, given.next) };
});
const random = randomStream(2);
const p = Float64Array.of(0, 0.2, 0.5, 0, 0.3);
const refuse = (file) => {
  try { readSafetensors(fromBase64(file)); } catch (error) { return error.message; }
};
return {
  metadata, tensors, models, refused: given.refused.map(refuse),
  sampling: given.sampling.map(([logits, ...options]) => probabilities(logits, ...options)),
  drawn: Array.from({ length: 4000 }, () => drawToken(random, p)),
};
"""
OPTIONS = [
    (temperature, k, p)
    for temperature in (1.0, 0.5, 2.0, 0.0)
    for k in (0, 1, 3, 20)
    for p in (1.0, 0.9, 0.5, 1e-6)
]


def all_logits() -> np.ndarray:
    random = np.random.default_rng(8).normal(size=(2, 8)) * 2
    return np.array([*random, [1, 2, 2, 2, 0, 0, 1, 2], [0] * 8, [-1000, 0, 1000, 3, 2, 1, 0, 0]])


def encoded(arrays: dict[str, np.ndarray], **metadata: str) -> str:
    return base64.b64encode(safetensors.numpy.save(arrays, metadata)).decode()


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    """What node finds in files, and the models of these files in float64."""
    folder, files, models = tmp_path_factory.mktemp("models"), [], []
    for seed, config in enumerate(MODELS.values()):
        model, rng = text.build(config, VOCABULARY), np.random.default_rng(seed)
        params = jax.tree.map(
            lambda a, rng=rng: np.asarray(rng.normal(size=a.shape), np.float16),
            model.init(jax.random.key(0), None),
        )
        interop.save(path := folder / f"{seed}.safetensors", model, params)
        files.append(base64.b64encode(path.read_bytes()).decode())
        models.append((model, params))
    damaged = safetensors.numpy.save({"w": np.ones(4, np.float32)})[:-2]
    integers = safetensors.numpy.save({"steps": np.ones(4, np.int32)})
    given = {
        "file": encoded(tensors(), about="numbers"),
        "models": files,
        "tokens": TOKENS,
        "next": NEXT,
        "sampling": [(logits, *options) for logits in all_logits() for options in OPTIONS],
        "refused": [base64.b64encode(data).decode() for data in (damaged, integers)],
    }
    return run_scripts(SCRIPTS, FILES, given), dict(zip(MODELS, models, strict=True))


def test_safetensors_of_every_float_are_read_back(language):
    found, _ = language
    assert found["metadata"] == {"about": "numbers"}
    assert found["tensors"].keys() == tensors().keys()
    for name, array in tensors().items():
        tensor = found["tensors"][name]
        data = np.array([float(v) for v in tensor["data"]])
        assert tensor["shape"] == list(array.shape)
        np.testing.assert_array_equal(data, array.astype(np.float64).ravel())
        np.testing.assert_array_equal(np.signbit(data), np.signbit(array).ravel())
    assert "damaged" in found["refused"][0] and "steps of dtype I32" in found["refused"][1]


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_influences_of_a_language_model_equal_the_library(language, name, x64):
    found, models = language
    index = list(MODELS).index(name)
    model, params = models[name]
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
    logits = model.apply(params, jnp.asarray([TOKENS]))[1][0]
    close([step["logits"] for step in found["models"][index]["steps"]], logits)

    # A vector for each token of the text makes each its own row of a table.
    tied = hasattr(params, "embedding")
    table = params.embedding.table if tied else params[0].table
    rest = model.body if tied else rnnjax.layers.Sequential(model.layers[1:])

    def log_p(rows):
        _, ys = rest.apply(params.body if tied else params[1:], rows[None])
        y = ys[0, -1] @ table.T + params.b if tied else ys[0, -1]
        return jax.nn.log_softmax(y)[NEXT]

    gradient = jax.grad(log_p)(table[jnp.asarray(TOKENS)])
    close(found["models"][index]["influence"], jnp.linalg.norm(gradient, axis=-1))


def test_probabilities_follow_the_rules_of_sampling(language, x64):
    found = iter(language[0]["sampling"])
    for logits in all_logits():
        for temperature, k, p in OPTIONS:
            if temperature == 0:
                expected = np.eye(len(logits))[np.argmax(logits)]
            else:
                kept = jnp.asarray(logits - logits.max()) / temperature
                kept = decoding.filter_top_k(kept, k) if k else kept
                expected = jax.nn.softmax(decoding.filter_top_p(kept, p))
            close(next(found), expected)


def test_tokens_are_drawn_by_their_probabilities(language):
    shares = np.bincount(language[0]["drawn"], minlength=5) / 4000
    np.testing.assert_allclose(shares, [0, 0.2, 0.5, 0, 0.3], atol=0.03)
    assert shares[0] == shares[3] == 0
