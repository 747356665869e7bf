"""Diagnostics: signals and gradients on their way through time.

| question                                                   | function                         |
|------------------------------------------------------------|----------------------------------|
| How much gradient reaches each step?                       | `gradient_flow`                  |
| How far back does the last output see?                     | `memory_horizon`                 |
| How does a step change a small difference of carries?      | `step_jacobians`                 |
| How much does a step stretch and shrink it?                | `log_singular_values`            |
| How much do all steps up to t?                             | `log_product_singular_values`    |
| At what rate does it grow or shrink in the long run?       | `lyapunov_exponents`             |
| How large are the eigenvalues of recurrent weights?        | `eigenvalues`, `spectral_radius` |
| How far are the gates open, and how many are stuck?        | `gate_histograms`                |
| How much gradient does each parameter get, over training?  | `gradient_norms`                 |

Each is a pure function of arrays that works under `jit` and `vmap`, and for any cell, a user's own
too. Diagnostics over time take `(cell, params, xs, carry)`, with `xs` time-major as in
`rnnjax.scan`, and `lengths`; steps beyond the length of their sequence, even NaN, affect no result.
For a cell inside a model, `recurrent_part` gives the first three of these arguments.

Each has a picture, `plot_…`, which draws on the given axes or on the axes of a new figure, and
returns them. The pictures need matplotlib: `pip install 'rnnjax[plots]'`.
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
from ._part import Part as Part
from ._part import recurrent_part as recurrent_part
from ._spectrum import eigenvalues as eigenvalues
from ._spectrum import plot_eigenvalues as plot_eigenvalues
from ._spectrum import spectral_radius as spectral_radius
