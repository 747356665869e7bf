"""Layers: functions of whole sequences, batch-major, composed by `Sequential`.

| layer | maps | parameters |
|---|---|---|
| `Recurrent` | `[*batch, T, I]` to `[*batch, T, O]` | those of its cell |
| `Bidirectional` | `[*batch, T, I]` to `[*batch, T, 2 O]` or `O` | `Directions` |
| `Sequential` | what its layers map | a tuple |
| `Embedding` | tokens `[*batch, T]` to `[*batch, T, O]` | a table |
| `Dense` | `[…, I]` to `[…, O]` | `DenseParams` |
| `LayerNorm` | `[…, I]` to `[…, I]` | `LayerNormParams` |
| `Dropout` | `[*batch, T, I]` to itself | none, or its rate |
| `Pool` | `[*batch, T, I]` to `[*batch, I]` | none |
"""

from ._bidirectional import Bidirectional as Bidirectional
from ._bidirectional import Directions as Directions
from ._dense import Dense as Dense
from ._dense import DenseParams as DenseParams
from ._dense import Embedding as Embedding
from ._dropout import Dropout as Dropout
from ._dropout import DropoutParams as DropoutParams
from ._layer import Layer as Layer
from ._layer import Signals as Signals
from ._norm import LayerNorm as LayerNorm
from ._norm import LayerNormParams as LayerNormParams
from ._pool import Pool as Pool
from ._recurrent import Recurrent as Recurrent
from ._sequential import Sequential as Sequential
