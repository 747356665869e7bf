"""The lab: one page, in plain JavaScript, in which to play with recurrent networks.

`save(path)` writes it, `show("flow")` opens it or puts it into a notebook, and both need no server.
A page holds the weights of a character model, which writes: yours, or the one of the package.
The numbers of the page equal the package's.
"""

from ._model import demo as demo
from ._page import page as page
from ._page import save as save
from ._page import show as show
