"""The identity of a run: what must be the same for it to be resumed."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._checkpoint import whole
from ._step import TrainState

_HINT = "; pass another checkpoint_dir, or remove this one to start afresh"


class Identity:
    """The program of a training step, its data, and the scalars it starts from, as digests.

    Args:
        step: the training step. One without a method `trace`, such as a plain function, has no
            program to compare.
        state: the state that it is given.

    Examples:
        >>> identity = Identity(jax.jit(lambda state, batch: (state + batch, None)), np.ones(2))
        >>> sorted(identity.of(np.ones(2)))
        ['data', 'objective', 'program', 'start', 'versions']
    """

    def __init__(self, step: Any, state: TrainState):
        self._step = getattr(step, "run", step)
        self._objective = _without_addresses(repr(getattr(step, "objective", None)))
        self._state = jax.tree.map(_spec, state)
        # Arrays may differ in their last bits where another machine has drawn them.
        self._start = _digest([leaf for leaf in jax.tree.leaves(state) if np.size(leaf) == 1])
        self._programs: dict[Any, str | None] = {}

    def of(self, batch: Any) -> dict[str, str | None]:
        """The identity of the run whose last batch this is."""
        return {
            "objective": self._objective,
            "program": self._program(batch),
            "data": _digest(batch),
            "start": self._start,
            "versions": f"jax {jax.__version__}, rnnjax {version('rnnjax')}",
        }

    def _program(self, batch: Any) -> str | None:
        """The digest of the traced step, which holds every constant of the optimiser, too."""
        if not hasattr(self._step, "trace"):
            return None
        specs = jax.tree.map(_spec, batch)
        kind = str(specs)
        if kind not in self._programs:
            text = str(self._step.trace(self._state, specs).jaxpr)
            self._programs[kind] = hashlib.sha256(_without_addresses(text).encode()).hexdigest()
        return self._programs[kind]


def check_identity(found: dict, now: dict, folder: Path) -> None:
    """Checks that a run is the one that a checkpoint belongs to.

    The program is compared only between equal versions of jax and rnnjax.

    Raises:
        ValueError: if the data, the objective, the scalars of the first state, or the program
            of the step differ.
    """
    if found["data"] != now["data"]:
        raise ValueError(
            f"expected the data of the run in {folder}, got another batch at the position of its "
            "last step: are data, order, seed or batch size changed?" + _HINT
        )
    if found["objective"] != now["objective"]:
        raise ValueError(
            f"expected the objective of the run in {folder}, {found['objective']}, got "
            f"{now['objective']}" + _HINT
        )
    if found["start"] != now["start"]:
        raise ValueError(
            f"expected the run in {folder} with the state that it started from, got another: is "
            "the key, or a hyper-parameter in the optimiser's state, changed?" + _HINT
        )
    if found["versions"] == now["versions"] and found["program"] != now["program"]:
        raise ValueError(
            f"expected the training step of the run in {folder}, got another: is the optimiser, "
            "its learning rate or clip, or the code of the model or loss changed?" + _HINT
        )


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds a folder for this process alone; the system lets go of it when the process ends.

    Raises:
        ValueError: if another process holds it.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name, only_writer(Path(name)):
        ...     (Path(name) / ".lock").exists()
        True
    """
    if jax.process_index() != 0:
        yield  # the processes of one run share the folder
        return
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"expected a checkpoint_dir of this run alone, got {folder}, which is in use by "
                "another process that trains"
            ) from None
        yield


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "", text)


def _spec(a: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(a), jax.typeof(a).dtype)


def _digest(batch: Any) -> str:
    """The digest of a batch, wherever its arrays lie."""
    digest = hashlib.sha256(str(jax.tree.structure(batch)).encode())
    for leaf in jax.tree.leaves(batch):
        leaf = jnp.asarray(leaf)
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        digest.update(str(_spec(leaf)).encode())
        digest.update(whole(jax.random.key_data(leaf) if key else leaf).tobytes())
    return digest.hexdigest()
