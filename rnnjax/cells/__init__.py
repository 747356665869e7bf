"""Recurrent cells, one a file.

| cell | carry | output | source |
|---|---|---|---|
| `Elman` | `h` | `h` | Elman 1990 |
| `Jordan` | `y` | `y` | Jordan 1986 |
| `IndRNN` | `h` | `h` | Li et al. 2018 |
| `LSTM` | `LSTMCarry(h, c)` | `h` | Hochreiter and Schmidhuber 1997, Gers et al. 2000 |
| `ProjectedLSTM` | `LSTMCarry(h, c)` | `h` | Sak et al. 2014 |
| `ConvLSTM` | `LSTMCarry(h, c)` | `h` | Shi et al. 2015 |
| `GRU` | `h` | `h` | Cho et al. 2014, version 1 |
| `ResetBeforeGRU` | `h` | `h` | Cho et al. 2014, version 3 |
| `ConvGRU` | `h` | `h` | Ballas et al. 2016 |
| `RHN` | `h` | `h` | Zilly et al. 2017 |
| `MinGRU` | `h` | `h` | Feng et al. 2024 |
| `LRU` | complex `h` | `Re(h w_c) + skip x` | Orvieto et al. 2023 |
| `EchoState` | `h` | `h w_o + b_o` | Jaeger 2001 |
| `Hopfield` | `h` | `h` | Hopfield 1982 |
| `SynchronousHopfield` | `h` | `h` | Little 1974 |
| `ModernHopfield` | `h` | `h` | Ramsauer et al. 2021 |
| `AttentionDecoder` | `AttentionCarry(cell, attended, p)` | as its cell | Bahdanau et al. 2015 |
| `Stack` | a tuple, one entry a cell | as the last part | Pascanu et al. 2014 |
| `Residual` | as its cell | `x + y` | Wu et al. 2016 |
| `Zoneout` | as its cell | as its cell | Krueger et al. 2017 |
| `VariationalDropout` | as its cell | as its cell | Gal and Ghahramani 2016 |
| `RecurrentDropout` | as its cell | as its cell | Semeniuta et al. 2016 |
| `WeightDrop` | as its cell | as its cell | Merity et al. 2018 |
| `Bridge` | as its cell | as its cell | Bahdanau et al. 2015 |
| `LearnedCarry` | as its cell | as its cell | Forcada and Carrasco 1995 |
| `Record` | as its cell | `(y, carry)` | |

To add a cell:

1. Copy `simple/_elman.py`. Write the equations into the docstring of the class, then, with the
   same symbols, into `project`, `recur` and `update`.
2. Export it below, and add it to the table above.
3. Add a row to `tests/cases.py`.
4. Write the equations once more, with loops and in NumPy float64, into `tests/reference/`.

`pytest -k MyCell` then checks it.
"""

from ._options import Activation as Activation
from ._options import AffineCell as AffineCell
from ._options import GatedCell as GatedCell
from ._options import Initializer as Initializer
from ._options import activation as activation
from ._options import draw as draw
from ._options import initializer as initializer
from .gated._conv_gru import ConvGRU as ConvGRU
from .gated._conv_gru import ConvGRUParams as ConvGRUParams
from .gated._conv_lstm import ConvLSTM as ConvLSTM
from .gated._conv_lstm import ConvLSTMParams as ConvLSTMParams
from .gated._gru import GRU as GRU
from .gated._gru import GRUParams as GRUParams
from .gated._lstm import LSTM as LSTM
from .gated._lstm import LSTMCarry as LSTMCarry
from .gated._lstm import LSTMParams as LSTMParams
from .gated._lstm import MemoryCell as MemoryCell
from .gated._projected_lstm import ProjectedLSTM as ProjectedLSTM
from .gated._projected_lstm import ProjectedLSTMParams as ProjectedLSTMParams
from .gated._reset_before_gru import ResetBeforeGRU as ResetBeforeGRU
from .gated._reset_before_gru import ResetBeforeGRUParams as ResetBeforeGRUParams
from .gated._rhn import RHN as RHN
from .gated._rhn import RHNParams as RHNParams
from .linear._lru import LRU as LRU
from .linear._lru import LRUParams as LRUParams
from .linear._min_gru import MinGRU as MinGRU
from .linear._min_gru import MinGRUParams as MinGRUParams
from .memory._attention import AttentionCarry as AttentionCarry
from .memory._attention import AttentionDecoder as AttentionDecoder
from .memory._attention import AttentionParams as AttentionParams
from .memory._echo_state import EchoState as EchoState
from .memory._echo_state import EchoStateParams as EchoStateParams
from .memory._hopfield import Hopfield as Hopfield
from .memory._hopfield import HopfieldParams as HopfieldParams
from .memory._modern_hopfield import ModernHopfield as ModernHopfield
from .memory._modern_hopfield import ModernHopfieldParams as ModernHopfieldParams
from .memory._synchronous_hopfield import SynchronousHopfield as SynchronousHopfield
from .simple._elman import Elman as Elman
from .simple._elman import ElmanParams as ElmanParams
from .simple._indrnn import IndRNN as IndRNN
from .simple._indrnn import IndRNNParams as IndRNNParams
from .simple._jordan import Jordan as Jordan
from .simple._jordan import JordanParams as JordanParams
from .wrappers._bridge import Bridge as Bridge
from .wrappers._bridge import BridgeParams as BridgeParams
from .wrappers._learned_carry import LearnedCarry as LearnedCarry
from .wrappers._learned_carry import LearnedCarryParams as LearnedCarryParams
from .wrappers._record import Record as Record
from .wrappers._recurrent_dropout import RecurrentDropout as RecurrentDropout
from .wrappers._residual import Residual as Residual
from .wrappers._stack import Stack as Stack
from .wrappers._variational_dropout import VariationalDropout as VariationalDropout
from .wrappers._weight_drop import WeightDrop as WeightDrop
from .wrappers._zoneout import Zoneout as Zoneout
