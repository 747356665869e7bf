"""The benchmark for a GPU, as far as a CPU can tell: its order, its deadline, record and tables."""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import _gpu_jax
import gpu
import numpy as np
import pytest
from _gpu_grid import CUDNN, FLAX, MAIN, MODES, OURS, PLAIN, SIZES, TORCH, TORCH_GRAPH, Job, jobs
from _gpu_problem import TOLERANCE, Case, difference, numbers, sampled
from _gpu_record import NOT_REACHED, RATIO, markdown, row, surroundings, write
from _gpu_timing import timed
from _gpu_worker import Failed, Worker
from _program import ROOT

CASE = Case("LSTM", 2, 3, 4)
TIMES = {"median_ms": 2.0, "quartiles": [1.0, 3.0], "difference": 0.0}
FOREVER = 1e9


class Fake:
    """Answers at once, as `answer` says, and counts."""

    def __init__(self, answer=lambda kind, job: dict(TIMES)):
        self.answer, self.asked = answer, []

    def ask(self, request, timeout):
        self.asked.append(request)
        return self.answer(*request[:2])


def rows(jobs, deadline=FOREVER, *, jax=None, torch=None, kernels=None):
    found = []
    given: Any = {"jax": jax, "torch": torch, "torch kernels": kernels}
    everybody = {name: given.get(name) or Fake() for name in gpu.MODULES}
    gpu.Run(everybody, deadline).rows(jobs, found.append)
    return found


# The grid


def test_what_matters_most_comes_first_and_nothing_twice():
    everything = list(jobs(smoke=False))
    assert len(everything) == len(set(everything))
    assert everything[0] == Job(Case("LSTM", *SIZES[0]), "tf32", "training", OURS)
    assert [(job.who, job.precision) for job in everything[: len(MAIN)]] == list(MAIN)
    assert {(batch, steps, hidden) for batch, steps, hidden in SIZES} == {
        job.case[1:] for job in everything
    }
    knobs = {(job.who, job.unroll, job.whole) for job in everything if job.unroll}
    for who in (OURS, PLAIN):
        assert {(who, k, whole) for k in (1, 4, 8, 16) for whole in (False, True)} <= knobs


def test_the_grid_has_every_size_that_peers_measure():
    batches, steps, hidden = (set(sizes) for sizes in zip(*SIZES, strict=True))
    assert batches == {1, 8, 16, 32, 64, 128, 256}
    assert steps == {128, 512, 1024}
    assert hidden == {64, 128, 256, 512, 768, 1024}


def test_what_could_crash_runs_apart():
    plain = Job(CASE, "tf32", "forward", PLAIN)
    workers = [plain, plain._replace(whole=True), plain._replace(who=CUDNN)]
    assert [job.worker for job in workers] == ["jax", "jax apart", "jax apart"]
    assert plain._replace(who=TORCH_GRAPH).worker == "torch apart"
    assert plain._replace(unroll=4, whole=True).contestant == "plain scan, unroll=4, whole loop"


# The numbers, and what is right


def test_the_numbers_are_random_and_not_zero():
    weights, *sequences = numbers(CASE)
    assert [a.shape for a in sequences] == [(3, 2, 4)] * 2
    for array in (*weights.values(), *sequences):
        assert array.dtype == np.float32 and np.all(array != 0)
        assert len(np.unique(array)) == array.size


def test_first_and_last_step_are_compared():
    assert sampled(3) == [0, 1, 2] and sampled(1) == [0]
    assert len(sampled(512)) == 9 and {0, 511} <= set(sampled(512))


def test_the_difference_is_the_worst_and_nan_is_infinite():
    wanted = {"a": np.array([3.0, 4.0]), "b": np.ones(2)}
    assert difference(wanted, {"a": np.array([3.0, 4.5])}) == pytest.approx(0.1)
    assert difference(wanted, {"a": wanted["a"], "b": np.array([1.0, np.nan])}) == np.inf
    with pytest.raises(ValueError, match="expected b of shape"):
        difference(wanted, {"b": np.ones(3)})


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("who", [OURS, FLAX])
def test_the_contestants_compute_the_same(cell, precision, who):
    case = CASE._replace(cell=cell)
    prepared = _gpu_jax.Prepared(Job(case, precision, "training", who))
    got = prepared.result(prepared.call())
    assert set(got) == {"ys", "xs", *numbers(case).weights}
    assert difference(_gpu_jax.reference(case), got) <= TOLERANCE[precision]["training"]


def test_cudnn_gets_the_weights_in_its_layout(monkeypatch):
    from jax.experimental import rnn

    def lstm(xs, h, c, flat, lengths, *sizes):
        inputs, hidden, layers, _, both, _ = sizes
        weights = rnn.unpack_lstm_weights(flat, inputs, hidden, layers, both)
        return rnn.lstm_ref(xs, h, c, *weights, lengths, *sizes[:5])

    monkeypatch.setattr(rnn, "lstm", lstm)
    for mode in MODES:
        prepared = _gpu_jax.Prepared(Job(CASE, "fp32", mode, CUDNN))
        got = prepared.result(prepared.call())
        assert difference(_gpu_jax.reference(CASE), got) <= TOLERANCE["fp32"][mode]


