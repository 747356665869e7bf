"""Tasks: synthetic ones, each a function of a key that states what is trivial, and real text.

`python -m rnnjax.tasks.characters` trains a character-level language model.
"""

from ._adding import Adding as Adding
from ._copy import CopyMemory as CopyMemory
from ._ngram import ngram_bits as ngram_bits
from ._text import Alphabet as Alphabet
from ._text import load_text as load_text
