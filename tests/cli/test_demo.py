"""`latentlabels demo`: the one table, from a demo of a few scenes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import latentlabels

from latentlabels.bench import toy_demo
from latentlabels.bench.toy_demo import OBJECTIVES, run_demo
from latentlabels.words import percent_of


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a real demo returns, of few scenes and one epoch."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # so short a fit may warn of anything
        patch.setattr("os.cpu_count", lambda: 1)  # one process more, which has to import torch, is enough
        out = tmp_path_factory.mktemp("demos") / "demo"
        return run_demo(out, log=lambda line: None, epochs=1, train_size=64, test_size=48)


@pytest.fixture
def asked(result: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that a demo was asked for; each returns the same result."""
    folders: list[Path] = []

    def run(out: Path, log: Callable[[str], None]) -> dict[str, Any]:
        folders.append(out)
        log("rendering scenes")
        return result

    monkeypatch.setattr(toy_demo, "run_demo", run)
    return folders


def test_one_table_and_where_the_report_is(asked: list[Path], result: dict[str, Any], tmp_path: Path) -> None:
    done = latentlabels("demo", "--out", tmp_path)
    assert done.code == 0, done.err
    assert asked == [tmp_path]
    lines = done.out.splitlines()
    head = next(line for line in lines if "mAP" in line)
    for column in ("calibration error", "F1 at 0.5", "which groups apply", "NLL"):
        assert column in head
    for figures in result["rows"]:
        [line] = [line for line in lines if line.startswith(figures["what"])]
        for key in ("map", "calibration_error", "f1"):
            assert f" {percent_of(figures[key] / 100, 48)}" in line
    assert f"report   {result['run']}/report.html" in done.out
    assert f"picture  {result['picture']}" in done.out
    assert result["verdict"]["sentence"] in done.out
    stored = json.loads((Path(result["run"]) / "evaluation.json").read_text())
    assert stored["full_labels"]["map"] == pytest.approx(result["rows"][-1]["map"] / 100)
    assert (result["verdict"]["level"], result["verdict"]["basis"]) == ("weak", "complete labels")  # of one epoch
    assert (Path(result["run"]) / "report.html").exists()
    assert Path(result["picture"]).exists()
    assert done.err == "rendering scenes\n"


def test_json(asked: list[Path], result: dict[str, Any]) -> None:
    done = latentlabels("demo", "--json")
    assert asked == [Path("demo")]  # where --out is not given
    assert done.document == {**result, "report": f"{result['run']}/report.html"}
    assert [row["objective"] for row in done.document["rows"]] == ["without-image", *OBJECTIVES]


def test_what_the_demo_proposes_works(asked: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line.removeprefix("next: ").strip() for line in latentlabels("demo").out.splitlines()]
    proposed = [line.split()[1:] for line in lines if line.startswith("latentlabels ") and " /" in line]
    assert [words[0] for words in proposed] == ["predict", "inspect"]
    for words in proposed:
        done = latentlabels(*words)
        assert done.code == 0, done.err


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = latentlabels("demo", "--out", tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "not empty, and not the folder of an earlier demo; give another folder with --out" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
