"""Layers: functions of whole sequences, batch-major, composed by `Sequential`.

| layer | maps | parameters |
|---|---|---|
| `RNN` | `[B, T, I]` to `[B, T, O]` or `[B, O]` | as its cell |
| `Bidirectional` | `[B, T, I]` to `[B, T, 2 O]`, `[B, T, O]` or `[B, 2 O]` | `Directions` |
| `Sequential` | as its layers | a tuple, or a dictionary by name |
| `Embedding` | tokens `[B, T]` to `[B, T, O]` | `EmbeddingParams` |
| `Dense` | `[…, I]` to `[…, O]` | `DenseParams` |
| `LayerNorm` | `[…, I]` to itself | `LayerNormParams` |
| `Dropout` | `[B, T, I]` to itself | none, or its rate |
| `Pool` | `[B, T, I]` to `[B, I]` | none |

`summary` shows the layers of a model, their outputs and their parameters as a table.
"""

from ._bidirectional import Bidirectional as Bidirectional
from ._bidirectional import Directions as Directions
from ._dense import Dense as Dense
from ._dense import DenseParams as DenseParams
from ._dropout import Dropout as Dropout
from ._dropout import DropoutParams as DropoutParams
from ._embedding import Embedding as Embedding
from ._embedding import EmbeddingParams as EmbeddingParams
from ._layer import Layer as Layer
from ._layer import Pointwise as Pointwise
from ._norm import LayerNorm as LayerNorm
from ._norm import LayerNormParams as LayerNormParams
from ._pool import Pool as Pool
from ._rnn import RNN as RNN
from ._sequential import Sequential as Sequential
from ._signals import Signals as Signals
from ._summary import LayerSummary as LayerSummary
from ._summary import Summary as Summary
from ._summary import summary as summary
