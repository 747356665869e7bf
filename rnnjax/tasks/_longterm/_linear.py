"""Classifiers of whole sequences without memory."""

import numpy as np

from ..._optional import optional
from ...data import Batch

_PENALTIES = 10.0 ** np.arange(-2, 6)


def linear_accuracy(train: Batch, valid: Batch, test: Batch) -> float:
    """The test accuracy of a linear map of all steps, fitted to the classes by least squares.

    The map is ridge regression on the indicators of the classes. Its penalty is the one that is
    best on the sequences to choose by.
    """
    ridge = optional("sklearn.linear_model", "for a linear classifier").RidgeClassifier
    learnt, chosen, reported = map(_rows, (train, valid, test))
    fitted = [ridge(alpha=penalty).fit(*learnt) for penalty in _PENALTIES]
    return float(max(fitted, key=lambda model: model.score(*chosen)).score(*reported))


def majority_accuracy(train: Batch, test: Batch) -> float:
    """The test accuracy of the most frequent class."""
    return float(np.mean(np.bincount(train.targets).argmax() == test.targets))


def _rows(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    inputs = np.asarray(batch.inputs, np.float64)  # squares of few pixels are near singular
    return inputs.reshape(len(inputs), -1), np.asarray(batch.targets)
