"""What a comparison leaves in its folder: `results.csv`, `results.json`, and `report.html`, a page without scripts."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ..objectives import OBJECTIVES
from ..report.layout import embedded, section
from ..report.layout import page as whole_page
from ..writing import write_text
from .charts import standings, tradeoff
from .fits import OURS
from .grid import Grid, cores
from .results import CEILINGS, METRICS, TESTED, DataSet, Paired, Spread, Standing, Summary, Table
from .summary import LEVEL, in_words
from .tasks import Task

_MAIN = ("mAP", "nll", "brier", "ece", "f1")
_MORE = ("count_error", "count", "group_accuracy", "epoch", "seconds", "peak_mb")
_MARKS = {"ahead": "▲", "level": "=", "behind": "▼"}
_OURS = "What is unknown is summed over, exactly, as the annotation says that labels came to be known."

_CSS = """
main { max-width: 96rem; }
p, ul { max-width: 72rem; }
.pair { column-gap: 1.5rem; }
.pair .scroll { flex: 0 1 auto; max-width: 100%; }
.bench td, .bench th { min-width: 0; padding-right: 0.55rem; white-space: nowrap; font-size: 0.875rem; }
.bench td.wide { white-space: normal; min-width: 20rem; max-width: 52rem; }
.bench caption { text-align: left; font-weight: 600; padding: 0.5rem 0; }
.bench small { color: var(--quiet); font-size: 0.8em; }
tr.ours td { background: var(--card); font-weight: 600; }
tr.oracle td { color: var(--quiet); }
td.best { text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px; }
.verdict { list-style: none; padding: 0; margin: 1rem 0; }
.verdict li { padding: 0.3rem 0 0.3rem 1.9rem; position: relative; overflow-wrap: anywhere; }
.verdict li::before { position: absolute; left: 0.3rem; font-weight: 700; }
.ahead { color: var(--good); } .behind { color: var(--bad); } .level { color: var(--quiet); }
li.ahead, li.behind, li.level { color: inherit; }
li.ahead::before { content: "▲"; color: var(--good); } li.behind::before { content: "▼"; color: var(--bad); }
li.level::before { content: "="; color: var(--quiet); }
:root { --good: #00734f; --bad: #b34700; }
@media (prefers-color-scheme: dark) { :root { --good: #3fc79a; --bad: #f08a3c; } }
"""


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
    write_text(folder / "results.csv", summary.to_frame().to_csv(index=False))
    text = json.dumps(document, indent=1, ensure_ascii=False, default=str, allow_nan=False)
    write_text(folder / "results.json", text + "\n")
    write_text(folder / "report.html", page(summary, document))
    found: dict[str, Any] = json.loads(text)
    return found


def page(summary: Summary, document: Mapping[str, Any]) -> str:
    """The page; names are escaped, whatever they hold."""
    names = [data.name for data in summary.data]
    there = dict.fromkeys(one.objective for data in summary.data for table in data.tables for one in table.standings)
    lead = f"{len(there)} objectives on {len(names)} data set{'s' * (len(names) != 1)}: {', '.join(names)}."
    parts = [
        "<h1>Which objective serves these data?</h1>",
        f'<p class="lead">{escape(lead)}</p>',
        _overview(summary),
        *(section(escape(data.name), _data(data)) for data in summary.data),
        section("Fits that failed", _failures(summary)),
        section("The objectives", _objectives(there)),
        section("How it was compared", _how(document)),
    ]
    return whole_page("Comparison of objectives", "\n".join(part for part in parts if part), _CSS)


# --- parts ----------------------------------------------------------------------------------------------


def _overview(summary: Summary) -> str:
    """A row for each data set and table: where ours is by each metric."""
    rows = []
    for data in summary.data:
        for table in data.tables:
            if table.findings:
                marks = {found.metric: f'<span class="{found.outcome}">{_MARKS[found.outcome]} {found.outcome}</span>'
                         f" <small>{escape(found.best)}</small>" for found in table.findings}  # fmt: skip
                rows.append((escape(data.name), escape(_title(table)), *(marks.get(metric, "") for metric in TESTED)))
    if not rows:
        return ""
    head = ("data", "protocol", *(METRICS[metric].name for metric in TESTED))
    note = "Ours beside the best published objective by each metric, which is named. “Level” is a difference within noise."
    return f'<p class="quiet">{note}</p>\n' + _grid(head, rows)


def _title(table: Table, lone: bool = False) -> str:
    start = "" if lone else ", same start at the prior" if table.start == "prior" else ", the losses' own start"
    return f"{table.protocol}{start}"


def _data(data: DataSet) -> str:
    facts = (
        f"{data.num_train:,} training images with {data.known_count:.2f} known labels each, {data.num_test:,} test images with "
        f"{data.true_count:.2f} true labels each, {data.num_labels:,} labels. Source: {data.source}."
    )
    parts = [f'<p class="quiet">{escape(facts)}</p>']
    for start in dict.fromkeys(table.start for table in data.tables):
        tables = {table.protocol: table for table in data.tables if table.start == start}
        honest = tables.get("honest")
        if len({table.start for table in data.tables}) > 1:
            parts.append(
                f"<h3>{'Every head starts at the prior' if start == 'prior' else 'The losses start as they please'}</h3>"
            )
        if honest is not None:
            parts.append(_verdict(honest))
            alt = f"mAP, negative log-likelihood and calibration error of each objective on {data.name}"
            parts.append(embedded(standings(honest, tables.get("generous")), alt))
        parts.append(f'<div class="pair">{"".join(_main(table) for table in tables.values())}</div>')
        if honest is not None:
            parts.append(embedded(tradeoff(honest), f"mAP and negative log-likelihood of each objective on {data.name}"))
        for table in tables.values():
            parts.append(_paired(table))
            parts.append(f"<details><summary>Everything else, {table.protocol}</summary>{_more(table)}</details>")
    return "\n".join(parts)


def _verdict(table: Table) -> str:
    found = "".join(f'<li class="{finding.outcome}">{escape(finding.text)}</li>' for finding in table.findings)
    said = "".join(f"<p>{escape(text)}</p>" for text in table.serves)
    return f'{said}<ul class="verdict">{found}</ul>'


def _main(table: Table) -> str:
    best = {metric: _best(table.standings, metric) for metric in _MAIN}
    rows, kinds = [], []
    for one in table.standings:
        cells: list[tuple[str, str]] = [(_named(one), "")]
        for metric in _MAIN:
            cells.append((_figure(one.figures.get(metric), metric), "best" if one.objective == best[metric] else ""))
        rows.append(cells)
        kinds.append(one.kind)
    title = {"honest": "Honest: known labels choose", "generous": "Generous: complete labels choose"}[table.protocol]
    head = ("objective", *(METRICS[metric].title for metric in _MAIN))
    return _cells(head, rows, kinds, title)


def _more(table: Table) -> str:
    head = ("objective", "start", "rule", "learning rate", "seeds", *(METRICS[metric].title for metric in _MORE))
    head = (*head, *(f"gap to {ceiling} %" for ceiling in CEILINGS))
    rows = []
    for one in table.standings:
        row = [_named(one), one.start, one.rule, f"{one.learning_rate:g}", str(len(one.seeds))]
        row += [_figure(one.figures.get(metric), metric) for metric in _MORE]
        row += [f"{100 * one.gap[ceiling]:.0f}".replace("-", "−") if ceiling in one.gap else "–" for ceiling in CEILINGS]
        rows.append([(cell, "") for cell in row])
    note = "Gap: how far in mAP from assume-negative (0 %) to the ceiling (100 %)."
    return f'<p class="quiet">{note}</p>' + _cells(head, rows, [one.kind for one in table.standings])


def _paired(table: Table) -> str:
    if not table.paired:
        return ""
    others = dict.fromkeys(pair.objective for pair in table.paired)
    rows, kinds = [], []
    for other in others:
        found = {pair.metric: pair for pair in table.paired if pair.objective == other}
        cells = [(escape(other), "")]
        cells += [(_difference(found[metric]), "") if metric in found else ("–", "") for metric in TESTED]
        rows.append(cells)
        kinds.append(next(one.kind for one in table.standings if one.objective == other))
    note = (
        "Mean over seeds of ours less the other, with its standard error and the p of a paired, two-sided t-test. ▲ ours is "
        f"better, ▼ worse, = within noise (p of at least {LEVEL:g}). Five seeds are few, and many tests are made."
    )
    head = ("ours less", *(METRICS[metric].title for metric in TESTED))
    body = f'<p class="quiet">{note}</p>{_cells(head, rows, kinds)}'
    return f"<details><summary>Paired differences, {table.protocol}</summary>{body}</details>"


def _difference(pair: Paired) -> str:
    how = METRICS[pair.metric]
    said = how.show(pair.difference, sign=True)
    if pair.standard_error is not None:
        said += f" ± {how.show(pair.standard_error)}"
    if pair.p is not None:
        said += f" <small>{escape(in_words(pair.p))}</small>"
    return f'<span class="{pair.outcome}">{_MARKS[pair.outcome]}</span> {said}'


def _failures(summary: Summary) -> str:
    if not summary.failures:
        return ""
    rows = [
        [(escape(str(cell)), "wide" if place == 5 else "") for place, cell in enumerate(vars(failure).values())]
        for failure in summary.failures
    ]
    note = "Their seeds are missing from the tables. The same command tries them again."
    head = ("data", "objective", "start", "learning rate", "seed", "error")
    return f'<p class="quiet">{note}</p>' + _cells(head, rows, [""] * len(rows))


def _objectives(names: Iterable[str]) -> str:
    rows = []
    for name in names:
        said = (
            _OURS if name == OURS else ((OBJECTIVES[name].__doc__ or "").strip().split("\n\n")[0] if name in OBJECTIVES else "")
        )
        rows.append([(escape(name), ""), (escape(" ".join(said.split())), "wide")])
    return _cells(("objective", "what it does"), rows, [""] * len(rows))


def _how(document: Mapping[str, Any]) -> str:
    grid = document["grid"]
    said = [
        "Same data, encoder, loop and budget for all: each objective is fitted with every learning rate and seed, in one "
        "training run of which the best weights by each stopping rule are kept.",
        "Honest: the learning rate is chosen by the mean held-out score of the rule, which reads known labels alone. For each "
        "published objective the better of two rules counts, by test mAP: its own value on held-out known labels, or the mAP "
        "against them. Ours always uses the first, its default.",
        "Generous: the mAP against complete labels of the held-out images chooses epoch and learning rate, as the papers do. "
        "Who has missing labels cannot do that.",
        "Objectives that learn from complete labels are ceilings. Seconds and memory are those of a training run in a "
        "process of its own, libraries included. ECE: expected calibration error, in 15 bins of equal width.",
        f"Learning rates {', '.join(f'{rate:g}' for rate in grid['learning_rates'])}; seeds "
        f"{', '.join(map(str, grid['seeds']))}; starts {', '.join(grid['starts'])}.",
    ]
    details = json.dumps({key: document[key] for key in ("settings", "machine")}, indent=1, ensure_ascii=False, default=str)
    body = "".join(f"<p>{escape(text)}</p>" for text in said)
    return f"{body}<details><summary>Settings and machine</summary><pre>{escape(details)}</pre></details>"


# --- cells ----------------------------------------------------------------------------------------------


def _named(one: Standing) -> str:
    return escape(one.objective) + (" <small>(ours)</small>" if one.kind == "ours" else "")


def _figure(found: Spread | None, metric: str) -> str:
    if found is None:
        return "–"
    how = METRICS[metric]
    return how.show(found.mean) + ("" if found.sd is None else f" <small>± {how.show(found.sd)}</small>")


def _best(of: Sequence[Standing], metric: str) -> str | None:
    sign = 1 if METRICS[metric].higher else -1
    scored = [(sign * one.figures[metric].mean, one.objective) for one in of if one.kind != "oracle" and metric in one.figures]
    return max(scored)[1] if scored else None


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [[(cell, "") for cell in row] for row in rows]
    return _cells(head, cells, [""] * len(cells), numeric=False)


def _cells(
    head: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], kinds: Sequence[str], title: str = "", numeric: bool = True
) -> str:
    """A table of cells that are escaped already, each with its class; rows have one too."""

    def cell(tag: str, place: int, text: str, kind: str) -> str:
        classes = " ".join(filter(None, ("num" if numeric and place and kind != "wide" else "", kind)))
        return f"<{tag}{f' class={chr(34)}{classes}{chr(34)}' if classes else ''}>{text}</{tag}>"

    wide = {place for row in rows for place, (_, kind) in enumerate(row) if kind == "wide"}
    top = "".join(cell("th", place, escape(name), "wide" if place in wide else "") for place, name in enumerate(head))
    body = "".join(
        f'<tr class="{kind}">{"".join(cell("td", place, *pair) for place, pair in enumerate(row))}</tr>\n'
        for row, kind in zip(rows, kinds, strict=True)
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return (
        f'<div class="scroll"><table class="bench">{caption}<thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )
