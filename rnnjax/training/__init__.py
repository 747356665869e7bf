"""Training: losses, Optax chains, truncated backpropagation through time."""

from ._losses import bits as bits
from ._losses import cross_entropy as cross_entropy
from ._optimizer import clipped as clipped
from ._tbptt import Metrics as Metrics
from ._tbptt import TrainState as TrainState
from ._tbptt import evaluate as evaluate
from ._tbptt import streams as streams
from ._tbptt import tbptt_step as tbptt_step
from ._tbptt import train_state as train_state
from ._tbptt import windows as windows