def test_a_measurement_in_jax_has_all_its_entries():
    job = Job(CASE, "fp32", "forward", OURS, unroll=2, whole=True)
    entries = _gpu_jax.answer("time", job, _gpu_jax.answer("reference", CASE))
    assert entries["difference"] <= 1e-5 and entries["compile_s"] > 0
    assert 0 < entries["quartiles"][0] <= entries["median_ms"] <= entries["quartiles"][1]
    assert entries["temp_bytes"] >= 0 and entries["enqueued_ms"] > 0
    assert json.loads(json.dumps(entries)) == entries


def test_slow_calls_are_timed_less_often(monkeypatch):
    monkeypatch.setattr("_gpu_timing.SECONDS", 0.01)
    assert timed(lambda: time.sleep(0.002), lambda result: result)["repeats"] == 7
    assert timed(lambda: None, lambda result: result)["repeats"] == 31


# Whatever happens to a contestant


def test_who_raises_is_recorded_and_the_next_one_runs():
    def answer(kind, job):
        if kind == "time" and job.who == FLAX:
            raise Failed("TypeError: no")
        return dict(TIMES)

    job = Job(CASE, "fp32", "forward", FLAX)
    first, second = rows([job, job._replace(who=PLAIN)], jax=Fake(answer))
    assert (first["error"], first["median_ms"]) == ("TypeError: no", None)
    assert (second["error"], second["median_ms"]) == (None, 2.0)
    assert second["us_per_step"] == pytest.approx(2000 / 3)


def test_who_is_wrong_is_recorded_with_the_time():
    for wrong, words in ((0.5, "wrong: differs by 0.5"), (None, "not compared")):
        fake = Fake(lambda kind, job, wrong=wrong: TIMES | {"difference": wrong})
        (found,) = rows([Job(CASE, "bf16", "forward", OURS)], jax=fake)
        assert found["error"].startswith(words) and found["median_ms"] == 2.0


def test_without_a_reference_everybody_is_timed_nevertheless():
    def answer(kind, job):
        if kind == "reference":
            raise Failed("MemoryError")
        return TIMES | {"difference": None}

    (found,) = rows([Job(CASE, "fp32", "forward", OURS)], jax=Fake(answer))
    assert found["median_ms"] == 2.0 and found["error"].startswith("not compared")


def test_the_kernels_of_torch_come_from_another_process():
    job = Job(CASE, "fp16", "forward", TORCH)
    fakes: list[Any] = [Fake(lambda *_: {"lstm_kernel": 3}), gpu.Absent("crashed")]
    first, second = (rows([job], kernels=fake)[0] for fake in fakes)
    assert first["kernels"] == {"lstm_kernel": 3} and first["error"] is None
    assert second["kernels"] == "not known: crashed" and second["median_ms"] == 2.0


def test_after_the_deadline_nobody_is_asked():
    fake = Fake()
    found = rows(list(jobs(smoke=True))[:4], time.monotonic() - 1, jax=fake, torch=fake)
    assert [row["error"] for row in found] == [NOT_REACHED] * 4 and not fake.asked


def test_who_is_interrupted_by_the_deadline_is_not_reached(monkeypatch):
    monkeypatch.setattr(gpu, "SHORTEST", 0.0)

    class Slow(Fake):
        def ask(self, request, timeout):
            time.sleep(timeout)
            raise Failed("it took too long")

    start = time.monotonic()
    job = Job(CASE, "fp32", "forward", OURS)
    first, second = rows([job, job._replace(who=PLAIN)], start + 0.2, jax=Slow())
    assert first["error"] == second["error"] == NOT_REACHED
    assert time.monotonic() - start < 5


WORKER = """
import os, time

def hello():
    return {"greeting": os.environ["GREETING"]}

def answer(what, number):
    if what == "raise":
        raise ValueError("no such thing\\nand more")
    if what == "exit":
        os._exit(number)
    if what == "sleep":
        time.sleep(number)
    return number
"""


def test_a_worker_fails_alone(tmp_path, monkeypatch):
    (tmp_path / "worker_for_tests.py").write_text(WORKER)
    monkeypatch.syspath_prepend(str(tmp_path))
    worker = Worker("worker_for_tests", {"GREETING": "hello"})
    try:
        assert worker.greet(60) == {"greeting": "hello"}
        assert worker.ask(("give", 1), 60) == 1
        with pytest.raises(Failed, match=r"^ValueError: no such thing$"):
            worker.ask(("raise", 0), 60)
        with pytest.raises(Failed, match="took too long"):
            worker.ask(("sleep", 60), 0.1)
        assert worker.ask(("give", 2), 60) == 2
        for _ in range(2):
            with pytest.raises(Failed, match="the process ended, exit code 5"):
                worker.ask(("exit", 5), 60)
        with pytest.raises(Failed, match="given up: the process ended"):
            worker.ask(("give", 3), 60)
    finally:
        worker.close()


