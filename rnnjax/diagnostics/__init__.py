"""Diagnostics: what a cell does to a signal, and to a gradient, on the way through time.

| question                                                   | function                         |
|------------------------------------------------------------|----------------------------------|
| How much gradient reaches each step?                       | `gradient_flow`                  |
| How far back does the last output see?                     | `memory_horizon`                 |
| What does a step do to a small change of the carry?        | `step_jacobians`                 |
| By how much does a step stretch and shrink such changes?   | `log_singular_values`            |
| And all steps up to now together?                          | `log_product_singular_values`    |
| At what rate do they grow or shrink in the long run?       | `lyapunov_exponents`             |
| How large are the eigenvalues of recurrent weights?        | `eigenvalues`, `spectral_radius` |
| How far open are the gates, and how many are stuck?        | `gate_histograms`                |
| Which parameters get how much gradient, over training?     | `gradient_norms`                 |

Each is a pure function of arrays that works under `jit` and `vmap`, and for any cell, a
user's own too. Those that follow a cell through time take `(cell, params, xs, carry)`, with
`xs` time-major as in `rnnjax.scan`, and `lengths`; a step beyond the length of its sequence
is as if it were not there, and what stands in it (NaN, too) reaches no result.

Each has a picture, `plot_…`, which draws on the axes it is given or on those of a new figure,
and returns the axes. The pictures need matplotlib: `pip install 'rnnjax[plots]'`.
"""

from ._flow import gradient_flow as gradient_flow
from ._flow import plot_gradient_flow as plot_gradient_flow
from ._gates import GateHistogram as GateHistogram
from ._gates import gate_histograms as gate_histograms
from ._gates import plot_gate_histograms as plot_gate_histograms
from ._horizon import memory_horizon as memory_horizon
from ._horizon import plot_memory_horizon as plot_memory_horizon
from ._jacobians import log_product_singular_values as log_product_singular_values
from ._jacobians import log_singular_values as log_singular_values
from ._jacobians import plot_singular_values as plot_singular_values
from ._jacobians import step_jacobians as step_jacobians
from ._lyapunov import lyapunov_exponents as lyapunov_exponents
from ._lyapunov import plot_lyapunov_exponents as plot_lyapunov_exponents
from ._norms import gradient_norms as gradient_norms
from ._norms import plot_gradient_norms as plot_gradient_norms
from ._spectrum import eigenvalues as eigenvalues
from ._spectrum import plot_eigenvalues as plot_eigenvalues
from ._spectrum import spectral_radius as spectral_radius
