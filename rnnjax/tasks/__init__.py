"""Tasks: synthetic ones, each a function of a key that states what is trivial, and real data.

Each application is a module with a command, `rnnjax TASK …`: `text`, `sentiment`, `tagging`,
`translation`, `speech`, `video`, `music`, `memory`, `longterm`.
"""

from ._adding import Adding as Adding
from ._copy import CopyMemory as CopyMemory
from ._language._ngram import ngram_bits as ngram_bits
from ._mackey_glass import mackey_glass as mackey_glass
from ._music._baselines import frame_baselines as frame_baselines
