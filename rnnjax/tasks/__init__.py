"""Tasks: synthetic ones, each a function of a key that states what is trivial, and real data.

Each application is a module with a command, `rnnjax TASK …`: `text`, `sentiment`, `tagging`,
`translation`, `speech`, `chorales`, `adding`.
"""

from ._adding import Adding as Adding
from ._chorales import Chorales as Chorales
from ._chorales import frame_baselines as frame_baselines
from ._chorales import frame_loss as frame_loss
from ._chorales import load_chorales as load_chorales
from ._chorales import next_frames as next_frames
from ._copy import CopyMemory as CopyMemory
from ._language._ngram import ngram_bits as ngram_bits
