"""Ctrl-C and `kill` end a verb with its workers and one line; a second writer in one folder is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import latentlabels
from killing import Killer

from latentlabels.cli import interrupt

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

LONG = 120.0
"""Seconds to wait for what takes a moment, on a machine that may be busy."""


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """No command outlives its test, should that fail."""
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.communicate()


def start(*args: object, before: str = "") -> subprocess.Popen[str]:
    """Start a command; `before` is Python that it runs first."""
    code = f"{before}\nfrom latentlabels.cli.app import main\nif __name__ == '__main__':\n    import sys\n    sys.exit(main())"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LOCAL_RANK", "NODE_RANK"))}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code] if before else [sys.executable, "-m", "latentlabels"]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*command, *map(str, args)], env=environment, stdout=pipe, stderr=pipe, text=True)
    _started.append(process)
    return process


def until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something holds while the process lives."""
    end = time.monotonic() + LONG
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def children(number: int) -> list[int]:
    """Processes that descend from one."""
    found: list[int] = []
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def works(number: int) -> bool:
    """Whether a process has torch loaded, and so is past its start."""
    try:
        return "libtorch_cpu" in Path(f"/proc/{number}/maps").read_text()
    except OSError:
        return False


def gone(numbers: list[int]) -> bool:
    """Whether all have ended, within some seconds."""
    end = time.monotonic() + LONG / 4
    while any(map(lives, numbers)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(lives, numbers))


FOREVER = ("--set", "fit.epochs=100000", "--set", "fit.patience=100000", "--set", "fit.accelerator=cpu")


@pytest.mark.slow
def test_a_fit_ends_and_says_how_to_go_on(vectors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start("fit", "--embeddings", vectors, *FOREVER, "--out", run)
    until((run / "checkpoints" / "last.safetensors").exists, process)
    second = latentlabels("fit", "--embeddings", vectors, "--out", run)
    assert second.code == 1
    assert f"{run}: process {process.pid} on " in second.err and "is fitting there, since" in second.err
    second = latentlabels("fit", "--resume", "--out", run)
    assert (second.code, f"process {process.pid}" in second.err) == (1, True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LONG)
    assert (process.returncode, out) == (130, "")
    said = "interrupted; to resume, run the same command with --resume, or: latentlabels fit --resume --out"
    assert err.splitlines()[-1] == f"{said} {run}"
    assert not [path for path in run.rglob("*") if path.name.startswith(".")]
    epochs = (run / "checkpoints" / "last.json").read_text().count('"epoch"')
    assert latentlabels("fit", "--resume", "--out", run, "--set", f"fit.epochs={epochs + 1}").code == 0


BENCH = """\
data: {{embeddings: {vectors}}}
fit: {{epochs: 100000, patience: 100000, accelerator: cpu}}
bench: {{objectives: [assume-negative, collapsed], seeds: [0], learning_rates: [1e-3]}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_workers_of_a_bench_end_with_it(vectors: Path, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "bench.yaml").write_text(BENCH.format(vectors=vectors))
    out = tmp_path / "out"
    process = start("bench", tmp_path / "bench.yaml", "--out", out, "--workers", 2)
    until(lambda: sum(map(works, children(process.pid))) == 2, process)
    workers = children(process.pid)
    process.send_signal(number)
    err = process.communicate(timeout=LONG)[1]  # the workers hold its end of the pipe: it ends when they have
    assert gone(workers)
    if number == signal.SIGKILL:
        assert process.returncode == -number
        return
    assert process.returncode == 128 + number
    assert f"interrupted; finished fits are in {out}; run the same command again to resume" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert [path.name for path in out.iterdir()] == ["bench.json"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_that_read_images_end_with_the_fit(scenes: Path, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    settings = ("--set", "model.encoder=tiny", "--set", "model.image_size=32", "--set", "fit.workers=2", *FOREVER)
    before = "import latentlabels.inputs.decoding as decoding; decoding.MEMORY_BUDGET = 0"
    process = start("fit", "--images", scenes / "images-by-label", *settings, "--out", run, before=before)
    until((run / "checkpoints" / "last.safetensors").exists, process)
    workers: list[int] = []

    def read() -> bool:
        workers[:] = children(process.pid)  # others in each epoch
        return len(workers) >= 2

    until(read, process)
    process.send_signal(number)
    process.communicate(timeout=LONG)  # it ends when the last of them has closed its end of the pipe
    assert gone(workers)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as made:
        yield made


@pytest.mark.parametrize("verb", ["predict", "complete", "evaluate", "query", "report", "inspect"])
def test_a_sum_that_python_cannot_interrupt(killer: Killer, vectors: Path, vector_run: Path, tmp_path: Path, verb: str) -> None:
    args = {
        "predict": (vector_run, vectors, "-o", tmp_path / "table.csv"),
        "complete": (vector_run, "--images", vectors, "-o", tmp_path / "table.csv"),
        "evaluate": (vector_run, "--images", vectors),
        "query": (vector_run, f"{vectors}#1"),
        "report": (vector_run, "--images", vectors),
        "inspect": (vectors,),
    }[verb]
    done = killer.run((verb, *args), tmp_path, interrupted=True)
    assert (done.code, done.out, done.err) == (130, "", "interrupted; run the same command again\n")
    assert not list(tmp_path.iterdir())


def test_handlers_are_put_back_and_a_thread_changes_none() -> None:
    import threading

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interrupt.interruptible():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(latentlabels("--version").code))
    thread.start()
    thread.join()
    assert found == [0]


def test_a_signal_inside_the_tests_process_is_an_exit_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        monkeypatch.setattr("latentlabels.cli.predict.load_run", lambda path, number=number: os.kill(os.getpid(), number))
        done = latentlabels("predict", tmp_path, "x.png")
        assert (done.code, done.err) == (128 + number, "interrupted; run the same command again\n")
