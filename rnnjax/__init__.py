"""rnnjax: recurrent networks as pure functions over parameter pytrees."""

from . import cells as cells
from . import decoding as decoding
from . import diagnostics as diagnostics
from . import engine as engine
from . import initializers as initializers
from . import interop as interop
from . import layers as layers
from . import tasks as tasks
from . import training as training
from ._core import Cell as Cell
from ._core import StagedCell as StagedCell
from ._core import frozen as frozen
from .cells import GRU as GRU
from .cells import LSTM as LSTM
from .cells import Elman as Elman
from .cells import Jordan as Jordan
from .cells import LSTMCarry as LSTMCarry
from .cells import ProjectedLSTM as ProjectedLSTM
from .cells import Residual as Residual
from .cells import Stack as Stack
from .engine import explain as explain
from .engine import scan as scan
from .layers import Layer as Layer
