"""Recurrent cells, one a file.

| cell | carry | output | source |
|---|---|---|---|
| `Elman` | `h` | `h` | Elman 1990 |
| `Jordan` | `y` | `y = g(h w_o + b_o)` | Jordan 1986 |
| `LSTM` | `LSTMCarry(h, c)` | `h` | Hochreiter and Schmidhuber 1997, Gers et al. 2000 |
| `ProjectedLSTM` | `LSTMCarry(h, c)` | `h = m w_p` | Sak et al. 2014 |
| `GRU` | `h` | `h` | Cho et al. 2014, both variants |
| `Stack` | a tuple, one entry a cell | that of the last cell | Pascanu et al. 2014 |
| `Residual` | that of its cell | `x + y` | Wu et al. 2016 |

To add a cell:

1. Copy `_elman.py`. Write the equations into the class's docstring, then, with the same
   symbols, into `project`, `recur` and `gate` of a `StagedCell`; or into `step` of a `Cell`,
   where the equations do not fall into these stages.
2. Export it below, in one line.
3. Add a row to `tests/cases.py`.
4. Write the equations once more, with loops and in NumPy float64, into `tests/reference/`.
5. Run `pytest -k MyCell`.
"""

from ._activation import activation as activation
from ._compose import Residual as Residual
from ._compose import Stack as Stack
from ._elman import Elman as Elman
from ._elman import ElmanParams as ElmanParams
from ._gru import GRU as GRU
from ._gru import GRUGates as GRUGates
from ._gru import GRUParams as GRUParams
from ._jordan import Jordan as Jordan
from ._jordan import JordanParams as JordanParams
from ._jordan import JordanSums as JordanSums
from ._lstm import LSTM as LSTM
from ._lstm import LSTMCarry as LSTMCarry
from ._lstm import LSTMParams as LSTMParams
from ._projected_lstm import ProjectedLSTM as ProjectedLSTM
from ._projected_lstm import ProjectedLSTMParams as ProjectedLSTMParams
