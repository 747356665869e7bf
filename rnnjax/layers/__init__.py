"""Layers: functions of whole sequences, batch-major, composed by `Sequential`.

| layer | maps | parameters |
|---|---|---|
| `RNN` | `[B, T, I]` to `[B, T, O]` or `[B, O]` | as its cell |
| `Bidirectional` | `[B, T, I]` to `[B, T, 2 O]`, `[B, T, O]` or `[B, 2 O]` | `Directions` |
| `Sequential` | as its layers | a tuple, or a dictionary by name |
| `Skip` | `[B, T, I]` to itself, past a layer | as its layer |
| `Embedding` | tokens `[B, T]` to `[B, T, O]` | `EmbeddingParams` |
| `Dense` | `[…, I]` to `[…, O]` | `DenseParams` |
| `Conv` | images `[B, T, H, W, C]` to `[B, T, H / s, W / s, F]` | `ConvParams` |
| `Flatten` | images `[B, T, H, W, C]` to `[B, T, H W C]` | none |
| `GLU` | `[…, I]` to `[…, O]` | `GLUParams` |
| `Attend` | `[B, T, I]` to `[B, T, O]`, with a context | `AttendParams` |
| `EncoderDecoder` | as its decoder, with a context | `EncoderDecoderParams` |
| `Tied` | tokens `[B, T]` to logits `[B, T, V]` | `TiedParams` |
| `LayerNorm` | `[…, I]` to itself | `LayerNormParams` |
| `Dropout` | `[B, T, I]` to itself | none, or its rate |
| `TokenDropout` | tokens `[B, T]` to themselves | none |
| `SpecAugment` | `[B, T, I]` to itself | none |
| `Pool` | `[B, T, I]` to `[B, I]` | none |
| `AttentionPool` | `[B, T, I]` to `[B, I]` | `AttentionPoolParams` |
| `PerStep` | tokens `[B, T, N]` to `[B, T, O]` | as its layer |
| `NADE` | `[B, T, I]` to logits `[B, T, K]`, with a context | `NADEParams` |
| `CRF` | scores `[B, T, K]` to potentials `[B, T, K, K]` | `CRFParams` |

`summary` shows the layers of a model, their outputs and their parameters as a table.
"""

from ._attend import Attend as Attend
from ._attend import AttendParams as AttendParams
from ._attention_pool import AttentionPool as AttentionPool
from ._attention_pool import AttentionPoolParams as AttentionPoolParams
from ._bidirectional import Bidirectional as Bidirectional
from ._bidirectional import Directions as Directions
from ._constraints import Constraints as Constraints
from ._constraints import bio_constraints as bio_constraints
from ._conv import Conv as Conv
from ._conv import ConvParams as ConvParams
from ._crf import CRF as CRF
from ._crf import CRFParams as CRFParams
from ._dense import Dense as Dense
from ._dense import DenseParams as DenseParams
from ._dropout import Dropout as Dropout
from ._dropout import DropoutParams as DropoutParams
from ._embedding import Embedding as Embedding
from ._embedding import EmbeddingParams as EmbeddingParams
from ._encoder_decoder import EncoderDecoder as EncoderDecoder
from ._encoder_decoder import EncoderDecoderParams as EncoderDecoderParams
from ._flatten import Flatten as Flatten
from ._glu import GLU as GLU
from ._glu import GLUParams as GLUParams
from ._layer import Layer as Layer
from ._layer import Pointwise as Pointwise
from ._nade import NADE as NADE
from ._nade import NADEParams as NADEParams
from ._norm import LayerNorm as LayerNorm
from ._norm import LayerNormParams as LayerNormParams
from ._per_step import PerStep as PerStep
from ._pool import Pool as Pool
from ._rnn import RNN as RNN
from ._sequential import Sequential as Sequential
from ._signals import Signals as Signals
from ._skip import Skip as Skip
from ._spec_augment import SpecAugment as SpecAugment
from ._summary import LayerSummary as LayerSummary
from ._summary import Summary as Summary
from ._summary import summary as summary
from ._tied import Tied as Tied
from ._tied import TiedParams as TiedParams
from ._token_dropout import TokenDropout as TokenDropout
