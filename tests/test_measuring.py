"""How the benchmarks measure: calls in turn, contestants that agree, peers and their weights."""

import sys
from dataclasses import dataclass, replace
from itertools import permutations

import _clock
import _contestant
import _gpu
import _peers
import _torch
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _case import CELLS, Case, problem
from _compare import QUALIFYING_CALLS, compare, difference
from _contestant import adjoint
from gpu import in_jax
from gpu_loops import WHOLE_LOOP

import rnnjax
from rnnjax import interop

TINY = Case("LSTM", 2, 3, 4, 5)


# Measuring


@pytest.mark.parametrize(("takes", "calls"), [(0.002, 4), (0.01, 2), (0.2, 2), (0.3, 1)])
def test_a_call_is_timed_after_others_unless_it_is_long(monkeypatch, takes, calls):
    now, made = [0.0], []

    def call():
        made.append(now[0])
        now[0] += takes

    monkeypatch.setattr(_clock.time, "perf_counter", lambda: now[0])
    assert _clock.seconds(call) == pytest.approx(takes)
    assert len(made) == calls


def test_the_difference_is_the_worst_of_all_arrays_and_nan_is_infinite():
    wanted = {"a": np.array([3.0, 4.0]), "b": np.ones(2)}
    assert difference(wanted, {"a": np.array([3.0, 4.5]), "b": np.ones(2)}) == pytest.approx(0.1)
    assert difference(wanted, {"a": wanted["a"], "b": np.array([1.0, np.nan])}) == np.inf
    assert difference(wanted, {"a": wanted["a"], "b": None}) == 0.0
    with pytest.raises(ValueError, match="expected an array of shape"):
        difference(wanted, {"a": wanted["a"], "b": np.ones(3)})


@dataclass
class Puppet:
    """A contestant that takes a given time, and keeps a diary."""

    family: str
    name: str
    takes: float
    diary: list
    value: float = 1.0
    tolerance: float = 0.0
    compile_s = 0.5
    temp_bytes = 7_000_000

    def prepare(self, what):
        return self

    def result(self):
        return np.float32(self.value)

    def seconds(self):
        self.diary.append(self.name)
        return self.takes

    def memory(self):
        return 1_000_000, 2_000_000


def test_all_have_a_turn_in_every_round_and_not_always_the_same_neighbour():
    diary = []
    times = _clock.in_turn({name: Puppet("we", name, 1, diary).seconds for name in "abc"}, 20)
    rounds = {tuple(diary[turn : turn + 3]) for turn in range(0, 60, 3)}
    assert rounds == set(permutations("abc"))
    assert {name: len(found) for name, found in times.items()} == dict.fromkeys("abc", 20)


def test_compare_runs_on_with_the_fastest_of_a_family_only():
    diary = []
    puppets = [Puppet("we", "us", 1, diary), Puppet("they", "slow", 3, diary)]
    puppets.append(Puppet("they", "fast", 2, diary))
    us, slow, fast = compare(TINY, puppets, ("forward",), repeats=5)
    assert (us.repeats, slow.repeats, fast.repeats) == (5, QUALIFYING_CALLS, 5)
    assert (us.median, slow.median, fast.median) == (1000, 3000, 2000)
    assert (us.compile_s, us.temp_mb, us.growth_mb, us.peak_mb, us.error) == (0.5, 7, 1, 2, 0)
    assert diary[:-10].count("us") == 0
    for names in zip(diary[-10::2], diary[-9::2], strict=True):
        assert set(names) == {"us", "fast"}


def test_compare_times_no_contestant_before_all_agree():
    diary = []
    puppets = [Puppet("we", "us", 1, diary), Puppet("they", "wrong", 1, diary, value=2.0)]
    with pytest.raises(ValueError, match="expected they wrong to agree"):
        compare(TINY, puppets, ("forward",), repeats=5)
    assert diary == []


def test_a_failure_is_recorded_where_failures_are_tolerated():
    puppets = [Puppet("we", "us", 1, []), Puppet("they", "wrong", 1, [], value=2.0)]
    right = Puppet("a loop", "", 1, [])
    wrong, us = compare(TINY, puppets, ("forward",), repeats=2, reference=right, tolerant=True)
    assert wrong.median is None and "expected they wrong to agree" in (wrong.failed or "")
    assert (us.family, us.median, us.failed) == ("we", 1000, None)


def test_an_error_that_the_precision_excuses_is_recorded():
    puppet = Puppet("we", "us", 1, [], value=1.25, tolerance=0.5)
    (found,) = compare(TINY, [puppet], ("forward",), repeats=2, reference=Puppet("", "", 1, []))
    assert found.error == 0.25


def test_the_unchecked_are_timed_all_the_same():
    puppet = Puppet("another", "thing", 4, [], value=2.0)
    found = compare(TINY, [Puppet("we", "us", 1, [])], ("step",), repeats=2, unchecked=[puppet])
    assert [m.median for m in found] == [1000, 4000]


def test_memory_sees_what_a_call_takes_and_gives_back():
    seen = _clock.memory(lambda: np.ones(50_000_000, np.uint8).sum())
    if sys.platform == "linux":
        growth, peak = seen or (0, 0)
        assert 45e6 < growth < 80e6 and peak > growth
    else:
        assert seen is None


# Peers


