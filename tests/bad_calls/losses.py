"""Losses, metrics, penalties, and masks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax import losses as lo

from .kinds import Argument, array, call, flag, function, lengths, rate, signal, size

B, T, C = 2, 5, 3
LOGITS = np.ones((B, T, C), "float32")
CLASSES = np.ones((B, T), int)
NUMBERS = np.ones((B, T), "float32")
SINGLES = np.ones((B, T, 1), "float32")
KEYS = jax.random.split(jax.random.key(0), (B, T))


def floats(good, *more):
    """Real floating numbers, as models predict them."""
    return array(good, good + 1j, good.astype(int), good > 0, good[:, :-1], 1.0, *more)


def targets(good, *more):
    return array(good, good + 1j, good[:, :-1], good[..., None], KEYS, 1.0, *more)


def mask(good, whole=False):
    """The mask of a loss: a single truth value, or the first axes, may do."""
    bad = signal(good).bad
    extra = (good[..., None], *((True, good[:, 0]) if whole else ()), flag(True).bad[1])
    return Argument(good, (*(b for b in bad if b is not True), *extra))


def loss(name, predictions, truth, **options):
    mean = getattr(lo, name)
    valid = mask(NUMBERS > 0, whole=name in ("sequence_accuracy", "ctc_loss", "crf_loss"))
    first, second, *_ = mean.__signature__.parameters
    arguments = {first: predictions, second: truth, "mask": valid}
    return call(f"rnnjax.losses.{name}", mean, **arguments, **options)


KINDS = (np.ones((B, T)), np.ones((B, T), bool), np.full((B, T), C), np.full((B, T), -1))
OF_CLASSES = (floats(LOGITS, SINGLES), targets(CLASSES, *KINDS))
LEVELS = ("text", None, (0.1, 0.9), (0.0, 0.1, 0.2), (0.1, 0.1, 0.2), ("a", "b", "c"), (), 0.5)
UNITS = (None, "text", 0.0, -1.0, np.nan, np.ones(2), 1j, [1.0, 0.0, 1.0, 1.0, 1.0])
RAGGED = [[0.1], [0.2, 0.3]]
LABELS = np.array([[1, 2], [2, 0]])
BLANK = size(0, least=0)
POTENTIALS = np.ones((B, T, C, C), "float32")
TAGS = [["B-NP", "O"]]
BAD_TAGS = (None, 3, "O", ["B-NP", "S-NP"], [1, 2], [None], [["O"]])
LENGTHS = lengths(np.array([5, 2]), T)
UNREAL = (LOGITS + 1j, LOGITS.astype(int), LOGITS > 0, 1.0)
PENALTIES = ("activation_penalty", "temporal_activation_penalty")


def masked(loss, predictions, targets, mask=None):
    return lo.Masked(loss)(predictions, targets, mask)


def mean_of(total):
    return lo.MeanLoss(total)(NUMBERS, NUMBERS)


def pair(predictions, targets):
    return jnp.sum(predictions - targets), targets.size


CALLS = [
    loss("cross_entropy", *OF_CLASSES, label_smoothing=rate(0.1)),
    loss("accuracy", *OF_CLASSES),
    loss("sequence_accuracy", *OF_CLASSES),
    loss("frame_loss", floats(NUMBERS), targets(CLASSES, CLASSES * 2, CLASSES * -1)),
    loss("binary_cross_entropy", floats(NUMBERS), targets(CLASSES, CLASSES * 2, CLASSES * -1)),
    loss("squared_error", floats(NUMBERS), targets(NUMBERS)),
    loss(
        "quantile_loss",
        floats(LOGITS),
        targets(NUMBERS),
        quantiles=Argument((0.1, 0.5, 0.9), (*LEVELS, np.ones((3, 1)), RAGGED, np.array(None))),
    ),
    loss("gaussian_loss", floats(LOGITS[..., :2], SINGLES, LOGITS), targets(NUMBERS)),
    loss(
        "negative_binomial_loss",
        floats(LOGITS[..., :2], SINGLES, LOGITS),
        targets(NUMBERS, -NUMBERS),
    ),
    loss("absolute_error", floats(NUMBERS), targets(NUMBERS)),
    loss("smape", floats(NUMBERS), targets(NUMBERS)),
    loss("mase", floats(NUMBERS), targets(NUMBERS), scale=Argument(2.0, UNITS)),
    loss("crps", floats(LOGITS, LOGITS[..., :0]), targets(NUMBERS)),
    loss("gaussian_crps", floats(LOGITS[..., :2], SINGLES, LOGITS), targets(NUMBERS)),
    loss("coverage", floats(LOGITS[..., :2], SINGLES, LOGITS), targets(NUMBERS)),
    loss("student_t_loss", floats(LOGITS, SINGLES, LOGITS[..., :2]), targets(NUMBERS)),
    loss(
        "ctc_loss",
        array(LOGITS, LOGITS[0], LOGITS + 1j, LOGITS.astype(int), LOGITS[:1]),
        array(LABELS, LABELS[0], LABELS + 0.5, LABELS > 0, LABELS[:1], LABELS + 2),
        blank=Argument(0, (*BLANK.bad[:-2], C, -C - 1)),
    ),
    loss(
        "crf_loss",
        floats(POTENTIALS, LOGITS),
        array(CLASSES, *KINDS[:1], CLASSES > 0, CLASSES[:1], CLASSES[..., None], CLASSES + C),
    ),
    call("rnnjax.losses.spans", lo.spans, tags=Argument(TAGS[0], BAD_TAGS)),
    call(
        "rnnjax.losses.span_scores",
        lo.span_scores,
        predicted=Argument(TAGS, (None, 3, "O", TAGS[0], [], [["O"]], [BAD_TAGS[3]])),
        true=Argument(TAGS, (None, 3, "O", TAGS[0], [], [["O"]], [BAD_TAGS[3]])),
    ),
    call(
        "rnnjax.losses.ctc_feasible",
        lo.ctc_feasible,
        labels=array(LABELS, LABELS[0], LABELS + 0.5, LABELS > 0, LABELS[:1]),
        mask=array(NUMBERS > 0, CLASSES, NUMBERS, True, NUMBERS[:1] > 0),
        blank=BLANK,
    ),
    *(
        call(
            f"rnnjax.losses.{name}",
            getattr(lo, name),
            hidden=array(LOGITS, *UNREAL[:-1]),
            mask=mask(NUMBERS > 0, whole=name == "temporal_activation_penalty"),
        )
        for name in PENALTIES
    ),
    call("Gaussian.of", lo.Gaussian.of, outputs=array(LOGITS[..., :2], LOGITS, *UNREAL)),
    call(
        "NegativeBinomial.of",
        lo.NegativeBinomial.of,
        outputs=array(LOGITS[..., :2], LOGITS, *UNREAL),
    ),
    call(
        "Quantiles.of",
        lo.Quantiles.of,
        outputs=array(LOGITS, SINGLES, *UNREAL),
        levels=Argument((0.1, 0.5, 0.9), (*LEVELS, (0.5, 0.1, 0.9))),
    ),
    call("StudentT.of", lo.StudentT.of, outputs=array(LOGITS, SINGLES, *UNREAL)),
    call("rnnjax.losses.bits", lo.bits, nats=array(1.5, 1j, object(), [None])),
    call("rnnjax.losses.perplexity", lo.perplexity, nats=array(1.5, 1j, object(), [None])),
    call(
        "rnnjax.losses.valid_steps",
        lo.valid_steps,
        lengths=LENGTHS._replace(bad=tuple(b for b in LENGTHS.bad if np.shape(b) != (B + 1,))),
        steps=size(T, least=0),
    ),
    call("rnnjax.losses.Masked", lo.Masked, loss=function(optax.huber_loss)),
    call(
        "a masked loss",
        masked,
        loss=Argument(
            functools.partial(optax.huber_loss, delta=2.0),
            tuple(lambda p, t, out=out: out for out in (None, "text", 1.0, NUMBERS[:1], TypeError)),
        ),
        predictions=floats(NUMBERS),
        targets=targets(NUMBERS),
        mask=mask(NUMBERS > 0),
    ),
    call("rnnjax.losses.MeanLoss", lo.MeanLoss, total=function(pair)),
    call(
        "the mean of a loss",
        mean_of,
        total=Argument(
            pair,
            tuple(lambda p, t, out=out: out for out in (None, "ab", 1.0, (1.0,), ("text", 1))),
        ),
    ),
]
