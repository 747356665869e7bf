"""Data: batches as functions of the position, streams and windows, text, files.

* `Batch`: the examples of a training step.
* `Batches`: a data set as a function of the position, which `shuffled`, `bucketed` and `windows`
  return and `fit` and `evaluate` take.
* Whole sequences: `shuffled`, `padded`, `bucketed`.
* Long sequences: `joined`, `streams`, `windows`.
* Sound: `read_wav`, `log_mel`, `standardized`.
* Music: `read_midi`, `write_midi`.
* Text: `tokenize`, `Vocabulary`.
* Files: `load_text`, `read_lines`, `read_table`, `read_columns`; `data_file`, downloaded once.
"""

from ._audio import Audio as Audio
from ._audio import read_wav as read_wav
from ._batch import Batch as Batch
from ._batch import as_batch as as_batch
from ._batches import Batches as Batches
from ._batches import shuffled as shuffled
from ._bucketed import bucketed as bucketed
from ._features import log_mel as log_mel
from ._features import standardized as standardized
from ._files import data_file as data_file
from ._midi import read_midi as read_midi
from ._midi import write_midi as write_midi
from ._padded import padded as padded
from ._readers import load_text as load_text
from ._readers import read_columns as read_columns
from ._readers import read_lines as read_lines
from ._readers import read_table as read_table
from ._streams import joined as joined
from ._streams import streams as streams
from ._streams import windows as windows
from ._text import tokenize as tokenize
from ._vocabulary import Vocabulary as Vocabulary
