"""Training: pure functions, each usable alone.

* What to make small: `SequenceObjective`, `TBPTTObjective`, `ScheduledSampling`, or any function
  `(params, carry, batch, key) -> (loss, carry)`.
* The step and the loop around it: `train_state`, `train_step`, `ensemble_step`, `fit`,
  `evaluate`, `save_checkpoint`, `load_checkpoint`, `as_table`.
* Losses: `cross_entropy`, `binary_cross_entropy`, `squared_error`, `huber`, `quantile_loss`,
  `gaussian_loss`, `student_t_loss`, `ctc_loss`; penalties: `activation_penalty`,
  `temporal_activation_penalty`; metrics: `accuracy`, `sequence_accuracy`, `bits`, `perplexity`.
* Optax chains: `clipped`, `recipe`, `averaged`, `decay_mask`, `label_by_role`, `zaremba_schedule`;
  reactions to held-out losses: `Plateau`, `StartAveraging`.
* Many devices: `replicate`, `shard`, `shard_weights`.
* Data: `Batch`, `shuffled`, `padded`, `bucketed`, `streams`, `windows`, `valid_steps`.

Whatever Optax has is not here under another name: optimisers, schedules with a warm-up,
`optax.partition` for a rate by role, `optax.adamw(…, mask=decay_mask)`.
"""

from ._averaging import AveragedState as AveragedState
from ._averaging import StartAveraging as StartAveraging
from ._averaging import average_of as average_of
from ._averaging import averaged as averaged
from ._batch import Batch as Batch
from ._batches import bucketed as bucketed
from ._batches import padded as padded
from ._batches import shuffled as shuffled
from ._checkpoint import load_checkpoint as load_checkpoint
from ._checkpoint import save_checkpoint as save_checkpoint
from ._ctc import ctc_feasible as ctc_feasible
from ._ctc import ctc_loss as ctc_loss
from ._devices import replicate as replicate
from ._devices import shard as shard
from ._devices import shard_weights as shard_weights
from ._ensemble import ensemble_log_probs as ensemble_log_probs
from ._ensemble import ensemble_step as ensemble_step
from ._evaluate import evaluate as evaluate
from ._finite import check_finite as check_finite
from ._fit import Fit as Fit
from ._fit import fit as fit
from ._history import as_table as as_table
from ._history import improved as improved
from ._history import rounds_without_improvement as rounds_without_improvement
from ._likelihoods import Gaussian as Gaussian
from ._likelihoods import StudentT as StudentT
from ._likelihoods import gaussian_loss as gaussian_loss
from ._likelihoods import student_t_loss as student_t_loss
from ._losses import binary_cross_entropy as binary_cross_entropy
from ._losses import bits as bits
from ._losses import cross_entropy as cross_entropy
from ._losses import huber as huber
from ._losses import perplexity as perplexity
from ._losses import quantile_loss as quantile_loss
from ._losses import squared_error as squared_error
from ._masked import valid_steps as valid_steps
from ._metrics import accuracy as accuracy
from ._metrics import sequence_accuracy as sequence_accuracy
from ._objectives import SequenceObjective as SequenceObjective
from ._objectives import TBPTTObjective as TBPTTObjective
from ._optimizer import clipped as clipped
from ._optimizer import recipe as recipe
from ._param_groups import ROLES as ROLES
from ._param_groups import decay_mask as decay_mask
from ._param_groups import label_by_role as label_by_role
from ._regularizers import activation_penalty as activation_penalty
from ._regularizers import temporal_activation_penalty as temporal_activation_penalty
from ._sampling import ScheduledSampling as ScheduledSampling
from ._sampling import inverse_sigmoid as inverse_sigmoid
from ._sampling import mix_in_samples as mix_in_samples
from ._schedules import Plateau as Plateau
from ._schedules import zaremba_schedule as zaremba_schedule
from ._step import Metrics as Metrics
from ._step import TrainState as TrainState
from ._step import train_state as train_state
from ._step import train_step as train_step
from ._streams import streams as streams
from ._streams import windows as windows
