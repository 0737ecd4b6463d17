"""What is left in the folder: a page without scripts that escapes names, figures that hold every objective."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bench.handmade import row
from matplotlib.backends.backend_agg import FigureCanvasAgg

from latentlabels.bench import Task
from latentlabels.bench.charts import comparison, tradeoff
from latentlabels.bench.fits import Row
from latentlabels.bench.grid import Grid
from latentlabels.bench.page import write_results
from latentlabels.bench.results import Table
from latentlabels.bench.summary import summarize

RULES = ("likelihood", "known-map", "truth-map")
MANY = [f"published-objective-{number:02d}" for number in range(22)]
ALL = ["collapsed", "assume-negative", *MANY, "one-positive-all-negatives", "full-labels"]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlabels.bench import summary

    monkeypatch.setattr(summary, "is_oracle", lambda name: name in ("one-positive-all-negatives", "full-labels"))


def many(data: str = "d") -> list[Row]:
    rng = np.random.default_rng(0)
    found = []
    for number, objective in enumerate(ALL):
        mean, nll = 0.6 + 0.002 * number, 2 + 0.02 * number
        if number == 5:
            nll = math.inf
        if number == 6:
            mean, nll = 0.1, 40.0
        for rule in RULES:
            for seed in range(3):
                m = mean + 0.001 * float(rng.normal())
                found.append(row(objective, seed, rule=rule, mAP=m, nll=nll + 0.01 * float(rng.normal())) | {"data": data})
    return found


@pytest.fixture
def table(task: Task) -> Table:
    return summarize(many(), [task]).data[0].tables[0]


class Reader(HTMLParser):
    """Tags, and whether they are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_the_folder(task: Task, tmp_path: Path) -> None:
    evil = '<script>alert("x")</script> & Söhne'
    tasks = [replace(task, source="a/<b>.npz"), replace(task, name=evil)]
    failed = {"data": evil, "objective": "em", "start": "prior", "learning_rate": 1e-3, "seed": 4, "error": "<i>nan</i>"}
    document = write_results(tmp_path, summarize([*many(), *many(evil), failed], tasks), tasks, Grid(tuple(ALL)))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    tags = {tag for tag, _ in reader.tags}
    assert not tags & {"script", "link", "iframe", "i"}
    assert "default-src 'none'" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    for name in (evil, "without the image", "a/<b>.npz", "<i>nan</i>", *MANY):
        assert name in reader.text
    assert "Honest: known labels choose" in reader.text and "Generous: complete labels choose" in reader.text
    assert "infinite" in reader.text
    alts = [attrs["alt"] for tag, attrs in reader.tags if tag == "img"]
    assert len(alts) == 4 and all(alts)
    assert json.loads((tmp_path / "results.json").read_text()) == document
    assert document["grid"]["seeds"] == [0, 1, 2, 3, 4]
    assert document["machine"]["cores"] >= 1
    frame = pd.read_csv(tmp_path / "results.csv")
    assert len(frame) == 2 * 2 * (len(ALL) + 1)  # and the row without the image


def test_the_page_says_where_epochs_ran_out(task: Task, tmp_path: Path) -> None:
    found = [*many(), *(row("role:true-count", s, epoch=4, epochs_run=5, f1_expected=0.71, f1_best=0.72) for s in range(3))]
    write_results(tmp_path, summarize(found, [task]), [task], Grid(tuple(ALL)))
    reader = Reader()
    reader.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Honest: Their last epoch was the best: role:true-count (3 of 3 seeds)." in reader.text
    assert "F1 own %" in reader.text and "F1 best %" in reader.text
    assert "It is told the true number of labels per image." in reader.text


def test_a_page_of_nothing_but_failures(task: Task, tmp_path: Path) -> None:
    failed = {"data": "d", "objective": "collapsed", "start": "prior", "learning_rate": 1e-3, "seed": 4, "error": "no memory"}
    write_results(tmp_path, summarize([failed], [task]), [task], Grid(("collapsed",)))
    assert "no memory" in (tmp_path / "report.html").read_text()


def boxes(figure: Any, names: list[str]) -> dict[str, Any]:
    """Where each name stands in the drawn figure, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = {}
    for ax in figure.axes:
        for text in ax.texts:
            name = text.get_text().split(",")[0]
            if name in names:
                found[name] = text.get_window_extent(renderer)
    return found


@pytest.mark.parametrize("both", [True, False])
def test_the_rows_have_a_name_each_and_nothing_overlaps(task: Task, table: Table, both: bool) -> None:
    generous = summarize(many(), [task]).data[0].tables[1]
    figure = comparison(table, generous if both else None)
    _apart(figure, boxes(figure, ALL))


def test_names_beside_dots_do_not_overlap(table: Table) -> None:
    figure = tradeoff(table)
    found = boxes(figure, ALL)
    _apart(figure, found)
    said = {text.get_text() for text in figure.axes[0].texts}
    assert f"{ALL[5]}, infinite" in said
    assert any(text.startswith(f"{ALL[6]}, mAP 10.") and text.endswith("%, 40.0") for text in said)


def _apart(figure: Any, found: dict[str, Any]) -> None:
    assert set(found) == set(ALL)
    page = figure.bbox
    for name, box in found.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, name
        for other, its in found.items():
            assert other == name or not box.padded(-1).overlaps(its.padded(-1)), (name, other)


def test_figures_of_few_and_of_nothing_finite(task: Task) -> None:
    for nll in (2.0, math.inf):
        only = summarize([row("collapsed", nll=nll)], [task]).data[0].tables[0]
        for figure in (comparison(only), tradeoff(only)):
            figure.draw_without_rendering()
