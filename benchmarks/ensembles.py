"""How much does an ensemble gain by running all its members at once?

The members are a `vmap` over parameters, with inputs of their own or with the same, and nothing
else; PyTorch loops over its models.
"""

from collections.abc import Iterator

from _case import Case
from _harness import Scale, main


def cases(scale: Scale) -> Iterator[Case]:
    """An LSTM; the full grid has other numbers of members and a GRU."""
    sizes = (2, 4, 3, 4) if scale == "smoke" else (16, 64, 16, 32)
    members = {"smoke": (2,), "headline": (32,), "full": (8, 32, 128)}[scale]
    for cell in ("LSTM", "GRU") if scale == "full" else ("LSTM",):
        for number in members:
            for shared in (True,) if scale == "smoke" else (False, True):
                yield Case(cell, *sizes, members=number, shared=shared)


if __name__ == "__main__":
    main(__file__, __doc__, cases)
