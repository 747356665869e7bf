"""Training: pure functions, each usable alone.

* The quantity to minimise: `SequenceObjective`, `TBPTTObjective`, `ScheduledSampling`, or any
  function `(params, carry, batch, key) -> (loss, carry)`.
* The step and the loop around it: `train_state`, `train_step`, `ensemble_step`, `fit`.
* In closed form: `ridge_regression`, `fit_readout` of an echo state network.
* Results: `evaluate`, `predict`, `as_table`, `plot_history`, `ensemble_log_probs`.
* Checkpoints: `save_checkpoint`, `load_checkpoint`.
* Optax chains: `clipped`, `optimizer_chain`, `polyak`, `decay_mask`, `label_by_role`.
* Callbacks of `fit`: `ReduceOnPlateau`, `NonMonotonicTrigger`.
* Many devices: `replicate`, `shard`, `shard_weights`.

Whatever Optax has is not here under another name: optimisers, schedules, `optax.partition` for a
rate by role, `optax.adamw(…, mask=decay_mask)`.
"""

from ._averaging import NonMonotonicTrigger as NonMonotonicTrigger
from ._averaging import PolyakState as PolyakState
from ._averaging import average_of as average_of
from ._averaging import polyak as polyak
from ._checkpoint import load_checkpoint as load_checkpoint
from ._checkpoint import save_checkpoint as save_checkpoint
from ._devices import replicate as replicate
from ._devices import shard as shard
from ._devices import shard_weights as shard_weights
from ._ensemble import ensemble_log_probs as ensemble_log_probs
from ._ensemble import ensemble_step as ensemble_step
from ._evaluate import evaluate as evaluate
from ._evaluate import predict as predict
from ._finite import check_finite as check_finite
from ._fit import Fit as Fit
from ._fit import fit as fit
from ._history import as_table as as_table
from ._history import improved as improved
from ._history import plot_history as plot_history
from ._history import rounds_without_improvement as rounds_without_improvement
from ._objectives import SequenceObjective as SequenceObjective
from ._objectives import TBPTTObjective as TBPTTObjective
from ._optimizer import clipped as clipped
from ._optimizer import optimizer_chain as optimizer_chain
from ._param_groups import ROLES as ROLES
from ._param_groups import decay_mask as decay_mask
from ._param_groups import label_by_role as label_by_role
from ._readout import fit_readout as fit_readout
from ._readout import ridge_regression as ridge_regression
from ._sampling import ScheduledSampling as ScheduledSampling
from ._sampling import inverse_sigmoid as inverse_sigmoid
from ._sampling import mix_in_samples as mix_in_samples
from ._schedules import ReduceOnPlateau as ReduceOnPlateau
from ._step import Metrics as Metrics
from ._step import TrainState as TrainState
from ._step import TrainStep as TrainStep
from ._step import train_state as train_state
from ._step import train_step as train_step
