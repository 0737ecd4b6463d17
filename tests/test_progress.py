"""How far a long command is: the share and the time left, the bar of a terminal, the lines of a log."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import image_folder

from latentlabels.progress import Follower, Phase, Plan, duration, following, handed, line, phase, shown_here, silent
from latentlabels.progress import shown as progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


PLAN = Plan({Phase.READING: 2.0, Phase.TRAINING: 1.0, Phase.REPORT: 5.0}, {Phase.TRAINING: 0.1}, may_stop=True)


def test_what_is_left_is_the_phase_by_its_speed_and_what_the_plan_expects() -> None:
    clock = Clock()
    seen = Follower(PLAN, clock)
    assert seen.left == 8.0 and seen.share == 0.0
    reading = seen.begin(Phase.READING, "reading images", 50)
    assert seen.left == 2.0 + (1.0 + 50 * 0.1) + 5.0  # the images are counted now
    clock.now += 4
    assert seen.left == 6.0 + 5.0  # it takes longer than was expected, and nothing says how much
    reading.done = 40
    assert seen.left == pytest.approx(4 * 10 / 40 + 6.0 + 5.0)
    seen.end()
    training = seen.begin(Phase.TRAINING, "training", 1000, 600)  # resumed: 600 were done by an earlier process
    assert seen.left == 6.0 + 5.0
    clock.now += 10
    training.done += 100
    assert seen.left == pytest.approx(30.0 + 5.0)
    assert seen.share == pytest.approx(14 / (14 + 35))
    assert seen.remaining() == "29 % after 14 s, at most 35 s left"  # training may stop early
    training.stage = "epoch 7 of 10"
    assert seen.status() == "training, epoch 7 of 10; 29 % after 14 s, at most 35 s left"
    seen.end()
    seen.begin(Phase.REPORT, "writing the report", None)
    assert seen.status() == "writing the report; 74 % after 14 s, about 5 s left"
    clock.now += 20
    assert seen.left == 0.0
    seen.end()
    assert seen.remaining() == "100 % after 34 s"


def test_a_phase_within_another_one_says_how_far_it_is() -> None:
    clock = Clock()
    seen = Follower(PLAN, clock)
    outer = seen.begin(Phase.READING, "reading the data", None)
    inner = seen.begin(Phase.FEATURES, "computing features", 200)
    clock.now += 10
    inner.done = 50
    assert seen.left == pytest.approx(30.0 + (1 + 200 * 0.1) + 5.0)
    assert seen.status().startswith("computing features, 50 of 200; ")
    assert outer.detailed and not inner.detailed


def test_a_phase_within_a_counted_one_is_a_part_of_it() -> None:
    clock = Clock()
    seen = Follower(Plan({Phase.EVALUATION: 0.0, Phase.REPORT: 5.0}), clock)
    outer = seen.begin(Phase.EVALUATION, "measuring images", 1000)
    inner = seen.begin(Phase.FEATURES, "computing features", 200)
    clock.now += 10
    inner.done = 50
    assert inner.is_part and not outer.is_part and not outer.detailed
    assert seen.left == pytest.approx(10 * 950 / 50 + 5.0)  # of all images, not of the first block alone
    assert seen.doing() == "measuring images, 0 of 1,000 (computing features, 50 of 200)"
    clock.now += 30
    seen.end()
    outer.done = 200
    seen.begin(Phase.EVALUATION, "predicting", 200)
    assert seen.left == pytest.approx(40 * 800 / 200 + 5.0)
    seen.end(), seen.end()
    training = seen.begin(Phase.TRAINING, "fits to the other parts", 2)  # an inner phase is one of its steps
    one = seen.begin(Phase.TRAINING, "training", 80)
    one.done, one.stage = 20, "epoch 2 of 8"
    clock.now += 6
    assert seen.left == pytest.approx(6 * (2 - 0.25) / 0.25 + 5.0)
    assert seen.doing() == "fits to the other parts, 0 of 2 (training, epoch 2 of 8)"
    assert training.share == 0.0 and one.share == 0.25


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (700, "12 min"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_nothing_is_shown_where_nobody_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with phase(Phase.TRAINING, "training", 3) as step:
        step()
        step.stage("epoch 1")
        line("a line")
    with following(PLAN, log=False), phase(Phase.TRAINING, "training"):  # as from Python, without a terminal
        line("a line")
        assert handed() is None
    assert capsys.readouterr().err == ""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat that tests need not wait for."""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.05)
    monkeypatch.setattr(progress, "_BRIEF", 0.0)


