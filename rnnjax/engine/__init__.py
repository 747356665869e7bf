"""The engine: one function, `scan`, and the methods by which it computes.

| method | serves | computation |
|---|---|---|
| `NativeLoop` | cells with stages, on a CPU | one step after the other, compiled from C++ |
| `Loop` | every cell | one step after the other; weight gradients of staged cells in one product |
| `Associative` | linear cells | all steps at once, O(log T) deep |
"""

from .._arguments import initial_carry as initial_carry
from .._masks import reverse_resets as reverse_resets
from ._associative import Associative as Associative
from ._explain import Explanation as Explanation
from ._explain import explain as explain
from ._loop import Loop as Loop
from ._method import Method as Method
from ._native_loop import NativeLoop as NativeLoop
from ._scan import restart as restart
from ._scan import scan as scan
