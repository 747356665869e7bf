"""The signatures of cells, layers and modules, which are dataclasses without a decorator."""

import importlib
import inspect
from dataclasses import is_dataclass
from typing import Any

import griffe


class Signatures(griffe.Extension):
    """Gives every such class the `__init__` that it has when it is imported."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        if not cls.module.path.startswith("rnnjax") or not isinstance(cls.parent, griffe.Module):
            return
        found = getattr(importlib.import_module(cls.module.path), cls.name)
        if not is_dataclass(found) or "__init__" in cls.members:
            return
        parameters = map(parameter, inspect.signature(found).parameters.values())
        own = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
        init = griffe.Function("__init__", parameters=griffe.Parameters(own, *parameters))
        cls.set_member("__init__", init)


def parameter(found: inspect.Parameter) -> griffe.Parameter:
    """A parameter of griffe for one of Python."""
    default = None if found.default is found.empty else repr(found.default)
    annotation = inspect.formatannotation(found.annotation).replace("typing.", "")
    kind = griffe.ParameterKind(found.kind.description)
    return griffe.Parameter(found.name, annotation=annotation, kind=kind, default=default)
