"""Layers one after the other."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ._layer import Layer
from ._pool import Pool
from ._signals import Signals


class Sequential(Layer):
    """Layers one after the other; each takes the outputs of the one before it.

    Given a tuple, parameters are a tuple with an entry for each layer; given names, they are a
    dictionary. Carries are the same with an entry for each layer with memory.

    Args:
        layers: the layers, the first one first; or each by a name of its own, as keywords.
        names: a name for each layer of the tuple, which does the same.

    Raises:
        ValueError: if an entry is no layer, or one does not fit the one before it.

    Examples:
        >>> import rnnjax
        >>> from rnnjax.layers import RNN, Dense, Embedding
        >>> model = Sequential(embed=Embedding(50, 8), rnn=RNN(rnnjax.GRU(16)), head=Dense(50))
        >>> params = model.init(jax.random.key(0))
        >>> carry, logits = model.apply(params, jnp.array([[3, 1, 4, 1, 5]]))
        >>> logits.shape, carry["rnn"].shape, params["head"].w.shape
        ((1, 5, 50), (1, 16), (16, 50))
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...] | None = None

    def __init__(
        self,
        layers: tuple[Layer, ...] = (),
        *more: Layer,
        names: tuple[str, ...] | None = None,
        **named: Layer,
    ):
        if more:
            raise ValueError(
                f"expected one tuple of layers, got {1 + len(more)} arguments; write "
                "Sequential((first, second))"
            )
        if named and (layers or names):
            raise ValueError("expected a tuple of layers or layers by name, got both")
        object.__setattr__(self, "layers", tuple(named.values()) if named else layers)
        object.__setattr__(self, "names", tuple(named) if named else names)
        self.__post_init__()

    def __post_init__(self):
        if not isinstance(self.layers, tuple) or not self.layers:
            raise ValueError(
                f"expected layers to be a tuple of at least one layer, got {self.layers!r}"
            )
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"expected every entry of layers to be a Layer, got {layer!r}; a cell becomes "
                    "a layer by RNN(cell)"
                )
        names = self.names
        if names is not None and not (
            isinstance(names, tuple)
            and all(isinstance(name, str) for name in names)
            and len(set(names)) == len(names) == len(self.layers)
        ):
            raise ValueError(
                f"expected names to be a tuple of one string for each layer, got {names!r}"
            )
        super().__post_init__()
        _check_order(self.layers)

    def __repr__(self) -> str:
        if self.names is None:
            return f"Sequential({self.layers!r})"
        pairs = zip(self.names, self.layers, strict=True)
        return f"Sequential({', '.join(f'{name}={layer!r}' for name, layer in pairs)})"

    num_feature_axes = property(lambda self: self.layers[0].num_feature_axes)
    causal = property(lambda self: all(layer.causal for layer in self.layers))
    keeps_time = property(lambda self: all(layer.keeps_time for layer in self.layers))
    has_memory = property(lambda self: any(layer.has_memory for layer in self.layers))
    takes_context = property(lambda self: any(layer.takes_context for layer in self.layers))

    @property
    def output_size(self) -> Any:
        return self.output_size_of(None)

    def output_size_of(self, input_size):
        for layer in self.layers:
            input_size = layer.output_size_of(input_size)
        return input_size

    @property
    def runs_backward(self) -> bool | None:
        return _last(layer.runs_backward for layer in self.layers)

    def init(self, key, input_size=None, *, dtype: Any = jnp.float32) -> Any:
        if input_size is None and self.num_feature_axes:
            raise ValueError(
                "expected an input_size, got None; only a model of tokens, such as one that starts "
                "with an Embedding, can do without"
            )
        params = []
        for layer, k in zip(self.layers, jax.random.split(key, len(self.layers)), strict=True):
            params.append(layer.init(k, input_size, dtype=dtype))
            input_size = layer.output_size_of(input_size)
        return self._join(params)

    def init_carry(self, params, batch_shape=()) -> Any:
        params = self._take("parameters", params)
        pairs = [pair for pair in zip(self.layers, params, strict=True) if pair[0].has_memory]
        return self._join([layer.init_carry(p, batch_shape) for layer, p in pairs], memory=True)

    def check(self, params, xs, carry):
        """The entries of the parameters and the carry; each layer checks its own."""
        self._take("parameters", params)
        self._take("carry", carry, memory=True)

    def run(self, params, xs, carry, signals: Signals):
        count = len(self.layers)
        keys = [None] * count if signals.key is None else jax.random.split(signals.key, count)
        params = self._take("parameters", params)
        carries = iter(self._take("carry", carry, memory=True))
        finals, zeros = [], False
        for layer, p, key in zip(self.layers, params, keys, strict=True):
            # At masked steps a layer with memory gives zeros, which the next one must not see.
            xs = signals.clean(xs) if zeros else xs
            context = signals.context if layer.takes_context else None
            before = next(carries) if layer.has_memory else ()
            layer.check(p, xs, before)
            final, xs = layer.run(p, xs, before, signals._replace(key=key, context=context))
            finals += [final] if layer.has_memory else []
            zeros = layer.has_memory
            if not layer.keeps_time:
                signals = signals._replace(lengths=None, mask=None, resets=None)
        return self._join(finals, memory=True), xs

    def parts(self, params: Any) -> list[tuple[str, Layer, Any]]:
        """The name, or the place, of every layer, the layer, and its parameters."""
        names = map(str, self._keys(memory=False))
        return list(zip(names, self.layers, self._take("parameters", params), strict=True))

    def _keys(self, memory: bool) -> list:
        """Under what the entries of all layers stand, or of those with memory."""
        kept = [k for k, layer in enumerate(self.layers) if layer.has_memory or not memory]
        return list(range(len(kept))) if self.names is None else [self.names[k] for k in kept]

    def _join(self, entries: list, memory: bool = False) -> Any:
        """The entries as a tuple, or as a dictionary by name."""
        keys = self._keys(memory)
        return tuple(entries) if self.names is None else dict(zip(keys, entries, strict=True))

    def _take(self, what: str, tree: Any, memory: bool = False) -> list:
        """The entries of what `_join` gives; all `None` for `None`."""
        keys = self._keys(memory)
        if tree is None:
            return [None] * len(keys)
        by_place = range(len(tree)) if isinstance(tree, tuple | list) else ()
        got = list(tree if isinstance(tree, Mapping) else by_place)
        if {*got} != {*keys}:
            raise ValueError(
                f"expected {what} with an entry for each layer{' with memory' * memory}, {keys}, "
                f"got {got} in {type(tree).__name__}"
            )
        return [tree[key] for key in keys]


def _last(values: Iterator) -> Any:
    """The last value that is not `None`."""
    return next((value for value in reversed([*values]) if value is not None), None)


def _check_order(layers: tuple[Layer, ...]) -> None:
    backward, sequences = None, True
    for layer in _flat(layers):
        if not sequences and (layer.has_memory or isinstance(layer, Pool)):
            raise ValueError(
                f"expected sequences for {layer}, got one vector a sequence from a layer before it"
            )
        if isinstance(layer, Pool) and layer.how == "last" and backward:
            raise ValueError(
                "expected layers that run forwards before Pool('last'), got one that runs "
                "backwards, whose last step is the first; give it return_sequences=False instead"
            )
        backward = backward if layer.runs_backward is None else layer.runs_backward
        sequences = sequences and layer.keeps_time


def _flat(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    for layer in layers:
        yield from _flat(layer.layers) if isinstance(layer, Sequential) else (layer,)
