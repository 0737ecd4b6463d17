"""From rows to tables: which learning rate and stopping rule count, mean and deviation over seeds, paired tests, a verdict.

Two protocols. *Honest*: only known labels choose. For each objective and rule ("likelihood", its own value on held-out
known labels, and "known-map", the mAP against them) the learning rate with the best mean held-out score is taken; of the
two rules the one with the higher test mAP counts, which is to the benefit of the published losses, for ours is always held
to "likelihood". *Generous*, as the papers do: complete labels of the held-out images choose epoch and learning rate.
Oracles learn from complete labels: ceilings, that no comparison counts as published.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from ..checks import without_image as measure
from ..metrics import best_f1_threshold, expected_f1_threshold, f1_at
from ..program.starting_point import derive_prior
from ..words import count
from .fits import GENEROUS, HONEST, OURS, Row
from .results import (
    CEILINGS,
    METRICS,
    TESTED,
    WITHOUT_IMAGE,
    DataSet,
    Failure,
    Finding,
    Paired,
    Result,
    Spread,
    Summary,
    Table,
)
from .tasks import Task
from .variants import is_oracle, is_ours

FLOOR = "assume-negative"
LEVEL = 0.05
"""A two-sided p below this is called a difference; what is above, noise."""


def summarize(rows: Iterable[Row], tasks: Sequence[Task]) -> Summary:
    """The tables of rows as `run_grid` gives them.

    Args:
        rows: of fits, and of failed ones.
        tasks: what they were fitted on.
    """
    rows = list(rows)
    done = [row for row in rows if "error" not in row]
    keys = ("data", "objective", "start", "learning_rate", "seed", "error")
    failures = tuple(Failure(**{key: row[key] for key in keys}) for row in rows if "error" in row)
    return Summary(tuple(_data_set([row for row in done if row["data"] == task.name], task) for task in tasks), failures)


def _data_set(rows: Sequence[Row], task: Task) -> DataSet:
    starts = list(dict.fromkeys(row["start"] for row in rows))
    protocols: list[tuple[str, tuple[str, ...]]] = [("honest", HONEST)]
    if any(row["rule"] == GENEROUS for row in rows):
        protocols.append(("generous", (GENEROUS,)))
    tables: list[Table] = []
    if rows:  # settings with which every fit fails may suit no prevalences either
        plain, size = without_image(task), len(task.test_truth)
        tables = [_table(rows, protocol, rules, start, plain, size) for start in starts for protocol, rules in protocols]
    return DataSet(
        task.name,
        task.source,
        len(task.observed),
        len(task.test_truth),
        task.space.num_labels,
        float(np.mean(np.sum(task.test_truth, 1))),
        float(np.mean(np.sum(task.observed == 1, 1))),
        tuple(table for table in tables if table.results),
    )


# --- who stands where -----------------------------------------------------------------------------------


class _Chosen(NamedTuple):
    """The rows that count for an objective: one for each seed."""

    objective: str
    rows: tuple[Row, ...]
    num_test: int = 0

    def said(self, metric: str) -> str:
        """The mean with its unit, and no more digits than its standard error allows."""
        spread, how = Spread.of(list(self.values(metric).values())), METRICS[metric]
        error = spread.error(how, self.num_test) if self.num_test else None
        return how.show(spread.mean, error=error) + (" %" if how.percent else "")

    def values(self, metric: str) -> dict[int, float]:
        # rows of an earlier version lack figures that came later
        return {row["seed"]: float(row[metric]) for row in self.rows if row.get(metric) is not None}

    def mean(self, metric: str) -> float | None:
        values = list(self.values(metric).values())
        return Spread.of(values).mean if values else None


def without_image(task: Task) -> Result:
    """The prediction that never looks at an image: each label's prevalence, from known labels alone."""
    prior = derive_prior(task.space, task.observed, task.annotation, task.model.get("expected_labels"))
    found = measure(task.test_truth, task.space, prior.prevalence)
    y, same = task.test_truth, np.tile(prior.prevalence, (len(task.test_truth), 1))
    figures = {
        "mAP": found.map, "nll": found.nll, "brier": found.brier, "ece": found.calibration_error, "f1": found.f1,
        "f1_expected": f1_at(y, same, expected_f1_threshold(same)), "f1_best": f1_at(y, same, best_f1_threshold(y, same)),
        "count_error": found.count_error, "group_accuracy": found.group_accuracy, "count": float(prior.prevalence.sum()),
    }  # fmt: skip
    spreads = {key: Spread.of([value]) for key, value in figures.items() if value is not None}
    return Result(WITHOUT_IMAGE, "baseline", "", "", math.nan, (), spreads, {})


