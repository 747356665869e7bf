"""What makes no layer, and what does not fit one, is refused."""

# pyright: reportArgumentType=false

import jax.numpy as jnp
import pytest
from layer_draws import KEY, MODEL, B, H, draw

from rnnjax import GRU
from rnnjax.layers import RNN, Bidirectional, Dense, Dropout, LayerNorm, Pool, Sequential

pytestmark = pytest.mark.usefixtures("x64")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LayerNorm(epsilon=-1e-5), "expected epsilon to be positive"),
        (lambda: Dropout(1.0), "expected rate to be at least 0 and below 1"),
        (lambda: Dropout("no"), "expected rate to be a finite number"),
        (lambda: Dense(0), "expected size to be a positive integer"),
        (lambda: Dense(2, w_init="nonsense"), "expected .*nonsense"),
        (lambda: RNN(GRU(H), reverse="no"), "expected reverse to be True or False"),
        (lambda: RNN(Dense(2)), "expected cell to be a Cell"),
        (lambda: Pool("first"), "expected how to be 'last'"),
        (lambda: Bidirectional(GRU(H), merge="max"), "expected merge to be"),
        (lambda: Sequential((GRU(H),)), r"becomes a layer by RNN\(cell\)"),
        (lambda: Sequential(()), "at least one layer"),
        (lambda: Sequential((Dense(2),), head=Dense(2)), "got both"),
        (lambda: Sequential((Pool("max"), RNN(GRU(H)))), "expected sequences for RNN"),
        (lambda: Sequential((Dense(2),)).init(KEY), "expected an input_size, got None"),
    ],
)
def test_what_makes_no_layer_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "backwards",
    [
        (Bidirectional(GRU(H)),),
        (RNN(GRU(H), reverse=True), LayerNorm()),
        (Sequential((Dense(2), Bidirectional(GRU(H)))), Dense(2)),
    ],
)
def test_the_last_step_of_a_backward_direction_is_no_summary(backwards):
    with pytest.raises(ValueError, match="give it return_sequences=False"):
        Sequential((*backwards, Sequential((Pool("last"), Dense(2)))))
    Sequential((*backwards, Pool("mean")))
    Sequential((*backwards, RNN(GRU(H)), Pool("last")))


def test_entries_that_do_not_fit_are_refused():
    params, xs = draw(MODEL)
    with pytest.raises(
        ValueError, match=r"expected parameters with an entry for each layer, \[0, 1, 2, 3, 4\]"
    ):
        MODEL.apply(params[1:], xs)
    with pytest.raises(
        ValueError, match=r"expected carry with .* layer with memory, \[0, 1\], got"
    ):
        MODEL.apply(params, xs, (None,) * 5)
    named = Sequential(rnn=RNN(GRU(H)), head=Dense(2))
    with pytest.raises(
        ValueError, match=r"expected parameters with .*\['rnn', 'head'\], got \['rnn'\]"
    ):
        named.apply({"rnn": ()}, xs)
    with pytest.raises(ValueError, match=r"got \[\] in ArrayImpl"):
        MODEL.apply(params, xs, jnp.ones((B, H)))
