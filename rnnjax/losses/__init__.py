"""Masked losses and metrics: functions `(predictions, targets, mask=None)` that give a scalar.

Each is the mean over the entries where the mask is true, 0 if there are none. Masked entries,
even NaN, affect neither the value nor the gradient. The axes of the mask are the first axes of
the targets: `[B, T]` for a prediction at every step, `[B]` for one a sequence. The method `total`
gives the sum and the number of the entries that count. `functools.partial` binds an option.

* Classes: `cross_entropy`, `binary_cross_entropy`; frames of keys: `frame_loss`; numbers:
  `squared_error`, `absolute_error`, `quantile_loss`, `gaussian_loss`, `student_t_loss`; counts:
  `negative_binomial_loss`; label sequences: `ctc_loss`;
  tags of a conditional random field: `crf_loss`.
* Elementwise losses of Optax, such as `Masked(optax.huber_loss)`, or your own; `MeanLoss` makes
  any other.
* Metrics: `accuracy`, `sequence_accuracy`, `bits`, `perplexity`; of `spans`: `span_scores`; of
  forecasts: `mase`, `smape`, `crps`, `gaussian_crps`, `coverage`.
* Distributions of outputs, with samples: `Gaussian`, `StudentT`, `NegativeBinomial`, `Quantiles`.
* Penalties on outputs: `activation_penalty`, `temporal_activation_penalty`.
* Masks: `valid_steps`.
"""

from ._crf import crf_loss as crf_loss
from ._ctc import ctc_feasible as ctc_feasible
from ._ctc import ctc_loss as ctc_loss
from ._forecasts import absolute_error as absolute_error
from ._forecasts import coverage as coverage
from ._forecasts import crps as crps
from ._forecasts import gaussian_crps as gaussian_crps
from ._forecasts import mase as mase
from ._forecasts import smape as smape
from ._likelihoods import Gaussian as Gaussian
from ._likelihoods import StudentT as StudentT
from ._likelihoods import gaussian_loss as gaussian_loss
from ._likelihoods import student_t_loss as student_t_loss
from ._losses import binary_cross_entropy as binary_cross_entropy
from ._losses import bits as bits
from ._losses import cross_entropy as cross_entropy
from ._losses import frame_loss as frame_loss
from ._losses import perplexity as perplexity
from ._losses import quantile_loss as quantile_loss
from ._losses import squared_error as squared_error
from ._masked import valid_steps as valid_steps
from ._mean import Masked as Masked
from ._mean import MeanLoss as MeanLoss
from ._metrics import accuracy as accuracy
from ._metrics import sequence_accuracy as sequence_accuracy
from ._negative_binomial import NegativeBinomial as NegativeBinomial
from ._negative_binomial import negative_binomial_loss as negative_binomial_loss
from ._quantiles import Quantiles as Quantiles
from ._regularizers import activation_penalty as activation_penalty
from ._regularizers import temporal_activation_penalty as temporal_activation_penalty
from ._spans import Span as Span
from ._spans import SpanScores as SpanScores
from ._spans import span_scores as span_scores
from ._spans import spans as spans