@pytest.mark.usefixtures("quick")
def test_a_log_has_a_line_now_and_then_and_at_the_end_of_a_phase(capsys: pytest.CaptureFixture[str]) -> None:
    said = ""
    with following(PLAN), following(PLAN):  # the second one changes nothing
        with phase(Phase.READING, "reading images", 4) as step:
            step(1)
            for _ in range(1000):  # nothing moves, and it is said nevertheless
                time.sleep(0.01)
                said += capsys.readouterr().err
                if said.count("reading images, 1 of 4; ") > 1:
                    break
            step(3)
        said += capsys.readouterr().err
        line("epoch 1 of 2: training -1.000")
        with silent():
            assert not [thread for thread in progress.threading.enumerate() if thread.name == "progress"]
            with shown_here():
                assert [thread for thread in progress.threading.enumerate() if thread.name == "progress"]
            assert not [thread for thread in progress.threading.enumerate() if thread.name == "progress"]
        assert handed() is not None
    said += capsys.readouterr().err
    lines = said.splitlines()
    assert lines.count("epoch 1 of 2: training -1.000") == 1
    assert sum(one.startswith("reading images, 1 of 4; ") for one in lines) > 1
    assert sum(re.fullmatch(r"reading images: done in \d+ s; .* left", one) is not None for one in lines) == 1
    assert "\r" not in said and "\x1b" not in said
    assert not [thread for thread in progress.threading.enumerate() if thread.name == "progress"]


@pytest.mark.usefixtures("quick")
def test_a_failure_closes_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), following(PLAN), phase(Phase.READING, "reading images"):
        raise KeyboardInterrupt
    assert "done" not in capsys.readouterr().err
    assert not [thread for thread in progress.threading.enumerate() if thread.name == "progress"]
    with following(PLAN):
        line("another one")
    assert capsys.readouterr().err == "another one\n"


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_below_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    with following(PLAN), phase(Phase.READING, "reading images", 4) as step:
        step(2)
        line("epoch 1 of 2: training -1.000")
        print("warning: a warning", file=sys.stderr)
        time.sleep(0.6)  # the bar is drawn four times a second
    text = screen.getvalue()
    assert " left: reading images, 2 of 4" in text and "╌" in text
    assert "epoch 1 of 2: training -1.000\n" in text and "warning: a warning\n" in text
    assert text.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in text  # the bar is gone, the cursor is back
    monkeypatch.setenv("TERM", "dumb")
    screen.truncate(0)
    with following(PLAN):
        line("plain")
    assert screen.getvalue().strip("\0") == "plain\n"


def test_other_processes_of_a_fit_show_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with following(PLAN):
        line("of the second process")
    monkeypatch.delenv("LOCAL_RANK")
    with following(PLAN):
        shown = progress._current()
        assert shown is not None
        shown.follower.process = -1  # as in a process that was forked
        line("of a forked one")
        shown.follower.process = os.getpid()
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_fit_from_a_shell_keeps_each_epoch_in_its_log(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos", cat=8, dog=8)
    args = ["fit", "--images", tmp_path / "photos", "--out", tmp_path / "run"]
    small = ["model.encoder=tiny", "model.image_size=32", "fit.epochs=3"]
    command = [sys.executable, "-m", "latentlabels", *map(str, args), *(part for one in small for part in ("--set", one))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    epochs = re.findall(r"^epoch (\d) of 3: training .* s\)$", done.stderr, re.MULTILINE)
    assert epochs == ["1", "2", "3"]
    assert "\r" not in done.stderr and "epoch" not in done.stdout.replace("best epoch", "")
