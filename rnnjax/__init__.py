"""rnnjax: recurrent networks as pure functions over parameter pytrees.

* `scan(cell, params, xs)` runs a cell over time; `explain` reports how, `restart` resets a carry.
* `LSTM`, `GRU`, `Elman` and others are in `rnnjax.cells`, with a table of their sources; `Stack`
  and `Residual` combine them; `Cell` is the base of your own, which `rnnjax.testing` checks.
* `rnnjax.layers` are whole models, batch-major: `RNN`, `Bidirectional`, `Sequential`, `Dense`.
  `summary(model)` shows one as a table.
* `rnnjax.losses`, `rnnjax.data` and `rnnjax.training` train them: `fit`, `evaluate`, `predict`.
* `rnnjax.attention` compares queries with keys, for decoders in `cells` and in `layers`.
* `rnnjax.decoding` generates, searches and streams; `rnnjax.diagnostics` shows gradients and gates.
* `rnnjax.forecasting` cuts, scales and tests series.
* `rnnjax.flax` makes modules of NNX and Linen; `rnnjax.interop` converts weights and files.
* `rnnjax.lab` is a page in which to play with recurrent networks, with a model that writes.
* `rnnjax.tasks` are the applications of the command `rnnjax`, and synthetic tasks.
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import Any as _Any

from . import attention as attention
from . import cells as cells
from . import data as data
from . import decoding as decoding
from . import diagnostics as diagnostics
from . import engine as engine
from . import forecasting as forecasting
from . import initializers as initializers
from . import interop as interop
from . import lab as lab
from . import layers as layers
from . import losses as losses
from . import tasks as tasks
from . import training as training
from ._core import Cell as Cell
from ._numerics import add_bias as add_bias
from ._numerics import along as along
from ._numerics import carry_dtype as carry_dtype
from ._numerics import matmul as matmul
from ._static import Static as Static
from ._wrapper import Wrapper as Wrapper
from .cells import GRU as GRU
from .cells import LSTM as LSTM
from .cells import Elman as Elman
from .cells import Jordan as Jordan
from .cells import LSTMCarry as LSTMCarry
from .cells import ProjectedLSTM as ProjectedLSTM
from .cells import Record as Record
from .cells import ResetBeforeGRU as ResetBeforeGRU
from .cells import Residual as Residual
from .cells import Stack as Stack
from .engine import explain as explain
from .engine import restart as restart
from .engine import scan as scan
from .layers import Layer as Layer
from .layers import summary as summary

__version__ = _version("rnnjax")


def __getattr__(name: str) -> _Any:
    """The subpackages that import Flax and chex, on first use."""
    if name in ("flax", "testing"):
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
