"""Decoding: generation, sampling and streaming."""

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import decoding as de
from rnnjax import losses
from rnnjax.layers import RNN, Bidirectional, Dense, Embedding, Sequential

from .kinds import (
    TEXTS,
    Argument,
    array,
    call,
    key,
    layer,
    number,
    optional_key,
    optional_size,
    params,
    signal,
    size,
    tree,
)

B, F, V = 2, 3, 5
GRU = rnnjax.GRU(4)
WRITER = Sequential((Embedding(V, 3), RNN(GRU), Dense(V)))
WRITERS = (RNN(GRU), Sequential((Embedding(V, 3), Bidirectional(GRU))))
PARAMS = WRITER.init(jax.random.key(0))
PROMPT = np.ones((B, 3), int)
OUTSIDE = (PROMPT + V, PROMPT - 2, PROMPT + 0.5, PROMPT > 0, PROMPT + 1j)
CARRY = WRITER.init_carry(PARAMS, (B,))
NARROW = jax.tree.map(lambda a: a[:1], CARRY)
CONTEXT = Argument(None, ("text", np.ones((B, 3)), object()))
STREAMER = RNN(GRU)
INSIDE = STREAMER.init(jax.random.key(0), F)
STATE = STREAMER.init_carry(INSIDE, (B,))
NOW = np.ones((B, F), "float32")
SINGER = RNN(rnnjax.GRU(F))
SONG = np.ones((B, 4, F), "float32")
SESSIONS = np.ones(B, bool)

TEMPERATURE = number(1.0, -1.0, -np.inf, True)
TOP_P = number(0.5, 0.0, 1.5, -0.5)
MIN_P = number(0.5, 1.0, -0.5)
OPTIONS = {
    "temperature": TEMPERATURE,
    "top_k": optional_size(2),
    "top_p": TOP_P._replace(bad=TOP_P.bad[1:]),
    "min_p": MIN_P._replace(bad=MIN_P.bad[1:]),
}
LOGITS = jnp.ones((B, V))
POTENTIALS = jnp.ones((B, 3, V, V))
CHAINS = array(POTENTIALS, POTENTIALS[0], POTENTIALS[..., 1:], POTENTIALS + 1j, POTENTIALS > 0, 1.0)
SCORES = array(LOGITS, LOGITS + 1j, LOGITS.astype(int), LOGITS > 0, LOGITS[:, :0], 1.0)
NEEDS_KEY = key()
PLACES = np.ones((B, 3), bool)
FRAMES = np.ones((B, 3, V), "float32")
TAGS = np.ones((B, 2), int)
PATHS = {
    "logits": array(FRAMES, FRAMES[0], FRAMES + 1j, FRAMES > 0, TAGS, FRAMES[..., :0], 1.0),
    "mask": signal(PLACES),
    "blank": size(0, least=-V)._replace(bad=(*size(0, least=-V).bad[:-1], V, 2**40)),
}


def sessions():
    kinds = tuple(np.ones(B, kind) for kind in ("int32", "float32", "object"))
    bad = ("text", True, 1.5, [True], [1, 0], SESSIONS[:1], SESSIONS[None], object(), *kinds)
    return Argument(SESSIONS, bad)


SERIES = np.ones((B, 6, F), "float32")
PREDICTOR = Sequential((RNN(GRU), Dense(2)))


def pair(outputs):
    """A distribution; anything with a method `sample` is one."""
    return losses.Gaussian.of(outputs)


