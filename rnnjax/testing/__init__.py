"""The laws of cells, for the tests of this package and of others.

`check_cell(MyCell(8), input_size=3)` runs them. They are checked in float64, at random parameters,
inputs and carries, all non-zero, and need no further package.
"""

from ._arrays import assert_close as assert_close
from ._arrays import at as at
from ._arrays import cast as cast
from ._arrays import stacked as stacked
from ._check_cell import check_cell as check_cell
