"""Attention: the mean of a memory's values, weighted by how well their keys fit a query.

| attention | score of a query `q` and a value `v` | source |
|---|---|---|
| `Additive` | `tanh(q w_q + v w_k) w_s` | Bahdanau et al. 2015 |
| `Dot` | `q v`, with `scaled=True` over the root of their size | Luong et al. 2015 |
| `General` | `q (v w_k)` | Luong et al. 2015 |
| `MultiHead` | `(q w_q) (v w_k)`, scaled, in each head | Vaswani et al. 2017 |

`attention.prepare(params, source)` projects the keys of a memory once, and
`attention.read(params, query, memory)` reads it. `cells.AttentionDecoder` attends in every step of
a loop, `layers.Attend` in all steps at once.
"""

from ._base import Attention as Attention
from ._base import Memory as Memory
from ._base import Source as Source
from ._scores import Additive as Additive
from ._scores import AdditiveParams as AdditiveParams
from ._scores import Dot as Dot
from ._scores import General as General
from ._scores import GeneralParams as GeneralParams
from ._scores import MultiHead as MultiHead
from ._scores import MultiHeadParams as MultiHeadParams