CALLS = [
    call(
        "rnnjax.decoding.sample_paths",
        de.sample_paths,
        model=Argument(PREDICTOR, (*layer(PREDICTOR).bad, RNN(GRU, return_sequences=False))),
        params=params(PREDICTOR.init(jax.random.key(0), F)),
        inputs=array(SERIES, SERIES[0], SERIES + 1j, SERIES > 0, SERIES[..., :1], 1.0),
        distribution=Argument(pair, (None, 3, "nonsense", jnp.tanh)),
        key=key(),
        horizon=Argument(2, (*size(2).bad, 7)),
        num=size(3),
    ),
    call(
        "rnnjax.decoding.generate",
        de.generate,
        model=Argument(WRITER, (*layer(WRITER).bad, *WRITERS)),
        params=params(PARAMS),
        prompt=array(PROMPT, PROMPT[:, :0], PROMPT[None], *OUTSIDE, 1, [[1, 2], [1]], object()),
        key=NEEDS_KEY,
        length=size(3, least=0),
        carry=tree(CARRY, NARROW, np.ones(2)),
        **OPTIONS,
        stop=Argument(0, ("text", 0.5, True, V, -1, [0, V], TEXTS, [[0], [1, 2]])),
        context=CONTEXT,
    ),
    call(
        "a single prompt",
        de.generate,
        model=WRITER,
        params=PARAMS,
        prompt=Argument([1, 2], ([], [V], [None], ["text"], [1.5])),
        key=Argument(None, optional_key().bad),
        length=2,
        temperature=Argument(0, TEMPERATURE.bad),
        carry=tree(None, np.ones(2), NARROW),
        context=CONTEXT,
    ),
    call(
        "rnnjax.decoding.generate_frames",
        de.generate_frames,
        model=Argument(SINGER, (*layer(SINGER).bad, Bidirectional(GRU), STREAMER)),
        params=params(SINGER.init(jax.random.key(0), F)),
        prompt=array(SONG, SONG[:, :0], SONG[None], SONG[0, 0], SONG + 1j, SONG[..., :2]),
        key=NEEDS_KEY,
        length=size(2, least=0),
        carry=tree(SONG[:, 0], SONG[:1, 0], np.ones(2)),
        temperature=TEMPERATURE,
    ),
    call(
        "rnnjax.decoding.beam_search",
        de.beam_search,
        model=Argument(WRITER, (*layer(WRITER).bad, *WRITERS)),
        params=params(PARAMS),
        prompt=array(PROMPT, PROMPT[:, :0], PROMPT[None], *OUTSIDE, 1, [[1, 2], [1]], object()),
        length=size(3),
        width=size(2),
        carry=tree(CARRY, NARROW, np.ones(2)),
        stop=Argument(0, ("text", 0.5, True, V, -1, [0, V], TEXTS, [[0], [1, 2]])),
        context=CONTEXT,
        length_penalty=number(0.5, -1.0),
        coverage_penalty=number(0.0, -1.0, 0.3),
        attention=None,
    ),
    call("rnnjax.decoding.sample", de.sample, logits=SCORES, key=NEEDS_KEY, **OPTIONS),
    call("rnnjax.decoding.filter_top_k", de.filter_top_k, logits=SCORES, k=size(2)),
    call("rnnjax.decoding.filter_top_p", de.filter_top_p, logits=SCORES, p=TOP_P),
    call("rnnjax.decoding.filter_min_p", de.filter_min_p, logits=SCORES, p=MIN_P),
    call("rnnjax.decoding.ctc_greedy", de.ctc_greedy, **PATHS),
    call("rnnjax.decoding.ctc_beam", de.ctc_beam, **PATHS, width=size(2)),
    call(
        "rnnjax.decoding.ctc_align",
        de.ctc_align,
        **PATHS,
        labels=array(TAGS, TAGS[0], TAGS[:1], TAGS * 1.0, TAGS > 0, TAGS + V, [[0, 1], [1, 1]]),
    ),
    *(
        call(f"rnnjax.decoding.{f.__name__}", f, potentials=CHAINS, mask=signal(PLACES))
        for f in (de.viterbi, de.crf_marginals)
    ),
    call(
        "rnnjax.decoding.stream_step",
        de.stream_step,
        model=Argument(STREAMER, (*layer(STREAMER).bad, Bidirectional(GRU))),
        params=params(INSIDE),
        x=array(NOW, NOW[0], NOW[:, :2], NOW[:, None], NOW + 1j, NOW.tolist(), 1.0, object()),
        carry=tree(STATE, STATE[:1], np.ones(2)),
        resets=sessions(),
        mask=sessions(),
        context=CONTEXT,
    ),
]