def _table(rows: Sequence[Row], protocol: str, rules: Sequence[str], start: str, plain: Result, num_test: int) -> Table:
    chosen: list[_Chosen] = []
    for objective in dict.fromkeys(row["objective"] for row in rows):
        own = [row for row in rows if row["objective"] == objective]
        # ours is what its default says; how the losses start is what the tables differ in
        wanted = "prior" if is_ours(objective) and any(row["start"] == "prior" for row in own) else start
        picked = choose([row for row in own if row["start"] == wanted], rules)
        if picked:
            chosen.append(_Chosen(objective, tuple(picked), num_test))
    if not chosen:
        return Table(protocol, start, (), (), (), ())
    results = [*(_result(one, chosen) for one in chosen), plain]
    order = {"ours": 0, "published": 1, "baseline": 2, "oracle": 3}
    results.sort(key=lambda one: (order[one.kind], -one.figures["mAP"].mean if "mAP" in one.figures else 0.0))
    ours = next((one for one in chosen if one.objective == OURS), None)
    paired: list[Paired] = []
    findings: list[Finding] = []
    published = [one for one in chosen if not is_ours(one.objective) and not is_oracle(one.objective)]
    if ours is not None:
        for one in results:
            other = next((each for each in chosen if each.objective == one.objective), ours)
            paired += [pair for metric in TESTED if other is not ours and (pair := compare(ours, other, metric)) is not None]
        full = next((one.mean("f1") for one in chosen if one.objective == "full-labels"), None)
        findings = [found for metric in TESTED if (found := _finding(ours, published, paired, metric, full)) is not None]
    serves = _serves([*published, *([ours] if ours is not None else [])])
    return Table(protocol, start, tuple(results), tuple(paired), tuple(findings), serves)


def choose(rows: Sequence[Row], rules: Sequence[str]) -> list[Row]:
    """The rows of one objective that count: those of the chosen rule and learning rate, one for each seed."""
    if not rows:
        return []
    objective = rows[0]["objective"]
    if rules == HONEST and (is_ours(objective) or is_oracle(objective)):
        rules = HONEST[:1]
    candidates = [picked for rule in rules if (picked := _rate([row for row in rows if row["rule"] == rule]))]
    return max(candidates, key=lambda found: _Chosen(objective, tuple(found)).mean("mAP") or 0.0, default=[])


def _rate(rows: Sequence[Row]) -> list[Row]:
    """Those of the learning rate with the best mean held-out score, among those with the most finished seeds."""
    by_rate: dict[float, list[Row]] = {}
    for row in rows:
        by_rate.setdefault(row["learning_rate"], []).append(row)
    if not by_rate:
        return []
    most = max(map(len, by_rate.values()))

    def score(found: list[Row]) -> float:
        scores = [row["score"] for row in found]
        return -math.inf if any(value is None for value in scores) else float(np.mean(scores))

    best = max([found for found in by_rate.values() if len(found) == most], key=score)
    return sorted(best, key=lambda row: int(row["seed"]))


def _result(one: _Chosen, chosen: Sequence[_Chosen]) -> Result:
    row = one.rows[0]
    figures = {key: Spread.of(list(values.values())) for key in METRICS if (values := one.values(key))}
    means = {each.objective: each.mean("mAP") for each in chosen}
    floor, own = means.get(FLOOR), means[one.objective]
    gap: dict[str, float] = {}
    for ceiling in CEILINGS:
        top = means.get(ceiling)
        if floor is not None and top is not None and own is not None and top > floor:
            gap[ceiling] = (own - floor) / (top - floor)
    kind = "ours" if is_ours(one.objective) else "oracle" if is_oracle(one.objective) else "published"
    seeds = tuple(row["seed"] for row in one.rows)
    at_limit = sum(row["epoch"] == row["epochs_run"] - 1 for row in one.rows)
    return Result(one.objective, kind, row["start"], row["rule"], row["learning_rate"], seeds, figures, gap, at_limit)


# --- differences ----------------------------------------------------------------------------------------


