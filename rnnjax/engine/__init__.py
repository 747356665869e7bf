"""The engine: one function, `scan`, and the methods by which it computes."""

from ._controls import previous_resets as previous_resets
from ._explain import Explanation as Explanation
from ._explain import explain as explain
from ._methods import Sequential as Sequential
from ._scan import scan as scan
