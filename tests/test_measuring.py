"""How the benchmarks measure: calls in turn, contestants that agree, peers and their weights."""

import sys
from dataclasses import dataclass, replace
from itertools import permutations

import _clock
import _peers
import _torch
import jax.numpy as jnp
import numpy as np
import pytest
from _case import CELLS, Case, problem
from _measure import HEAT, agree, compare
from _memory import memory

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


def test_agree_accepts_rounding_and_rejects_more():
    reference = {"a": jnp.array([1.0, 100.0])}
    agree(reference, {"rounded": {"a": jnp.array([1.0001, 100.0])}}, tolerance=1e-5)
    for wrong in (jnp.array([1.1, 100.0]), jnp.array([jnp.nan, 100.0]), jnp.ones(3)):
        with pytest.raises(ValueError, match="expected wrong to"):
            agree(reference, {"wrong": {"a": wrong}}, tolerance=1e-5)


def test_agree_passes_over_what_somebody_does_not_have():
    agree((1.0, 2.0), {"other": (1.0, None)}, tolerance=1e-5)
    with pytest.raises(ValueError, match="expected other to agree"):
        agree((1.0, 2.0), {"other": (3.0, None)}, tolerance=1e-5)


@dataclass
class Puppet:
    """A contestant that takes the time it is told, and keeps a diary."""

    family: str
    name: str
    takes: float
    diary: list
    value: float = 1.0
    compile_s = 0.5
    temp_bytes = 7
    fit = staticmethod(_peers.identity)

    def prepare(self, what, fit=None):
        return self

    def result(self):
        return np.float32(self.value)

    def seconds(self):
        self.diary.append(self.name)
        return self.takes

    def memory(self):
        return 1, 2


def test_everybody_has_a_turn_in_every_round_and_not_always_the_same_neighbour():
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
    assert (us.repeats, slow.repeats, fast.repeats) == (5, HEAT, 5)
    assert (us.median, slow.median, fast.median) == (1000, 3000, 2000)
    assert (us.compile_s, us.temp_bytes, us.growth_bytes, us.peak_bytes) == (0.5, 7, 1, 2)
    assert diary[:-10].count("us") == 0
    for names in zip(diary[-10::2], diary[-9::2], strict=True):
        assert set(names) == {"us", "fast"}


def test_compare_times_nobody_before_all_agree():
    diary = []
    puppets = [Puppet("we", "us", 1, diary), Puppet("they", "wrong", 1, diary, value=2.0)]
    with pytest.raises(ValueError, match="expected they wrong to agree"):
        compare(TINY, puppets, ("forward",), repeats=5)
    assert diary == []


def test_the_unchecked_are_timed_all_the_same():
    puppet = Puppet("another", "thing", 4, [], value=2.0)
    found = compare(TINY, [Puppet("we", "us", 1, [])], ("step",), repeats=2, unchecked=[puppet])
    assert [m.median for m in found] == [1000, 4000]


def test_memory_sees_what_a_call_takes_and_gives_back():
    seen = memory(lambda: np.ones(50_000_000, np.uint8).sum())
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
    found = [who for who in _peers.contestants(case, *families) if "unroll=8" not in who.name]
    measured = compare(case, found, (what,), repeats=1)
    assert {"rnnjax", "lax.scan"} <= {m.family for m in measured}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        replace(TINY, layers=2, both=True, lengths=True),
        replace(TINY, cell="GRU", members=2),
        replace(TINY, cell="Elman", members=2, shared=True),
    ],
    ids=str,
)
def test_stacks_and_ensembles_agree(case):
    found = _peers.contestants(case, "rnnjax", "Flax Linen")
    measured = compare(
        case, [who for who in found if "unroll=8" not in who.name], ("training",), repeats=1
    )
    assert {m.family for m in measured} == {"rnnjax", "Flax Linen"}


def test_no_parameter_is_zero_and_lengths_differ():
    numbers = problem(replace(TINY, lengths=True))
    assert all(jnp.all(w != 0) for w in numbers.params[0][0])
    assert numbers.lengths is not None and len(set(numbers.lengths.tolist())) == TINY.batch


def test_weights_find_their_way_to_pytorch_and_back():
    case = Case("GRU", 2, 3, 4, 5, layers=2, both=True, members=3)
    numbers = problem(case)
    arrays = _torch._arrays(case, "layer")
    assert arrays["2.weight_ih_l1_reverse"].shape == (15, 10)
    # The gradient of a sum of two biases is that of either, so weights return but for those.
    back = _torch._from_torch(case, arrays)
    for layer, other in zip(numbers.params, back, strict=True):
        for ours, theirs in zip(layer, other, strict=True):
            for name in ("w_x", "w_h", "b_hn"):
                assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    here = set(_peers.missing())
    monkeypatch.setitem(_peers.MODULES, "Nobody's", "_nobodys")
    assert set(_peers.missing()) - here == {"Nobody's"}
    assert _peers.contestants(TINY, "Nobody's") == []
    assert _torch.contestants(TINY, None) == []


def test_the_interpreter_with_pytorch_can_be_named(monkeypatch):
    monkeypatch.setenv("RNNJAX_TORCH_PYTHON", "there")
    assert _torch.find(None) == "there"
    assert _torch.find("elsewhere") == "elsewhere"
