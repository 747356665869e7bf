"""The engine: one function, `scan`, and the methods by which it computes."""

from ._controls import valid_steps as valid_steps
from ._methods import Sequential as Sequential
from ._scan import scan as scan
