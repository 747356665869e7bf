"""Cells and layers as Flax modules: `rnnjax.flax.nnx` and `rnnjax.flax.linen`.

| module | of |
|---|---|
| `RNN` | a cell over time, called as Flax's own `RNN` is; Flax's `Bidirectional` takes two |
| `Layer` | any layer of `rnnjax.layers`, such as `Bidirectional(cell)`, or a whole model of them |
| `Cell` | one step of a cell, which Flax's own `RNN` takes |

A module computes what the functional call computes, to the last bit: it holds the parameters,
and calls the engine. It differs from Flax's own where those lose something: outputs at padding are
zeros, what stands there (NaN, too) reaches nothing, the final carry takes no memory and is right
for a sequence without a step, a GRU has both of its biases, and no carry needs a key. The carry of
an LSTM is `LSTMCarry(h, c)`, by name; that of Flax is `(c, h)`.

`import rnnjax` does not import this, since Flax is heavy.
"""

from . import linen as linen
from . import nnx as nnx