def test_a_worker_that_cannot_start_says_why_and_is_not_tried_again():
    worker = Worker("no_such_module", {})
    for words in ("^ModuleNotFoundError", "^given up: ModuleNotFoundError"):
        with pytest.raises(Failed, match=words):
            worker.ask(("give", 1), 60)


# The record


def example():
    """A record with all that can happen."""
    grid = Job(Case("LSTM", 16, 512, 128), "tf32", "training", OURS)
    plain = grid._replace(who=PLAIN)
    found = [
        row(grid, TIMES | {"median_ms": 3.0}, None),
        row(grid._replace(who=TORCH), TIMES | {"median_ms": 7.5}, None),
        row(grid._replace(who=TORCH_GRAPH), TIMES | {"median_ms": 6.0}, None),
        row(grid._replace(who=TORCH, precision="fp16"), TIMES, "wrong: differs by 0.5"),
        row(grid._replace(who=CUDNN), {}, "AttributeError: gone"),
        row(plain, TIMES | {"median_ms": 12.0}, None),
        row(plain._replace(unroll=4), TIMES | {"median_ms": 9.0}, None),
        row(plain._replace(unroll=4, whole=True), TIMES | {"median_ms": 5.0}, None),
        row(grid._replace(who=FLAX), {}, NOT_REACHED),
        row(grid._replace(mode="forward"), {}, NOT_REACHED),
    ]
    about = {"question": "How fast?", **surroundings(), "platform": "gpu", "device": "a GPU"}
    return {**about, "torch": None, "missing": ["torch: no"]}, found


def test_a_record_is_what_was_written(tmp_path):
    about, found = example()
    for some in ([], found[:1], found):
        write(tmp_path / "folder" / "record.json", about, some)
        read = json.loads((tmp_path / "folder" / "record.json").read_text())
        assert read == {**about, "rows": some}
    assert len(list((tmp_path / "folder").iterdir())) == 1
    versions = about["versions"]
    assert set(about) >= {"commit", "dirty", "driver"} and set(versions) >= {"python", "jax"}


def test_a_record_becomes_tables():
    about, found = example()
    lines = markdown({**about, "rows": found}).splitlines()
    head, _, line = [line for line in lines if line.startswith("|")][:3]
    cells = dict(zip(head.split(" | "), line.split(" | "), strict=True))
    assert line.startswith("| LSTM B=16 T=512 I=H=128, training | 3 |")
    assert cells["cuDNN TF32"] == "6 *g*" and cells[f"{RATIO} |"] == "2.00 |"
    assert cells["cuDNN fp16"] == "wrong" and cells["jax.experimental.rnn TF32"] == "failed"
    assert cells["Flax TF32"] == "—" and cells["plain scan TF32"] == "12"
    assert "| what | 4 | 4 *whole* |" in lines
    assert "| LSTM B=16 T=512 I=H=128, training, plain scan | 9 | 5 |" in lines
    assert lines[-1].endswith("Missing: torch: no. 2 rows not reached.")
    assert not any("forward" in line for line in lines)


def test_a_machine_without_a_gpu_measures_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "record.json")])
    monkeypatch.setattr(gpu, "_workers", lambda smoke: {})
    monkeypatch.setattr(gpu, "_about", lambda workers, deadline: {"platform": "cpu"})
    gpu.main()
    assert "the record waits for one" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_torch_without_the_gpu_does_not_compete():
    def worker(**about):
        return SimpleNamespace(greet=lambda timeout: about, close=lambda: None)

    workers: Any = {name: worker(platform="cpu", device="a CPU") for name in gpu.MODULES}
    workers["jax"] = worker(platform="gpu", device="a GPU")
    about = gpu._about(workers, FOREVER)
    assert about["missing"][-1] == "torch: it does not find the GPU"
    assert {name for name, w in workers.items() if isinstance(w, gpu.Absent)} == {
        "torch",
        "torch apart",
        "torch kernels",
    }


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5, 600])
def test_the_whole_script_at_a_tiny_size(tmp_path, seconds):
    out = tmp_path / "record.json"
    command = [sys.executable, ROOT / "benchmarks" / "gpu.py", "--smoke", "--out", out]
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--seconds", str(seconds)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    assert len(record["rows"]) == len(list(jobs(smoke=True))) and markdown(record)
    if seconds == 5:
        assert record["rows"][-1]["error"] == NOT_REACHED and time.monotonic() - start < 30
        return
    torch = not any(missing.startswith("torch") for missing in record["missing"])
    for found in record["rows"]:
        has_time = found["contestant"] != CUDNN and (torch or found["contestant"] != TORCH)
        assert (found["error"] is None, found["median_ms"] is not None) == (has_time,) * 2, found
