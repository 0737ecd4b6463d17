"""The grid of fits: its order, going on after an interruption, the folder it refuses."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench.handmade import row

from latentlabels.annotation import Scar
from latentlabels.bench import Task, grid
from latentlabels.bench.fits import Job, Row, rules_of
from latentlabels.bench.grid import Grid, read_rows, run_grid, task_hash
from latentlabels.config.sections import ModelConfig
from latentlabels.errors import DataError, RunError

SMALL = Grid(("assume-negative", "collapsed"), learning_rates=(1e-3,), seeds=(0, 1))


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were fitted, in a moment each."""
    done: list[Job] = []

    def fit(task: Task, job: Job) -> list[Row]:
        done.append(job)
        if job.objective == "broken":
            return [{**vars(job), "error": "did not work\nat all"}]
        return [row(job.objective, job.seed) | vars(job) | {"rule": rule} for rule in rules_of(task)]

    monkeypatch.setattr(grid, "fit", fit)
    return done


def quiet(text: str) -> None:
    pass


def test_every_objective_has_its_first_seed_before_any_has_its_second(task: Task) -> None:
    many = Grid(("a", "collapsed", "b"), ("prior", "own"), (1e-3, 3e-3), (5, 6))
    jobs = many.jobs([replace(task, truth=task.truth), replace(task, name="e")])
    assert [job.seed for job in jobs] == [5] * 24 + [6] * 24
    assert len(set(jobs)) == 48
    assert str(jobs[-1]) == "e: b, learning rate 0.003, seed 6, own start"


def test_oracles_are_fitted_where_there_is_truth(task: Task, without_truth: Task) -> None:
    few = Grid(("collapsed", "full-labels"), learning_rates=(1e-3,), seeds=(0,))
    assert [job.objective for job in few.jobs([task])] == ["collapsed", "full-labels"]
    assert [job.objective for job in few.jobs([without_truth])] == ["collapsed"]


def test_rows_are_written_as_they_come_and_not_done_again(task: Task, tmp_path: Path, fitted: list[Job]) -> None:
    out = tmp_path / "out"
    said: list[str] = []

    def interrupt(text: str) -> None:
        said.append(text)
        if text.startswith("[2/4]"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_grid([task], SMALL, out, 0, interrupt)
    assert said[:2] == ["4 fits", "[1/4] d: assume-negative, learning rate 0.001, seed 0: mAP 60.0 %, NLL 2.00, 1 s"]
    before = (out / "rows.jsonl").read_text()
    assert (len(fitted), before.count("\n")) == (2, 6)
    said.clear()
    rows = run_grid([task], SMALL, out, 0, said.append)
    assert said[0] == "4 fits, 2 of them done before"
    assert said[-1].startswith("[4/4] d: collapsed, learning rate 0.001, seed 1")
    assert len(fitted) == 4
    assert (out / "rows.jsonl").read_text().startswith(before)
    assert len(rows) == 12
    assert run_grid([task], SMALL, out, 0, quiet) == rows
    assert len(fitted) == 4


def test_a_larger_grid_goes_on_and_a_smaller_one_shows_its_own_rows(task: Task, tmp_path: Path, fitted: list[Job]) -> None:
    run_grid([task], SMALL, tmp_path, 0, quiet)
    run_grid([task], replace(SMALL, seeds=(0, 1, 2)), tmp_path, 0, quiet)
    assert [job.seed for job in fitted] == [0, 0, 1, 1, 2, 2]
    rows = run_grid([task], replace(SMALL, objectives=("collapsed",)), tmp_path, 0, quiet)
    assert {one["objective"] for one in rows} == {"collapsed"}
    run_grid([task, replace(task, name="e")], SMALL, tmp_path, 0, quiet)
    assert [job.data for job in fitted[6:]] == ["e"] * 4


def test_a_line_that_was_half_written_is_cut_off(task: Task, tmp_path: Path, fitted: list[Job]) -> None:
    run_grid([task], SMALL, tmp_path, 0, quiet)
    path = tmp_path / "rows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    rows = run_grid([task], SMALL, tmp_path, 0, quiet)
    assert (len(fitted), len(rows)) == (5, 12)
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_damaged_line_is_named(task: Task, tmp_path: Path, fitted: list[Job]) -> None:
    run_grid([task], SMALL, tmp_path, 0, quiet)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"data": "d"}\n')
    with pytest.raises(RunError, match=r"rows.jsonl:13: no row of a bench .* remove the line"):
        run_grid([task], SMALL, tmp_path, 0, quiet)


