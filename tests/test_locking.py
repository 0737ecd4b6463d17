"""One writer at a time in a folder, across processes, crashes and machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from latentlabels.errors import RunError
from latentlabels.locking import LOCK, holding

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the lock is that of POSIX")

HOLD = """
import sys
from latentlabels.locking import holding
with holding(sys.argv[1], "fitting"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the folder until its stdin ends."""
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=pipe, stdout=pipe, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named_and_kept_out_until_it_has_ended(other: subprocess.Popen[str], tmp_path: Path) -> None:
    said = rf"process {other.pid} on .* is fitting there, since .*give another folder"
    with pytest.raises(RunError, match=said), holding(tmp_path, "fitting"):
        raise AssertionError
    other.communicate("")
    assert not list(tmp_path.iterdir())
    with holding(tmp_path, "fitting", pytest.fail):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_taken_over_with_a_note(other: subprocess.Popen[str], tmp_path: Path) -> None:
    other.kill()
    other.wait()
    assert (tmp_path / LOCK).exists()
    notes: list[str] = []
    with holding(tmp_path, "fitting", notes.append):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert len(notes) == 1
    assert f"process {other.pid} on " in notes[0] and "was fitting there and has ended" in notes[0]
    assert not list(tmp_path.iterdir())


def test_a_child_that_outlives_its_parent_does_not_hold_the_folder(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom latentlabels.locking import holding\n"
        "with holding(sys.argv[1], 'fitting'):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n        os.close(1)\n        time.sleep(60)\n        os._exit(0)\n"
        "    print(child, flush=True)\n    os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        with holding(tmp_path, "fitting", lambda text: None):
            pass
    finally:
        os.kill(int(done.stdout), 9)


def test_this_process_twice(tmp_path: Path) -> None:
    with holding(tmp_path, "fitting"):
        with pytest.raises(RunError, match="this process is writing there already"), holding(tmp_path, "fitting"):
            raise AssertionError
        assert (tmp_path / LOCK).exists()
        (tmp_path / "other").mkdir()
        with holding(tmp_path / "other", "fitting"):
            pass


def test_a_process_of_another_machine_is_not_taken_for_dead(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(json.dumps({"process": 3, "host": "elsewhere", "doing": "fitting", "since": "yesterday"}))
    said = r"process 3 on elsewhere was writing there.*remove .*\.lock"
    with pytest.raises(RunError, match=said), holding(tmp_path, "fitting"):
        raise AssertionError
    assert (tmp_path / LOCK).exists()
    (tmp_path / LOCK).write_text("")  # of a process that was killed before it wrote its number
    with holding(tmp_path, "fitting", pytest.fail):
        pass
    assert not (tmp_path / LOCK).exists()


def test_an_error_inside_releases_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError), holding(tmp_path, "fitting"):
        raise ValueError
    with holding(tmp_path, "fitting", pytest.fail):
        pass
