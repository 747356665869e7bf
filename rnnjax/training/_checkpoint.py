"""Checkpoints: all that a run needs to go on, in a folder that a crash cannot spoil.

Orbax writes them: arrays of any sharding, each checkpoint complete or not there. What is added
here is that a checkpoint which does not fit, or is not what was written, is refused.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._checks import check_arrays, check_positive
from .._trees import named_leaves

_FORMAT = "rnnjax.training 1"


def save_checkpoint(
    folder: str | Path, step: int, state: PyTree, record: Any = None, *, keep: int = 3
) -> None:
    """Writes a checkpoint, which takes its place at once or not at all.

    With several processes each calls this, and the folder is one that all of them see.

    Args:
        folder: of the run; a checkpoint is a folder in it, named by its step.
        step: number of steps done.
        state: any pytree of arrays and keys, such as a `TrainState`; however it is sharded.
        record: whatever else belongs to it and JSON can hold, such as the history.
        keep: number of checkpoints to keep; older ones are removed.

    Raises:
        ValueError: if the step is no integer of at least 0, `keep` not a positive one, or the
            folder none.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> state = {"w": jnp.arange(3.0), "key": jax.random.key(0)}
        >>> with TemporaryDirectory() as folder:
        ...     save_checkpoint(folder, 10, state, {"loss": 0.5})
        ...     restored, record = load_checkpoint(folder, state)
        >>> restored["w"], record
        (Array([0., 1., 2.], dtype=float32), {'loss': 0.5})
    """
    from orbax.checkpoint import args

    folder, step = check_folder(folder), check_positive("step", step, least=0)
    keep = check_positive("keep", keep)
    state = check_arrays("state", state)
    about = {"format": _FORMAT, "arrays": _about(state), "record": record}
    about["digest"] = _digest(state, record)
    with _manager(folder, keep) as manager:
        manager.save(
            step,
            args=args.Composite(
                state=args.StandardSave(_filled(state)), about=args.JsonSave(about)
            ),
            force=True,
        )


def load_checkpoint(folder: str | Path, like: PyTree) -> tuple[Any, Any] | None:
    """The state and record of the newest checkpoint in a folder; `None` if there is none.

    Args:
        folder: of the run.
        like: a state of the same structure, shapes and dtypes, such as the one to start from.
            Arrays come back sharded as its arrays are, on however many devices.

    Raises:
        ValueError: if the checkpoint is damaged, or belongs to something else. It is not
            passed over for an older one: whether to lose those steps is yours to say.

    Examples:
        >>> load_checkpoint("no/such/folder", {"w": jnp.zeros(3)}) is None
        True
    """
    folder = check_folder(folder)
    if not folder.is_dir():
        return None
    like = jax.tree.map(jnp.asarray, like)
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8):
        step = _newest(folder)
        if step is None:
            return None
        try:
            return _load(folder, step, like)
        except FileNotFoundError:
            # Orbax lists all checkpoints, and a run that writes removes the oldest of them.
            time.sleep(pause)
        except ValueError:
            time.sleep(pause)
            if _newest(folder) == step:
                raise
    raise ValueError(f"expected a folder at rest, got {folder}, to which a fast run is writing")


def check_folder(folder: Any) -> Path:
    """A folder's path.

    Raises:
        ValueError: if it is empty or no path, or a file.

    Examples:
        >>> check_folder("runs/adding").name
        'adding'
    """
    if not isinstance(folder, str | Path) or not str(folder) or Path(folder).is_file():
        raise ValueError(f"expected the path of a folder for checkpoints, got {folder!r}")
    return Path(folder)


def _newest(folder: Path) -> int | None:
    """The step of the newest checkpoint: a folder takes its name once it is complete."""
    steps = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    return max(steps, default=None)


def _load(folder: Path, step: int, like: Any) -> tuple[Any, Any]:
    place = folder / str(step)
    if not (place / "about").is_dir():
        raise ValueError(_foreign(place))
    with _manager(folder) as manager:
        about = _about_checkpoint(manager, step, place)
        _check_fits(about["arrays"], _about(like), place)
        state = _read(manager, step, place, like)
    if _digest(state, about["record"]) != about["digest"]:
        raise ValueError(_damaged(place, "the digest of its content is another"))
    return state, about["record"]


def _foreign(place: Path) -> str:
    return f"expected a checkpoint of rnnjax.training, got another's: {place}"


def _manager(folder: str | Path, keep: int | None = None) -> Any:
    from orbax.checkpoint import CheckpointManager, CheckpointManagerOptions

    options = CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
    return CheckpointManager(Path(folder).absolute(), options=options)


def _about_checkpoint(manager: Any, step: int, place: Path) -> dict[str, Any]:
    from orbax.checkpoint import args

    with _reading(place):
        about = manager.restore(step, args=args.Composite(about=args.JsonRestore())).about
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ValueError(_foreign(place))
    return about


def _read(manager: Any, step: int, place: Path, like: Any) -> Any:
    from orbax.checkpoint import args, utils

    target = {name: utils.to_shape_dtype_struct(a) for name, a in _filled(like).items()}
    with _reading(place):
        arrays = manager.restore(step, args=args.Composite(state=args.StandardRestore(target)))
    leaves = [arrays.state.get(name, leaf) for name, leaf in named_leaves(like).items()]
    return jax.tree.structure(like).unflatten(leaves)


def _check_fits(found: dict[str, str], expected: dict[str, str], place: Path) -> None:
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"expected a checkpoint with {name} {expected.get(name, 'absent')}, got "
                f"{found.get(name, 'none')} in {place}: is it of another model or optimizer?"
            )


@contextmanager
def _reading(place: Path) -> Iterator[None]:
    """Makes one error of all that may be raised; the one that was raised stands behind it."""
    try:
        yield
    # A damaged file shows itself as an error of Orbax, TensorStore, JSON, of any class.
    except Exception as error:
        raise ValueError(_damaged(place, _short(error))) from error


def _damaged(place: Path, why: str) -> str:
    return (
        f"expected a whole checkpoint, got a damaged one in {place}: {why}. "
        "If the disk can be read, remove that folder to go on from the one before it"
    )


def _short(error: Exception) -> str:
    reason = str(error).strip().splitlines() or ["without a reason"]
    return f"{type(error).__name__}: {reason[0][:200]}"


def _filled(tree: Any) -> dict[str, Any]:
    """The arrays by name, but for empty ones, which Orbax refuses and nobody misses."""
    return {name: a for name, a in named_leaves(tree).items() if a.size}


def _about(tree: Any) -> dict[str, str]:
    return {name: f"{a.dtype}{list(a.shape)}" for name, a in named_leaves(tree).items()}


def _digest(tree: Any, record: Any) -> str:
    digest = hashlib.sha256(json.dumps(record).encode())
    for leaf in jax.tree.leaves(tree):
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        digest.update(whole(jax.random.key_data(leaf) if key else leaf).tobytes())
    return digest.hexdigest()


def whole(array: jax.Array) -> np.ndarray:
    """The whole of an array, some of which another process may hold.

    Examples:
        >>> whole(jnp.arange(3))
        array([0, 1, 2], dtype=int32)
    """
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    from jax.experimental.multihost_utils import process_allgather

    return np.asarray(process_allgather(array, tiled=True))