def test_what_is_infinite_comes_back(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(task: Task, job: Job) -> list[Row]:
        return [row("x") | vars(job) | {"rule": rule, "nll": math.inf, "score": -math.inf} for rule in rules_of(task)]

    monkeypatch.setattr(grid, "fit", fit)
    said: list[str] = []
    (first, *_), stored = run_grid([task], SMALL, tmp_path, 0, said.append), read_rows(tmp_path).values()
    assert "NLL inf" in said[1]
    assert first["nll"] == math.inf
    assert all((one["nll"], one["score"]) == (math.inf, -math.inf) for one in stored)


def test_failures_are_shown_and_tried_again(task: Task, tmp_path: Path, fitted: list[Job], monkeypatch: Any) -> None:
    monkeypatch.setattr(grid, "reads_truth", lambda name: False)
    said: list[str] = []
    few = Grid(("broken", "collapsed"), learning_rates=(1e-3,), seeds=(0,))
    rows = run_grid([task], few, tmp_path, 0, said.append)
    assert [one.get("error") for one in rows] == [None, None, None, "did not work\nat all"]
    assert said[1].endswith("failed: did not work")
    run_grid([task], few, tmp_path, 0, quiet)
    assert [job.objective for job in fitted] == ["broken", "collapsed", "broken"]


# --- the folder -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, "{}", "[1]", "no json", '{"tasks": 3, "version": 1}'])
def test_a_folder_that_is_none_of_a_bench_is_left_alone(task: Task, tmp_path: Path, content: str | None) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    if content is not None:
        (tmp_path / "bench.json").write_text(content)
    names = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(RunError, match="nothing is overwritten: give another --out"):
        run_grid([task], SMALL, tmp_path, 0, quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_file_and_a_folder_of_a_later_version_are_refused(task: Task, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="no folder of an earlier bench"):
        run_grid([task], SMALL, tmp_path / "file", 0, quiet)
    (tmp_path / "bench.json").write_text('{"version": 99, "tasks": {}}')
    with pytest.raises(RunError, match="later version"):
        run_grid([task], SMALL, tmp_path, 0, quiet)


def test_other_data_or_settings_need_another_folder(task: Task, tmp_path: Path, fitted: list[Job]) -> None:
    run_grid([task], SMALL, tmp_path, 0, quiet)
    other = task.observed.copy()
    other[0] = -1
    for changed in (
        replace(task, observed=other),
        replace(task, fit={**task.fit, "epochs": 3}),
        replace(task, model={**task.model, "mixture": 2}),
        replace(task, annotation=Scar(0.5)),
        replace(task, train=task.train + 1),
        replace(task, truth=None),
    ):
        with pytest.raises(RunError, match=r'its fits of "d" are of other data or settings'):
            run_grid([changed], SMALL, tmp_path, 0, quiet)
    run_grid([replace(task, fit={**task.fit, "accelerator": "auto"}, source="moved")], SMALL, tmp_path, 0, quiet)
    assert len(fitted) == 4


def test_hashes_of_files_and_of_tensors(task: Task) -> None:
    import torch

    assert task_hash(replace(task, train=torch.from_numpy(task.train))) == task_hash(task)
    settings = ModelConfig().model_dump()
    assert task_hash(replace(task, model=settings)) == task_hash(replace(task, model={}))  # a new key changes no old task
    assert task_hash(replace(task, model=settings | {"mixture": 2})) != task_hash(replace(task, model=settings))
    hashes = {task_hash(replace(task, train=names)) for names in ([Path("a")], [Path("b")], [Path("a"), Path("b")], "folder")}
    assert len(hashes) == 4


def test_names_and_jobs_that_cannot_be(task: Task, without_truth: Task, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two data sets have one name"):
        run_grid([task, task], SMALL, tmp_path / "a", 0, quiet)
    with pytest.raises(DataError, match="nothing to fit"):
        run_grid([without_truth], replace(SMALL, objectives=("full-labels",)), tmp_path / "b", 0, quiet)
    assert not list(tmp_path.iterdir())


# --- processes ------------------------------------------------------------------------------------------


def test_a_process_gives_the_same_rows(task: Task, tmp_path: Path) -> None:
    one = replace(SMALL, objectives=("collapsed",), seeds=(0,))
    here, there = (run_grid([task], one, tmp_path / str(workers), workers, quiet) for workers in (0, 1))
    for a, b in zip(here, there, strict=True):
        assert a.keys() == b.keys()
        for key in a.keys() - {"seconds", "peak_mb"}:
            assert b[key] == (pytest.approx(a[key], rel=1e-5) if isinstance(a[key], float) else a[key])


class Fatal:
    """Ends the process that reads it."""

    def __reduce__(self) -> Any:
        return os._exit, (3,)


def test_a_process_that_dies_is_told_with_what_to_do(task: Task, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a process that fitted has died.*--workers 1"):
        run_grid([replace(task, source=Fatal())], SMALL, tmp_path, 1, quiet)  # type: ignore[arg-type]
    assert (tmp_path / "bench.json").exists()
