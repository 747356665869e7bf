"""A `DataLoader` of the installed PyTorch as data: nothing has to be converted."""

import chex
import jax
import numpy as np
import optax
import torch  # pyright: ignore[reportMissingImports]

import rnnjax
from rnnjax.layers import RNN
from rnnjax.losses import squared_error
from rnnjax.training import SequenceObjective, evaluate, fit, train_state, train_step

MODEL = RNN(rnnjax.GRU(1))
OBJECTIVE = SequenceObjective(MODEL, squared_error)


def test_a_loader_is_data():
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(8, 5, size)).astype("float32") for size in (2, 1)]
    dataset = torch.utils.data.TensorDataset(*map(torch.tensor, arrays))
    loader = torch.utils.data.DataLoader(dataset, batch_size=4)
    pairs = [tuple(a[first : first + 4] for a in arrays) for first in (0, 4)]
    optimizer, key = optax.adam(1e-2), jax.random.key(0)
    step, state = train_step(OBJECTIVE, optimizer), MODEL.init(key, 2)
    state = train_state(state, optimizer, key)
    found, expected = (fit(step, state, data, epochs=2, quiet=True) for data in (loader, pairs))
    chex.assert_trees_all_equal(found.state.params, expected.state.params)
    losses = [evaluate(OBJECTIVE, found.state.params, data) for data in (loader, pairs)]
    assert losses[0] == losses[1] and found.history[-1]["step"] == 4
