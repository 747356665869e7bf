"""Cells and layers as Flax modules: `rnnjax.flax.nnx` and `rnnjax.flax.linen`.

| module | content |
|---|---|
| `RNN` | a cell over time, called as Flax's own `RNN` is; Flax's `Bidirectional` takes two |
| `Layer` | any layer of `rnnjax.layers`, such as `Bidirectional(cell)`, or a whole model of them |
| `Cell` | one step of a cell, which Flax's own `RNN` takes |

A module holds the parameters and calls the engine. Its results are those of the functional call,
to the last bit. They differ from those of Flax's own modules:

| | here | Flax |
|---|---|---|
| carry of an LSTM | `LSTMCarry(h, c)`; unpacked as `c, h = carry` the names are wrong | `(c, h)` |
| output at padding | zero; the input there, even NaN, reaches no result | the output of a step |
| final carry with lengths | no memory; right for a sequence without a step | all carries kept |
| half precision | in products alone; carry and output have at least float32 | everywhere |
| biases of a GRU | two, as in cuDNN | two in Linen, one in NNX |
| key of a carry | none needed | needed |

`import rnnjax` does not import this package, since Flax is heavy.
"""

from . import linen as linen
from . import nnx as nnx
