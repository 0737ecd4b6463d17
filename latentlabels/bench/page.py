"""What a comparison leaves in its folder: `results.csv`, `results.json`, and `report.html`, a page without scripts."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ..objectives import OBJECTIVES
from ..show.blocks import Beside, Block, Cell, Details, Heading, Item, Listing, Row, Section, Source, Span, Text, Words
from ..show.blocks import Table as TableBlock
from ..show.pages import embedded
from ..show.pages import page as whole_page
from ..words import NONE, count
from ..writing import write_json, write_text
from .charts import comparison, tradeoff
from .fits import OURS
from .grid import Grid, cores
from .results import CEILINGS, METRICS, TESTED, WITHOUT_IMAGE, DataSet, Paired, Result, Spread, Summary, Table
from .summary import LEVEL, at_limit, in_words
from .tasks import Task
from .variants import base_of

_MAIN = ("mAP", "nll", "brier", "ece", "f1", "f1_expected", "f1_best")
_MORE = ("count_error", "count", "group_accuracy", "epoch", "seconds", "peak_mb")
_MARKS = {"ahead": "▲", "level": "=", "behind": "▼"}
_SAID = {
    OURS: "Averages exactly over every combination the missing labels could take, given how the known labels came about.",
    WITHOUT_IMAGE: "Predicts each label's prevalence for every image, from the known labels alone. What any fit must beat.",
}
_HOW = (
    "All objectives share data, encoder, training loop and budget. Each is fitted with every learning rate and seed; one "
    "training run keeps the best weights by each stopping rule.",
    "Honest: known labels choose the learning rate, by the mean held-out score of the stopping rule. For each published "
    "objective the better of two rules counts, judged by test mAP: its own value on held-out known labels, or the mAP against "
    "them. Ours always uses the first rule, its default.",
    "Generous: the mAP against complete labels of the held-out images chooses epoch and learning rate, as the papers do. "
    "Nobody with missing labels can do that.",
    "Objectives that learn from complete labels are ceilings. Seconds and memory are those of a training run in its own "
    "process, libraries included. ECE: expected calibration error, in 15 bins of equal width.",
    "F1 is micro F1. F1 own: at the threshold that maximises the expected F1 under the objective's own probabilities, which "
    "reads no label. F1 best: at the one that the test labels ask for, which nobody has; it bounds what a threshold can reach.",
    "“:true-count”: the objective is told the true number of labels per image of the training images, as its paper does. "
    "Everybody else has to state it, or derives it from the known labels.",
    "Digits: a figure has as many as its standard error over seeds allows; with one seed, as many as the number of test images "
    "allows.",
)


def machine() -> dict[str, Any]:
    """What the figures were made on."""
    versions: dict[str, str | None] = {"python": platform.python_version(), "torch": torch.__version__}
    for package in ("latentlabels", "numpy", "lightning", "scikit-learn", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {"cores": os.cpu_count(), "cores used": cores(), "platform": platform.platform(), "versions": versions}


def write_results(out: str | Path, summary: Summary, tasks: Sequence[Task], grid: Grid) -> dict[str, Any]:
    """Write the table as CSV, as JSON and as a page, replacing earlier ones.

    Args:
        out: the folder of the rows.
        summary: of `summarize`.
        tasks: that were compared on.
        grid: what was fitted.

    Returns:
        What `results.json` holds.
    """
    folder = Path(out)
    settings = {
        task.name: {
            "annotation": task.annotation.to_config(),
            "model": dict(task.model),
            "fit": dict(task.fit),
        }
        for task in tasks
    }
    document = {
        "grid": {key: list(value) for key, value in vars(grid).items()},
        "settings": settings,
        "machine": machine(),
        **summary.to_dict(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(document, default=str, allow_nan=False))
    write_text(folder / "results.csv", summary.to_frame().to_csv(index=False))
    write_json(folder / "results.json", plain)
    write_text(folder / "report.html", page(summary, plain))
    return plain


def page(summary: Summary, document: Mapping[str, Any]) -> str:
    """The page; templates escape names, whatever they hold."""
    names = [data.name for data in summary.data]
    there = dict.fromkeys(one.objective for data in summary.data for table in data.tables for one in table.results)
    fitted = sum(name != WITHOUT_IMAGE for name in there)
    lead = f"{count(fitted, 'objective')} on {count(len(names), 'data set')}: {', '.join(names)}."
    sections = [
        *(Section(data.name, _data(data)) for data in summary.data),
        Section("Fits that failed", _failures(summary)),
        Section("The objectives", _objectives(there)),
        Section("How they were compared", _how(document)),
    ]
    return whole_page("Comparison of objectives", [Text(lead, "lead"), *_overview(summary)], sections, wide=True)


# --- parts ----------------------------------------------------------------------------------------------


def _overview(summary: Summary) -> list[Block]:
    """A row for each data set and table: where ours is by each metric."""
    rows = []
    for data in summary.data:
        for table in data.tables:
            if table.findings:
                marks: dict[str, Words] = {
                    found.metric: [
                        Span(f"{_MARKS[found.outcome]} {found.outcome}", found.outcome), " ", Span(found.best, "small")
                    ]
                    for found in table.findings
                }  # fmt: skip
                rows.append(Row((data.name, _title(table), *(Cell(marks.get(metric, "")) for metric in TESTED))))
    if not rows:
        return []
    head = ("data", "protocol", *(METRICS[metric].name for metric in TESTED))
    note = (
        "Our objective compared with the best published one by each metric, whose name follows. “Level”: the difference is "
        "within noise."
    )
    return [Text(note, "quiet"), TableBlock(head, rows, kind="bench")]


def _title(table: Table) -> str:
    start = ", same start at the prior" if table.start == "prior" else ", the losses' own start"
    return f"{table.protocol}{start}"


def _data(data: DataSet) -> list[Block]:
    facts = (
        f"{count(data.num_train, 'training image')} with {data.known_count:.2f} known labels each, "
        f"{count(data.num_test, 'test image')} with {data.true_count:.2f} true labels each, {count(data.num_labels, 'label')}."
    )
    blocks: list[Block] = [Text(f"{facts} Source: {data.source}." if data.source else facts, "quiet")]
    starts = dict.fromkeys(table.start for table in data.tables)
    for start in starts:
        if len(starts) > 1:
            blocks.append(Heading("Every head starts at the prior" if start == "prior" else "Each loss uses its own start"))
        blocks += _start(data, {table.protocol: table for table in data.tables if table.start == start})
    return blocks


def _start(data: DataSet, tables: Mapping[str, Table]) -> list[Block]:
    """The tables of one start, by protocol."""
    honest = tables.get("honest")
    blocks: list[Block] = []
    if honest is not None:
        blocks += _verdict(honest)
        alt = f"mAP, negative log-likelihood and calibration error of each objective on {data.name}"
        blocks.append(embedded(comparison(honest, tables.get("generous")), alt))
    blocks.append(Beside([_main(table, data.num_test) for table in tables.values()]))
    if honest is not None:
        blocks.append(embedded(tradeoff(honest), f"mAP and negative log-likelihood of each objective on {data.name}"))
    for table in tables.values():
        ended = at_limit(table)
        blocks += [] if ended is None else [Text(f"{table.protocol.capitalize()}: {ended}", "quiet")]
        blocks += _paired(table)
        blocks.append(Details(f"Everything else, {table.protocol}", _more(table, data.num_test)))
    return blocks


def _verdict(table: Table) -> list[Block]:
    items = [Item(finding.text, finding.outcome) for finding in table.findings]
    said: list[Block] = [Text(text) for text in table.serves]
    return [*said, *([Listing(items, "verdict")] if items else [])]


def _main(table: Table, size: int) -> TableBlock:
    best = {metric: _best(table.results, metric) for metric in _MAIN}
    rows = []
    for one in table.results:
        cells = [
            Cell(_figure(one.figures.get(metric), metric, size), "best" if one.objective == best[metric] else "")
            for metric in _MAIN
        ]
        rows.append(Row((Cell(_named(one)), *cells), one.kind))
    title = {"honest": "Honest: known labels choose", "generous": "Generous: complete labels choose"}[table.protocol]
    return _table(("objective", *(METRICS[metric].title for metric in _MAIN)), rows, title)


def _more(table: Table, size: int) -> list[Block]:
    head = ("objective", "start", "rule", "learning rate", "seeds", *(METRICS[metric].title for metric in _MORE))
    head = (*head, *(f"gap to {ceiling} %" for ceiling in CEILINGS))
    rows = []
    for one in table.results:
        fitted = one.objective != WITHOUT_IMAGE
        cells: list[Cell | str] = [Cell(_named(one))]
        cells += [one.start, one.rule, f"{one.learning_rate:g}", str(len(one.seeds))] if fitted else [NONE] * 4
        cells += [Cell(_figure(one.figures.get(metric), metric, size)) for metric in _MORE]
        cells += [f"{100 * one.gap[top]:.0f}".replace("-", "−") if top in one.gap else NONE for top in CEILINGS]
        rows.append(Row(cells, one.kind))
    note = "Gap: how far in mAP from assume-negative (0 %) to the ceiling (100 %)."
    return [Text(note, "quiet"), _table(head, rows)]


def _paired(table: Table) -> list[Block]:
    if not table.paired:
        return []
    rows = []
    for other in dict.fromkeys(pair.objective for pair in table.paired):
        found = {pair.metric: pair for pair in table.paired if pair.objective == other}
        cells = [Cell(_difference(found[metric])) if metric in found else NONE for metric in TESTED]
        rows.append(Row((other, *cells), next(one.kind for one in table.results if one.objective == other)))
    seeds = max(pair.size for pair in table.paired)
    note = (
        "Ours minus the other objective: mean over seeds, standard error, and p of a paired, two-sided t-test. ▲ ours is "
        f"better, ▼ worse, = within noise (p at least {LEVEL:g}). "
        f"With {count(seeds, 'seed')} and many tests, read a single p with care."
    )
    blocks: list[Block] = [Text(note, "quiet"), _table(("ours minus", *(METRICS[metric].title for metric in TESTED)), rows)]
    return [Details(f"Paired differences, {table.protocol}", blocks)]


def _difference(pair: Paired) -> list[str | Span]:
    how = METRICS[pair.metric]
    said = f" {how.show(pair.difference, sign=True, error=pair.standard_error)}"
    if pair.standard_error is not None:
        said += f" ± {how.show(pair.standard_error, error=pair.standard_error)}"
    p: list[str | Span] = [] if pair.p is None else [" ", Span(in_words(pair.p), "small")]
    return [Span(_MARKS[pair.outcome], pair.outcome), said, *p]


def _failures(summary: Summary) -> list[Block]:
    if not summary.failures:
        return []
    rows = [
        Row([Cell(str(cell), "wide" if place == 5 else "") for place, cell in enumerate(vars(failure).values())])
        for failure in summary.failures
    ]
    note = "Their seeds are missing from the tables. Run the same command again to repeat them."
    head = ("data", "objective", "start", "learning rate", "seed", "error")
    return [Text(note, "quiet"), TableBlock(head, rows, frozenset((3, 4)), kind="bench")]


def _objectives(names: Iterable[str]) -> list[Block]:
    rows = []
    for name in names:
        base = base_of(name)
        documented = (OBJECTIVES[base].__doc__ or "").strip().split("\n\n")[0] if base in OBJECTIVES else ""
        documented += " It is told the true number of labels per image." if base != name else ""
        rows.append(Row((name, Cell(" ".join(_SAID.get(name, documented).split()), "wide"))))
    return [TableBlock(("objective", "what it does"), rows, kind="bench")]


def _how(document: Mapping[str, Any]) -> list[Block]:
    grid = document["grid"]
    tried = (
        f"Learning rates {', '.join(f'{rate:g}' for rate in grid['learning_rates'])}; seeds "
        f"{', '.join(map(str, grid['seeds']))}; starts {', '.join(grid['starts'])}."
    )
    details = json.dumps({key: document[key] for key in ("settings", "machine")}, indent=1, ensure_ascii=False, default=str)
    return [*(Text(text) for text in (*_HOW, tried)), Details("Settings and machine", [Source(details)])]


# --- cells ----------------------------------------------------------------------------------------------


def _named(one: Result) -> list[str | Span]:
    notes = {"ours": "(ours)", "oracle": "(complete labels)"}
    note: list[str | Span] = [" ", Span(notes[one.kind], "small")] if one.kind in notes else []
    return [one.objective, *note]


def _figure(found: Spread | None, metric: str, size: int) -> list[str | Span]:
    if found is None:
        return [NONE]
    how = METRICS[metric]
    error = found.error(how, size)
    spread: list[str | Span] = [] if found.sd is None else [" ", Span(f"± {how.show(found.sd, error=error)}", "small")]
    return [how.show(found.mean, error=error), *spread]


def _best(of: Sequence[Result], metric: str) -> str | None:
    sign = 1 if METRICS[metric].higher else -1
    fitted = [one for one in of if one.kind in ("ours", "published") and metric in one.figures]
    scored = [(sign * one.figures[metric].mean, one.objective) for one in fitted]
    return max(scored)[1] if scored else None


def _table(head: Sequence[str], rows: Sequence[Row], caption: str = "") -> TableBlock:
    """Figures, set to the right beside a name."""
    return TableBlock(head, rows, frozenset(range(1, len(head))), caption=caption, kind="bench")
