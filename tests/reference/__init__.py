"""The cells once more, in NumPy float64 and from the papers: the oracles of the tests.

A function bears its cell's name in lower case and maps `(params, carry, x)` of one sequence to
`(carry, y)`. Its further arguments are those fields of the cell that the equations need; a cell
inside a cell comes as its function.
"""

from .compose import residual as residual
from .compose import stack as stack
from .elman import elman as elman
from .gru import gru as gru
from .jordan import jordan as jordan
from .lstm import lstm as lstm
from .own import clocks as clocks
from .own import gated as gated
from .own import leaky as leaky
from .projected_lstm import projectedlstm as projectedlstm
