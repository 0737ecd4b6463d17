"""From rows to tables: what is chosen, paired tests, gaps, words."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bench.handmade import row, rows
from scipy import stats

from latentlabels.bench import Task
from latentlabels.bench.results import METRICS, Spread
from latentlabels.bench.summary import at_limit, choose, summarize, without_image
from latentlabels.metrics import evaluate
from latentlabels.program.starting_point import derive_prior

HONEST, GENEROUS = ("likelihood", "known-map"), ("truth-map",)


def chosen(found: list[Any]) -> tuple[str, float]:
    (one,) = {(row["rule"], row["learning_rate"]) for row in found}
    return one


def test_the_learning_rate_is_chosen_by_the_held_out_score_not_by_the_test() -> None:
    found = [
        *rows("x", [0.9, 0.9], learning_rate=1e-3, score=0.1),
        *rows("x", [0.5, 0.5], learning_rate=3e-3, score=0.2),
        *rows("x", [0.8, 0.8], learning_rate=1e-2, score=-math.inf),
    ]
    assert chosen(choose(found, HONEST)) == ("likelihood", 3e-3)


def test_by_its_mean_over_seeds() -> None:
    found = [row("x", seed, learning_rate=rate, score=s) for rate, scores in {1e-3: (0, 10), 3e-3: (4, 4)}.items()
             for seed, s in enumerate(scores)]  # fmt: skip
    assert chosen(choose(found, HONEST)) == ("likelihood", 1e-3)


def test_each_rule_chooses_its_own_rate_and_the_better_rule_counts() -> None:
    found = [
        *rows("role", [0.6], rule="likelihood", learning_rate=1e-3, score=5),
        *rows("role", [0.7], rule="likelihood", learning_rate=3e-3, score=4),
        *rows("role", [0.62], rule="known-map", learning_rate=3e-3, score=0.4),
        *rows("role", [0.9], rule="known-map", learning_rate=1e-3, score=0.3),
        *rows("role", [0.95], rule="truth-map", learning_rate=1e-2, score=0.9),
    ]
    assert chosen(choose(found, HONEST)) == ("known-map", 3e-3)
    assert chosen(choose(found, GENEROUS)) == ("truth-map", 1e-2)


@pytest.mark.parametrize("objective", ["collapsed", "full-labels"])
def test_ours_and_the_oracles_are_held_to_their_own_value(objective: str) -> None:
    found = [*rows(objective, [0.6]), *rows(objective, [0.9], rule="known-map")]
    assert chosen(choose(found, HONEST))[0] == "likelihood"


def test_a_rate_of_which_seeds_failed_does_not_count_beside_a_whole_one() -> None:
    found = [*rows("x", [0.5, 0.5], learning_rate=1e-3, score=0), *rows("x", [0.9], learning_rate=3e-3, score=9)]
    assert chosen(choose(found, HONEST)) == ("likelihood", 1e-3)
    assert choose([], HONEST) == []


def test_mean_and_deviation() -> None:
    assert Spread.of([1.0, 3.0]) == Spread(2.0, pytest.approx(2**0.5), 2)
    assert Spread.of([1.0]) == Spread(1.0, None, 1)
    assert Spread.of([1.0, math.inf]) == Spread(math.inf, None, 2, 1)


def test_the_result_of_each(scored: Any) -> None:
    tables = scored(
        rows("collapsed", [0.64, 0.66]), rows("assume-negative", [0.60, 0.60]), rows("role", [0.61, 0.63]),
        rows("full-labels", [0.70, 0.70]), rows("one-positive-all-negatives", [0.68, 0.68]),
        rows("collapsed", [0.6], rule="truth-map"),
    )  # fmt: skip
    assert set(tables) == {"honest", "generous"}
    results = tables["honest"].results
    assert [(one.objective, one.kind) for one in results] == [
        ("collapsed", "ours"), ("role", "published"), ("assume-negative", "published"), ("without the image", "baseline"),
        ("full-labels", "oracle"), ("one-positive-all-negatives", "oracle"),
    ]  # fmt: skip
    ours = results[0]
    assert ours.figures["mAP"] == Spread(pytest.approx(0.65), pytest.approx(0.02 / 2**0.5), 2)
    assert "group_accuracy" not in ours.figures
    assert ours.gap == {"full-labels": pytest.approx(0.5), "one-positive-all-negatives": pytest.approx(0.625)}
    assert results[2].gap["full-labels"] == 0
    assert results[3].gap == {}
    assert results[4].gap["full-labels"] == 1
    assert [one.objective for one in tables["generous"].results] == ["collapsed", "without the image"]
    assert tables["generous"].results[0].gap == {}


def test_paired_differences_are_those_of_scipy(scored: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.64, 0.01, 5), rng.normal(0.63, 0.01, 5)
    table = scored(rows("collapsed", a.tolist()), rows("role", b.tolist()))["honest"]
    pair = next(pair for pair in table.paired if pair.metric == "mAP")
    assert pair.difference == pytest.approx((a - b).mean())
    assert pair.standard_error == pytest.approx((a - b).std(ddof=1) / 5**0.5)
    assert pair.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert pair.size == 5


def test_only_seeds_that_both_have_are_paired(scored: Any) -> None:
    table = scored(rows("collapsed", [0.64, 0.66, 0.65]), [row("role", 2, mAP=0.6)])["honest"]
    pair = next(pair for pair in table.paired if pair.metric == "mAP")
    assert (pair.size, pair.p, pair.standard_error) == (1, None, None)
    assert pair.difference == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome", "p", "said"),
    [
        (
            [0.70, 0.71, 0.72],
            [0.60, 0.60, 0.63],
            "ahead",
            True,
            "ahead of the best published objective, role: 71.0 % against",
        ),
        ([0.60, 0.60, 0.63], [0.70, 0.71, 0.72], "behind", True, "ours is behind the best published objective, role"),
        ([0.60, 0.64, 0.63], [0.62, 0.62, 0.62], "level", True, "level within noise with the best published objective, role"),
        ([0.61, 0.62, 0.63], [0.60, 0.61, 0.62], "ahead", False, "the same difference in all 3 seeds"),
        ([0.61, 0.62], [0.61, 0.62], "level", False, "equal in all 2 seeds"),
        ([0.61], [0.60], "ahead", False, "one seed: no test, may be noise"),
        ([0.59], [0.60], "behind", False, "one seed: no test"),
    ],
)
def test_verdicts(scored: Any, ours: list[float], theirs: list[float], outcome: str, p: bool, said: str) -> None:
    table = scored(rows("collapsed", ours), rows("role", theirs), rows("splc", [0.1] * len(ours)))["honest"]
    finding = next(found for found in table.findings if found.metric == "mAP")
    pair = next(pair for pair in table.paired if (pair.metric, pair.objective) == ("mAP", "role"))
    assert (finding.outcome, pair.outcome, finding.best, pair.p is not None) == (outcome, outcome, "role", p)
    assert said in finding.text


def test_less_is_better_of_errors(scored: Any) -> None:
    ours = [row("collapsed", s, nll=2.0 + 0.01 * s, ece=0.01, f1=0.6) for s in range(3)]
    other = [row("role", s, nll=2.5 - 0.01 * s, ece=0.04, f1=0.5) for s in range(3)]
    ceiling = [row("full-labels", s, nll=1.0, ece=0.0, f1=0.75) for s in range(3)]
    found = {one.metric: one for one in scored(ours, other, ceiling)["honest"].findings}
    assert found["nll"].outcome == "ahead"
    assert found["nll"].best == "role"  # the ceiling is no published loss
    assert "0.25 times as large" in found["ece"].text
    assert "80 % of that of full labels" in found["f1"].text


def test_what_is_infinite_is_behind_and_never_tested(scored: Any) -> None:
    ours = [row("collapsed", s, nll=math.inf if s else 2.0) for s in range(3)]
    table = scored(ours, [row("role", s, nll=9.0) for s in range(3)], [row("em", s, nll=math.inf) for s in range(3)])["honest"]
    pairs = {pair.objective: pair for pair in table.paired if pair.metric == "nll"}
    assert (pairs["role"].outcome, pairs["role"].difference, pairs["role"].p) == ("behind", math.inf, None)
    assert pairs["em"].outcome == "ahead"
    finding = next(found for found in table.findings if found.metric == "nll")
    assert "infinite against 9.000 (infinite for one of the two: no test)" in finding.text
    assert table.results[0].figures["nll"].infinite == 2


def test_the_row_without_the_image_reads_known_labels_alone(task: Task, scored: Any) -> None:
    table = scored(rows("collapsed", [0.64, 0.66]), rows("full-labels", [0.2, 0.2]))["honest"]
    plain = next(one for one in table.results if one.kind == "baseline")
    prior = derive_prior(task.space, task.observed, task.annotation).prevalence
    expected = evaluate(task.test_truth, np.tile(prior, (len(task.test_truth), 1)))
    assert plain.figures["mAP"] == Spread(pytest.approx(expected.map), None, 1)
    assert plain.figures["brier"].mean == pytest.approx(expected.brier, abs=1e-6)
    assert plain.figures["count"].mean == pytest.approx(prior.sum())
    assert without_image(replace(task, truth=None)).figures == plain.figures
    assert "seconds" not in plain.figures and all(pair.objective != plain.objective for pair in table.paired)


def test_digits_end_where_the_seeds_scatter() -> None:
    mAP = METRICS["mAP"]
    assert mAP.show(0.71234, error=Spread.of([0.70, 0.72]).error(mAP, 100)) == "71"  # ± 1.0
    assert mAP.show(0.71234, error=Spread.of([0.711, 0.713]).error(mAP, 100)) == "71.2"  # ± 0.1
    assert mAP.show(0.71234, error=Spread.of([0.71234]).error(mAP, 100)) == "71"  # one seed, 100 images: 4.5
    assert mAP.show(0.71234, error=Spread.of([0.71234]).error(mAP, 100_000)) == "71.2"
    assert METRICS["nll"].show(2.34567, error=Spread.of([2.3, 2.4]).error(METRICS["nll"], 9)) == "2.35"  # ± 0.05


def test_where_the_last_epoch_was_the_best(scored: Any) -> None:
    ended = [row("em", seed, epoch=4 if seed else 3, epochs_run=5) for seed in range(3)]
    table = scored(rows("collapsed", [0.6] * 3), ended)["honest"]
    assert {one.objective: one.at_limit for one in table.results} == {"collapsed": 0, "em": 2, "without the image": 0}
    said = "Their last epoch was the best: em (2 of 3 seeds). They might do better with more epochs: raise fit.epochs."
    assert at_limit(table) == said
    assert at_limit(scored(rows("collapsed", [0.6] * 3))["honest"]) is None


def test_what_is_told_the_true_count_is_published_and_ours_is_never_its_own_rival(scored: Any) -> None:
    table = scored(rows("collapsed", [0.6, 0.7]), rows("role:true-count", [0.5, 0.5]), rows("collapsed:true-count", [0.9, 0.8]))
    results = table["honest"].results
    kinds = {one.objective: one.kind for one in results}
    assert kinds == {
        "collapsed": "ours", "collapsed:true-count": "ours", "role:true-count": "published", "without the image": "baseline",
    }  # fmt: skip
    assert {found.best for found in table["honest"].findings} == {"role:true-count"}
    held = choose([*rows("collapsed:true-count", [0.6]), *rows("collapsed:true-count", [0.9], rule="known-map")], HONEST)
    assert chosen(held)[0] == "likelihood"


def test_rows_from_before_a_figure_was_measured_lack_it(scored: Any) -> None:
    table = scored(rows("collapsed", [0.6], f1_expected=0.7), rows("role", [0.5]))["honest"]
    assert ["f1_expected" in one.figures for one in table.results] == [True, False, True]
    assert all(pair.metric != "f1_expected" for pair in table.paired)


def test_which_serves(scored: Any) -> None:
    a, b, c = [0.70, 0.71, 0.72], [0.70, 0.712, 0.718], [0.5, 0.51, 0.5]
    table = scored(rows("collapsed", b), rows("role", a), rows("splc", c), rows("full-labels", [0.9] * 3))["honest"]
    assert table.serves[0] == "For ranking, role serves these data best: mAP 71.0 %. Within noise of it: collapsed."
    lone = scored(rows("role", a), rows("splc", c))["honest"]
    assert lone.serves[0].endswith("Every other objective is worse by more than noise.")
    assert (lone.paired, lone.findings) == ((), ())
    single = scored(rows("role", [0.7]), rows("splc", [0.6]))["honest"]
    assert "One seed cannot tell" in single.serves[0]


def test_the_losses_own_start_is_a_table_of_its_own_with_ours_at_its_default(task: Task) -> None:
    found = [
        *rows("collapsed", [0.64]),
        *rows("role", [0.6]),
        *rows("collapsed", [0.2], start="own"),
        *rows("role", [0.62], start="own"),
    ]
    tables = summarize(found, [task]).data[0].tables
    assert [(table.protocol, table.start) for table in tables] == [("honest", "prior"), ("honest", "own")]
    plain = without_image(task).figures["mAP"].mean
    assert [(one.objective, one.start, one.figures["mAP"].mean) for one in tables[1].results] == [
        ("collapsed", "prior", 0.64), ("role", "own", 0.62), ("without the image", "", plain),
    ]  # fmt: skip
    lone = summarize(rows("collapsed", [0.2], start="own"), [task]).data[0].tables
    assert [one.start for one in lone[0].results] == ["own", ""]


def test_failures_are_listed(task: Task) -> None:
    broken = {"data": "d", "objective": "em", "start": "prior", "learning_rate": 1e-3, "seed": 4, "error": "nan"}
    found = summarize([*rows("collapsed", [0.6]), broken], [task])
    assert (found.failures[0].objective, found.failures[0].error) == ("em", "nan")
    assert summarize([broken], [task]).data[0].tables == ()


def test_the_frame_and_the_document(task: Task) -> None:
    found = summarize(
        [*rows("collapsed", [0.64, 0.65]), *rows("role", [0.6, 0.62], nll=math.inf), *rows("assume-negative", [0.5, 0.5])],
        [task],
    )
    frame = found.to_frame().set_index("objective")
    assert isinstance(frame, pd.DataFrame)
    assert frame.loc["collapsed", "mAP"] == pytest.approx(0.645)
    assert frame.loc["role", "nll"] == math.inf
    assert frame.loc["role", "ours_less_mAP"] == pytest.approx(0.035)
    assert {*METRICS, *(f"{key}_sd" for key in METRICS)} <= set(frame.columns)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    role = next(one for one in document["data"][0]["tables"][0]["results"] if one["objective"] == "role")
    assert (role["figures"]["nll"]["mean"], role["figures"]["nll"]["infinite"]) == (None, 2)
    assert document["data"][0]["num_train"] == 40
    assert document["data"][0]["known_count"] == 1