@pytest.mark.slow
@pytest.mark.parametrize("what", ["training", "step"])  # training has a forward pass in it
@pytest.mark.parametrize("cell", CELLS)
def test_peers_that_are_always_there_agree(cell, what):
    families = ("rnnjax", "lax.scan", "Flax Linen", "Flax NNX")
    case = replace(TINY, cell=cell)
    found = _peers.contestants(case, *families, unrolls=(1,))
    measured = compare(case, found, (what,), repeats=1)
    assert {"rnnjax", "lax.scan"} <= {m.family for m in measured}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        replace(TINY, layers=2, bidirectional=True, lengths=True),
        replace(TINY, cell="GRU", members=2),
        replace(TINY, cell="Elman", members=2, shared=True),
    ],
    ids=str,
)
def test_stacks_and_ensembles_agree(case):
    found = _peers.contestants(case, "rnnjax", "Flax Linen", unrolls=(1,))
    measured = compare(case, found, ("training",), repeats=1)
    assert {m.family for m in measured} == {"rnnjax", "Flax Linen"}


def test_no_parameter_but_b_hn_is_zero_and_lengths_differ():
    numbers = problem(replace(TINY, cell="GRU", lengths=True))
    zero = [name for name, w in numbers.params[0][0]._asdict().items() if not jnp.all(w != 0)]
    assert zero == ["b_hn"]
    assert numbers.lengths is not None and len(set(numbers.lengths.tolist())) == TINY.batch


@pytest.mark.parametrize(
    ("cell", "convert"),
    [
        (rnnjax.GRU(3), interop.to_torch),
        (rnnjax.LSTM(3), interop.to_haiku),
        (rnnjax.ResetBeforeGRU(3), interop.to_haiku),
        (rnnjax.LSTM(3), interop.to_linen),
    ],
)
def test_the_adjoint_of_a_conversion_is_its_transpose(cell, convert):
    params, direction = (cell.init(key, 2) for key in jax.random.split(jax.random.key(0)))
    random = np.random.default_rng(0)

    def theirs(params):
        return convert(cell, jax.tree.map(lambda a: np.asarray(a, np.float64), params))

    def dot(a, b):
        pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
        return sum(np.vdot(x, y) for x, y in pairs)

    moved = theirs(jax.tree.map(jnp.add, params, direction))
    change = jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), moved, theirs(params))
    grads = jax.tree.map(lambda a: random.standard_normal(a.shape), change)
    ours = adjoint(theirs, params)(grads)
    np.testing.assert_allclose(dot(change, grads), dot(direction, ours), 1e-5)


def test_a_parameter_that_a_peer_lacks_has_no_gradient():
    params = rnnjax.GRU(3).init(jax.random.key(0), 2)
    grads = adjoint(lambda params: {"w": -2.0 * np.asarray(params.w_h)}, params)
    found = grads({"w": np.full((3, 9), np.nan)})
    assert (found.w_x, found.b, found.b_hn) == (None, None, None) and np.isnan(found.w_h).all()


def test_weights_of_every_layer_and_member_find_their_way_to_pytorch_and_back():
    case = Case("GRU", 2, 3, 4, 5, layers=2, bidirectional=True, members=3)
    worker: _torch.Worker = object.__new__(_torch.Worker)
    contestant = _torch.TorchContestant(worker, case)
    arrays = _torch._arrays(contestant)
    assert arrays["2.weight_ih_l1_reverse"].shape == (15, 10)
    # The gradient of a sum of two biases is that of either, so weights return but for those.
    back = contestant.gradients(arrays)
    for layer, other in zip(problem(case).params, back, strict=True):
        for ours, theirs in zip(layer, other, strict=True):
            for name in ("w_x", "w_h", "b_hn"):
                assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    here = set(_peers.missing())
    monkeypatch.setitem(_peers.FAMILIES, "Another", ("no_such_module", None))
    assert set(_peers.missing()) - here == {"Another"}
    assert _peers.contestants(TINY, "Another") == []


def test_the_interpreter_with_pytorch_can_be_named(monkeypatch):
    monkeypatch.setenv("RNNJAX_TORCH_PYTHON", "there")
    assert _torch.find(None) == "there"
    assert _torch.find("elsewhere") == "elsewhere"


# A GPU, as far as a CPU can show


def test_the_grid_has_every_size_for_which_peers_publish_times():
    batches, steps, hidden = (set(sizes) for sizes in zip(*_gpu.SIZES, strict=True))
    assert batches == {1, 8, 16, 32, 64, 128, 256}
    assert steps == {128, 512, 1024}
    assert hidden == {64, 128, 256, 512, 768, 1024}


@pytest.mark.slow
def test_every_contestant_in_jax_agrees_in_every_precision(monkeypatch):
    from jax.experimental import rnn

    def lstm(xs, h, c, flat, lengths, *sizes):
        inputs, hidden, layers, _, both, _ = sizes
        weights = rnn.unpack_lstm_weights(flat, inputs, hidden, layers, both)
        return rnn.lstm_ref(xs, h, c, *weights, lengths, *sizes[:5])

    monkeypatch.setattr(rnn, "lstm", lstm)
    found = [one for precision in _gpu.TOLERANCE for one in in_jax(TINY, precision, True)]
    found.append(replace(found[0], family="whole loop", options=WHOLE_LOOP))
    right = _gpu.reference(TINY)
    measured = compare(TINY, found, ("training",), repeats=1, reference=right)
    assert {_gpu.CUDNN + ", fp32", "rnnjax, bf16", "whole loop"} <= {m.family for m in measured}
    assert all(m.error is not None and m.error <= 0.1 for m in measured)


def test_calls_that_are_waited_for_together_are_counted():
    contestant = _peers.contestants(TINY, "lax.scan")[0]
    call = replace(contestant, queue=7).prepare("forward")
    assert call.count == 7 and call.result().shape == (3, 2, 5)
    assert contestant.prepare("step").count == _contestant.CHAIN
