"""Loops compiled from C++: the route from the body of a loop in JAX to a call of its object.

| module | content |
|---|---|
| `_primitive` | the loop as a primitive of JAX: its rules for derivatives and platforms |
| `_batching` | its rule for `vmap` |
| `_rows` | the operations of a body on the rows of a batch |
| `_reader`, `_rules`, `_values`, `_variation` | a jaxpr, read as such operations |
| `_place` | their order, and where their values are kept |
| `_source`, `_features` | the C++ of a body |
| `loop.h`, `functions.h` | what all bodies share: products, threads, elementary functions |
| `_compiler` | the compiler, and the objects that it made |
"""

from . import _batching as _batching
