"""One fit of a comparison: its rows, what oracles are given, failures."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from latentlabels import LatentLabels
from latentlabels.bench import Task
from latentlabels.bench.fits import Job, fit, plain, rules_of
from latentlabels.bench.variants import is_oracle, is_ours, reads_truth
from latentlabels.metrics import best_f1_threshold, evaluate, expected_f1_threshold, f1_at
from latentlabels.objectives import OBJECTIVES, Objective, Step
from latentlabels.space import LabelSpace

JOB = Job("d", "collapsed", "prior", 3e-3, 1)


@pytest.mark.filterwarnings("ignore:.* fewer than 5 training images")
def test_a_row_for_each_rule_with_the_figures_of_its_weights(task: Task) -> None:
    found = fit(task, JOB)
    assert [row["rule"] for row in found] == ["likelihood", "known-map", "truth-map"]
    settings = {**task.model, **task.fit, "learning_rate": 3e-3, "seed": 1}
    model = LatentLabels(task.space, task.annotation, **settings)
    model.fit(task.train, task.observed, task.truth, watch=rules_of(task))
    for row in found:
        assert {key: row[key] for key in asdict(JOB)} == asdict(JOB)
        kept = model.kept_[row["rule"]]
        assert (row["epoch"], row["score"], row["epochs_run"]) == (kept.epoch, pytest.approx(kept.score), 2)
        posterior = model.use(row["rule"]).posterior(task.test)
        y = task.test_truth
        expected = evaluate(y, posterior.marginals, posterior.log_prob(y), posterior.count_probs(), task.space)
        named = {"mAP": "map", "ece": "calibration_error"}
        for key in ("mAP", "nll", "brier", "ece", "f1", "count_error", "group_accuracy"):
            assert row[key] == pytest.approx(getattr(expected, named.get(key, key)), rel=1e-5), key
        p = posterior.marginals
        thresholds = {"f1_expected": expected_f1_threshold(p), "f1_best": best_f1_threshold(y, p)}
        assert {key: row[key] for key in thresholds} == {key: f1_at(y, p, t) for key, t in thresholds.items()}
        assert row["f1_best"] >= max(row["f1_expected"], row["f1"])
        assert row["count"] == pytest.approx(posterior.marginals.sum(1).mean())
        assert row["seconds"] > 0
        assert row["peak_mb"] > 50


def test_without_truth_there_is_no_oracles_rule(without_truth: Task) -> None:
    assert rules_of(without_truth) == ("likelihood", "known-map")
    assert [row["rule"] for row in fit(without_truth, JOB)] == ["likelihood", "known-map"]


def test_oracles() -> None:
    assert is_oracle("full-labels") and is_oracle("one-positive-all-negatives")
    assert not is_oracle("collapsed") and not is_oracle("assume-negative")


@pytest.mark.filterwarnings("ignore:.* fewer than 5 training images")
def test_a_variant_is_told_the_true_count_of_the_training_images(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    start = OBJECTIVES["expected-positive"].start

    def spy(self: Objective, known: Any) -> None:
        told.append(known.expected_labels)
        start(self, known)

    monkeypatch.setattr(OBJECTIVES["expected-positive"], "start", spy)
    rows = [fit(task, replace(JOB, objective=name)) for name in ("expected-positive", "expected-positive:true-count")]
    assert told[1] == pytest.approx(float(task.truth.sum(1).mean())) != pytest.approx(told[0])
    assert [row[0]["objective"] for row in rows] == ["expected-positive", "expected-positive:true-count"]
    assert "error" not in rows[1][0]


def test_what_a_variant_is() -> None:
    assert is_ours("collapsed") and is_ours("collapsed:true-count") and not is_ours("role:true-count")
    assert reads_truth("role:true-count") and reads_truth("full-labels") and not reads_truth("role")
    assert not is_oracle("role:true-count")


def test_the_start_and_the_objective_are_those_of_the_job(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    own = LatentLabels.fit

    def spy(self: LatentLabels, *args: Any, **more: Any) -> LatentLabels:
        made.append(self.get_params(deep=False))
        return own(self, *args, **more)

    monkeypatch.setattr(LatentLabels, "fit", spy)
    fit(replace(task, fit={**task.fit, "stop": "none", "seed": 9}), replace(JOB, objective="assume-negative", start="own"))
    wanted = {
        "objective": "assume-negative",
        "start": "own",
        "learning_rate": 3e-3,
        "seed": 1,
        "epochs": 2,
        "stop": "likelihood",
    }
    assert {key: made[0][key] for key in wanted} == wanted


class Broken(Objective):
    """Raises at its first step."""

    name = "broken"

    def _loss(self, step: Step) -> torch.Tensor:
        raise IndexError("no such column")


class Diverging(Objective):
    """Has a loss of NaN."""

    name = "diverging"

    def _loss(self, step: Step) -> torch.Tensor:
        return step.logits.sum() * float("nan")


@pytest.mark.parametrize(
    ("objective", "said"), [(Broken, "IndexError: no such column"), (Diverging, "lower fit.learning_rate")]
)
def test_a_failure_is_a_row(task: Task, monkeypatch: pytest.MonkeyPatch, objective: type[Objective], said: str) -> None:
    monkeypatch.setitem(OBJECTIVES, objective.name, objective)
    job = replace(JOB, objective=objective.name)
    (row,) = fit(task, job)
    assert said in row.pop("error")
    assert row == asdict(job)


def test_memory_that_runs_out_is_a_row(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*args: Any, **more: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(LatentLabels, "fit", out_of_memory)
    assert "lower fit.batch_size" in fit(task, JOB)[0]["error"]


def test_a_true_label_set_without_probability_has_an_infinite_nll(task: Task) -> None:
    truth = task.test_truth.copy()
    truth[0, :2] = 1  # two colours
    assert fit(replace(task, test_truth=truth), JOB)[0]["nll"] == math.inf


def test_groups_are_the_tasks_own(task: Task) -> None:
    free = replace(task, space=LabelSpace.free(task.space.labels))
    assert fit(free, JOB)[0]["group_accuracy"] is None


def test_peak_memory_is_of_what_came_after_the_reset() -> None:
    """In a process of its own, where nothing else takes or gives back memory in between."""
    program = """
import numpy as np
from latentlabels.bench.fits import peak_mb, reset_peak
first = np.ones(640 << 20, np.uint8)
del first
reset_peak()
before = peak_mb()
filled = np.ones(160 << 20, np.uint8)
print(before, peak_mb(), filled.sum())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300).stdout
    before, after = (float(one) for one in said.split()[:2])
    assert before + 100 <= after <= before + 400  # the 640 MiB from before the reset do not count


def test_json_has_words_for_what_is_infinite() -> None:
    assert plain([{"nll": math.inf, "score": -math.inf, "f1": math.nan, "epoch": 1}]) == [
        {"nll": "inf", "score": "-inf", "f1": None, "epoch": 1}
    ]