def compare(ours: _Chosen, other: _Chosen, metric: str) -> Paired | None:
    """The first less the second over the seeds that both have; None where there are none."""
    a, b = ours.values(metric), other.values(metric)
    seeds = [seed for seed in a if seed in b]
    if not seeds:
        return None
    higher = METRICS[metric].higher
    x, y = np.array([a[seed] for seed in seeds]), np.array([b[seed] for seed in seeds])
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        gap = float(np.isinf(x).sum() - np.isinf(y).sum()) * math.inf if np.isinf(x).sum() != np.isinf(y).sum() else 0.0
        return Paired(other.objective, metric, gap, None, None, len(seeds), _outcome(gap, None, higher))
    each = x - y
    error = float(stats.sem(each)) if len(seeds) > 1 else None
    p = None
    if error is not None and error > 1e-9 * max(1e-9, float(np.abs(each).max())):
        p = float(stats.ttest_rel(x, y).pvalue)
    difference = float(each.mean())
    return Paired(other.objective, metric, difference, error, p, len(seeds), _outcome(difference, p, higher))


def _outcome(difference: float, p: float | None, higher: bool | None) -> str:
    if difference == 0 or (p is not None and p >= LEVEL):
        return "level"
    return "ahead" if (difference > 0) == bool(higher) else "behind"


def _best(of: Sequence[_Chosen], metric: str) -> _Chosen | None:
    """By the mean of a metric."""
    sign = 1 if METRICS[metric].higher else -1
    scored = [(sign * mean, one) for one in of if (mean := one.mean(metric)) is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _finding(
    ours: _Chosen, published: Sequence[_Chosen], paired: Sequence[Paired], metric: str, full_f1: float | None
) -> Finding | None:
    best = _best(published, metric)
    mine, theirs = ours.mean(metric), None if best is None else best.mean(metric)
    if best is None or mine is None or theirs is None:
        return None
    pair = next((pair for pair in paired if (pair.objective, pair.metric) == (best.objective, metric)), None)
    if pair is None:
        return None
    said = {"ahead": "ahead of", "level": "level within noise with", "behind": "behind"}[pair.outcome]
    text = f"{METRICS[metric].name}: ours is {said} the best published objective, {best.objective}: "
    text += f"{ours.said(metric)} against {best.said(metric)}"
    if metric == "ece" and theirs > 0:
        text += f", {mine / theirs:.2f} times as large"
    if metric == "f1" and full_f1:
        text += f"; {100 * mine / full_f1:.0f} % of that of full labels"
    return Finding(metric, best.objective, pair.outcome, f"{text} ({doubt(pair)})")


def doubt(pair: Paired) -> str:
    """How much a difference is worth, in words."""
    if pair.p is not None:
        return f"paired over {pair.size} seeds, {in_words(pair.p)}"
    if math.isinf(pair.difference):
        return "infinite for one of the two: no test"
    if pair.size < 2:
        return "one seed: no test, may be noise"
    return f"the same difference in all {pair.size} seeds" if pair.difference else f"equal in all {pair.size} seeds"


def in_words(p: float) -> str:
    """``p = 0.012``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def at_limit(table: Table) -> str | None:
    """Which objectives were at their best in the last epoch, in words; None where none was."""
    found = [one for one in table.results if one.at_limit]
    if not found:
        return None
    said = ", ".join(f"{one.objective} ({one.at_limit} of {count(len(one.seeds), 'seed')})" for one in found)
    return f"Their last epoch was the best: {said}. They might do better with more epochs: raise fit.epochs."


def _serves(candidates: Sequence[_Chosen]) -> tuple[str, ...]:
    """Which objective would serve, by ranking and by probabilities, and which others are as good within noise."""
    said = []
    for metric, what in (("mAP", "For ranking"), ("nll", "For probabilities")):
        best = _best(candidates, metric)
        mean = None if best is None else best.mean(metric)
        if best is None or mean is None or len(candidates) < 2:
            continue
        pairs = [pair for other in candidates if other is not best and (pair := compare(best, other, metric)) is not None]
        untested = any(pair.p is None and pair.size < 2 for pair in pairs)
        level = [pair.objective for pair in pairs if pair.outcome == "level"]
        text = f"{what}, {best.objective} serves these data best: {METRICS[metric].name} {best.said(metric)}."
        if untested:
            text += " One seed cannot tell whether the others are worse by more than noise."
        elif level:
            text += f" Within noise of it: {', '.join(level)}."
        else:
            text += " Every other objective is worse by more than noise."
        said.append(text)
    return tuple(said)
