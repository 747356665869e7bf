"""Files of safetensors."""

import os

import numpy as np

from .._files import check_path


def read_safetensors(
    path: str | os.PathLike, prefix: str = "", *, expected: str = "a file of safetensors"
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The metadata of a file, and its arrays by name.

    Args:
        path: the path of the file.
        prefix: the start of the names of the arrays to read.
        expected: the description of the file in messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder, or not such a file.
    """
    from safetensors import SafetensorError, safe_open

    path = check_path(path)
    if not os.path.isfile(path):
        folder = os.path.isdir(path)
        error, found = (ValueError, "a folder") if folder else (FileNotFoundError, "no file")
        raise error(f"expected {expected}, got {found}: {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            arrays = {name: file.get_tensor(name) for name in names if name.startswith(prefix)}
            return file.metadata() or {}, arrays
    except SafetensorError as error:
        raise ValueError(
            f"expected {expected}, got {path}: {str(error)[:200]}; a pickle of PyTorch (.pt, .bin) "
            "is read by torch.load, whose result can be passed to from_torch"
        ) from None
