"""The networks of a forecaster, and its windows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._checks import Rate
from ...cells import GRU, LSTM
from ...data import Batch, Batches
from ...forecasting import (
    LinearForecast,
    Scaling,
    Window,
    direct_batch,
    forecast_windows,
    step_batch,
)
from ...layers import RNN, Dense, Dropout, Layer, Sequential, Signals
from ._series import Table

_LEAST = 0.1  # the smallest scale of a window, in standard deviations of its series
PARTS = ("train", "valid", "test")


class DirectParams(NamedTuple):
    """Parameters of `Direct`."""

    w: Float[Array, "l h"]  # weights of the linear map
    b: Float[Array, "h"]
    past: Any  # of the layer of a patch of the past
    future: Any  # of the layer of a patch of the future
    place: Float[Array, "n d"]  # what tells the patches of the future apart
    rnn: Any
    head: Any


class Direct(Layer[DirectParams]):
    """All steps of the horizon at once: inputs `[B, L + H, 2 + C]` to `[B, H]`.

    A linear map of the past, plus a GRU that reads it by patches, such as days, and then makes
    one step for each patch of the horizon, from its place and its covariates.

    Args:
        context: number of steps L of the past.
        horizon: number of steps H of the future.
        patch: number of steps that the GRU reads at once.
        hidden: units of the GRU.
        dropout: rate before the last layer.

    Reference:
        S. Lin et al., SegRNN: segment recurrent neural network for long-term time series
        forecasting, 2023; A. Zeng et al., Are transformers effective for time series
        forecasting?, AAAI 2023.
    """

    context: int
    horizon: int
    patch: int
    hidden: int
    dropout: Rate

    keeps_time = False
    output_size = property(lambda self: self.horizon)
    patches = property(lambda self: -(-self.horizon // self.patch))
    rnn = property(lambda self: RNN(GRU(self.hidden)))

    def init(self, key, input_size, *, dtype: Any = jnp.float32):
        keys, patch = jax.random.split(key, 5), self.patch
        dense, known = Dense(self.hidden), max(input_size - 2, 1)
        return DirectParams(
            jnp.zeros((self.context, self.horizon), dtype),
            jnp.zeros(self.horizon, dtype),
            dense.init(keys[0], patch * input_size, dtype=dtype),
            dense.init(keys[1], patch * known, dtype=dtype),
            0.1 * jax.random.normal(keys[2], (self.patches, self.hidden), dtype),
            self.rnn.init(keys[3], self.hidden, dtype=dtype),
            Dense(patch, w_init="zeros").init(keys[4], self.hidden, dtype=dtype),
        )

    def run(self, params, xs, carry, signals: Signals):
        rows, patch, dense = xs.shape[0], self.patch, Dense(self.hidden)
        past = xs[:, self.context % patch : self.context].reshape(rows, -1, patch * xs.shape[-1])
        past = jax.nn.relu(dense.transform(params.past, past))
        carry, _ = self.rnn.run(params.rnn, past, None, Signals())
        known = xs[:, self.context :, 2:] if xs.shape[-1] > 2 else 0 * xs[:, self.context :, :1]
        known = jnp.pad(known, ((0, 0), (0, self.patches * patch - self.horizon), (0, 0)))
        known = known.reshape(rows, self.patches, -1)
        ahead = jax.nn.relu(dense.transform(params.future, known) + params.place)
        carry = jax.tree.map(lambda a: jnp.repeat(a, self.patches, 0), carry)
        ahead = ahead.reshape(-1, 1, self.hidden)
        _, ys = self.rnn.run(params.rnn, ahead, carry, Signals())
        ys = Dropout(self.dropout).run((), ys, (), signals)[1]
        ys = Dense(patch).transform(params.head, ys).reshape(rows, -1)[:, : self.horizon]
        return (), xs[:, : self.context, 0] @ params.w + params.b + ys


def direct_network(config: Any, season: int) -> Direct:
    """A GRU over patches of a season, beside a linear map."""
    patch = min(season if season > 1 else 8, config.context, config.horizon)
    return Direct(config.context, config.horizon, patch, config.hidden, config.dropout)


def path_network(config: Any, numbers: int) -> Layer:
    """LSTMs that give, at each step, the numbers of a distribution."""
    parts = (RNN(LSTM(config.hidden)), Dropout(config.dropout))
    return Sequential((*parts * config.layers, Dense(numbers)))


class Rows(NamedTuple):
    """The series of a table, one after the other, in standard deviations of their first part."""

    series: list[np.ndarray]
    known: list[np.ndarray]
    cuts: tuple[int, int, int]
    scaling: Scaling  # to standard deviations

    @classmethod
    def of(cls, table: Table) -> "Rows":
        """The rows of a table, scaled by what is there to learn from."""
        scaling = Scaling.fit(table.values[: table.cuts[0]])
        scaled = scaling.apply(table.values)
        known = [table.clock.known(len(scaled))] * len(table.names)
        return cls([*scaled.T], known, table.cuts, scaling)

    def windows(self, part: str, config: Any, batch: int = 256, **options: Any) -> Batches[Window]:
        """The windows whose horizon is in a part; the past may reach into the one before.

        Raises:
            ValueError: if the part is too short.
        """
        k = PARTS.index(part)
        start = self.cuts[k - 1] - config.context if k else 0
        cut = slice(max(start, 0), self.cuts[k])
        if cut.stop - cut.start < config.context + config.horizon:
            raise ValueError(
                f"expected {part} series of at least {config.context + config.horizon} steps, "
                f"context and horizon, got {cut.stop - cut.start}; --context and --horizon may "
                "be shorter"
            )
        known = [a[cut] for a in self.known] if self.known[0].size else None
        series = [a[cut] for a in self.series]
        return forecast_windows(
            series, config.context, config.horizon, batch, known=known, **options
        )


def window_scaling(kind: str, past: np.ndarray) -> Scaling:
    """What is taken from a window before a network sees it."""
    if kind == "direct":
        return Scaling.fit(past, 1, center="last", spread=False)
    return Scaling.fit(past, 1, least=_LEAST)


def network_batch(kind: str, window: Window) -> Batch:
    """The batch of a window in the scale of a network."""
    scaled = window.scaled(window_scaling(kind, window.past))
    return direct_batch(scaled) if kind == "direct" else step_batch(scaled)


def initial(model: Layer, key: Any, inputs: int, line: LinearForecast) -> Any:
    """Drawn parameters; the linear map of a direct network starts in closed form."""
    params = model.init(key, inputs)
    if isinstance(params, DirectParams):
        params = params._replace(w=jnp.asarray(line.w, "float32"), b=jnp.asarray(line.b, "float32"))
    return jax.tree.map(jnp.asarray, params)
