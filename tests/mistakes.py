"""Tables of mistakes, and of what the answers say."""

import numpy as np
import pytest


def row(name, call, expected, got, cause=""):
    """A mistake: what to call, and what the message expects, got, and gives as the usual cause."""
    return pytest.param(call, expected, got, cause, id=name)


def check_message(call, expected, got, cause):
    """Asserts that a call is refused by a message of that form."""
    with pytest.raises(ValueError, match="expected .*, got ") as error:
        call()
    wanted, came = str(error.value).split(", got ", 1)
    assert expected in wanted
    assert came.startswith(got)
    assert cause in came


def ints(*values):
    return np.array(values, np.int32)
