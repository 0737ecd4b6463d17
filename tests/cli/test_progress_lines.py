"""Commands that may take minutes say in a log how far they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Done, latentlabels

from latentlabels.progress import shown as progress


@pytest.fixture(autouse=True)
def _every_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of phases that take no time, which a log would otherwise leave out."""
    monkeypatch.setattr(progress, "_BRIEF", 0.0)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


_COMMANDS: list[tuple[str, Callable[[Path, Path], tuple[object, ...]], tuple[str, ...]]] = [
    (
        "evaluate",
        lambda run, scenes: (run, "--images", scenes / "images-by-label", "--truth", scenes / "truth.csv"),
        ("reading the labels", "measuring images", "writing the report"),
    ),
    ("report", lambda run, scenes: (run, "--images", scenes / "images-by-label"), ("predicting", "writing the report")),
    (
        "calibrate",
        lambda run, scenes: (run, "--images", scenes / "images-by-label", "--complete", scenes / "truth.csv"),
        ("predicting",),
    ),
    (
        "mistakes",
        lambda run, scenes: (run,),
        ("fits to the other parts", "judging known labels", "writing the report"),
    ),
    ("next", lambda run, scenes: (run, "-n", 2), ("predicting", "choosing questions")),
    ("predict", lambda run, scenes: (run, scenes / "images-by-label", "-o", run / "p.csv"), ("predicting images",)),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "args", "phases"), _COMMANDS, ids=[verb for verb, *_ in _COMMANDS])
@pytest.mark.filterwarnings("ignore::latentlabels.DataWarning")
def test_a_command_writes_lines_to_a_log(
    verb: str, args: Callable[[Path, Path], tuple[object, ...]], phases: tuple[str, ...], copy: Path, scenes: Path
) -> None:
    done: Done = latentlabels(verb, *args(copy, scenes))
    assert done.code == 0, done.err
    ended = [line.split(": done in")[0] for line in done.err.splitlines() if ": done in" in line]
    assert [one for one in ended if one in phases] == list(phases), done.err
    assert "\r" not in done.err and "\x1b" not in done.err
    assert ": done in" not in done.out


def test_a_part_of_a_counted_phase_has_no_line_of_its_own(copy: Path, scenes: Path) -> None:
    done = latentlabels("predict", copy, scenes / "images-by-label", "-o", copy / "p.csv")
    ended = [line.split(": done in")[0] for line in done.err.splitlines() if ": done in" in line]
    assert ended == ["predicting images"]
    assert np.isfinite(np.genfromtxt(copy / "p.csv", delimiter=",", skip_header=1)[:, 1:]).all()
