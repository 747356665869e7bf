"""The cells once more, in NumPy float64 and from the papers: the oracles of the tests.

A function bears its cell's name in lower case and maps `(params, carry, x)` of one sequence to
`(carry, y)`. Its further arguments are those fields of the cell that the equations need; a cell
inside a cell comes as its function.
"""

from .attention_decoder import attentiondecoder as attentiondecoder
from .attention_decoder import bridge as bridge
from .compose import record as record
from .compose import residual as residual
from .compose import stack as stack
from .conv_gru import convgru as convgru
from .conv_lstm import convlstm as convlstm
from .echo_state import echostate as echostate
from .elman import elman as elman
from .gru import gru as gru
from .hopfield import hopfield as hopfield
from .hopfield import modernhopfield as modernhopfield
from .hopfield import synchronoushopfield as synchronoushopfield
from .indrnn import indrnn as indrnn
from .jordan import jordan as jordan
from .lru import lru as lru
from .lstm import lstm as lstm
from .min_gru import mingru as mingru
from .own import clocks as clocks
from .own import gated as gated
from .own import leaky as leaky
from .own import loggap as loggap
from .own import tokens as tokens
from .projected_lstm import projectedlstm as projectedlstm
from .regularizers import learnedcarry as learnedcarry
from .regularizers import recurrentdropout as recurrentdropout
from .regularizers import variationaldropout as variationaldropout
from .regularizers import weightdrop as weightdrop
from .regularizers import zoneout as zoneout
from .reset_before_gru import resetbeforegru as resetbeforegru
from .rhn import rhn as rhn
