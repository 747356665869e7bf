"""Data: batches as functions of the position, streams and windows, text, files.

* `Batch`: the examples of a training step.
* `Batches`: a data set as a function of the position, which `shuffled`, `bucketed` and `windows`
  return and `fit` and `evaluate` take.
* Whole sequences: `shuffled`, `padded`, `bucketed`.
* Long sequences: `joined`, `streams`, `windows`.
* Text: `Alphabet`, `load_text`. Files that are downloaded once: `data_file`.
"""

from ._batch import Batch as Batch
from ._batch import as_batch as as_batch
from ._batches import Batches as Batches
from ._batches import shuffled as shuffled
from ._bucketed import bucketed as bucketed
from ._files import data_file as data_file
from ._padded import padded as padded
from ._streams import joined as joined
from ._streams import streams as streams
from ._streams import windows as windows
from ._text import Alphabet as Alphabet
from ._text import load_text as load_text
