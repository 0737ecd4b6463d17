"""The report is read as a browser would: its text, its tables, its pictures; whatever a run folder holds or lacks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from latentlabels.errors import RunError
from latentlabels.evaluation import evaluate
from latentlabels.labels import Free, LabelSpace, OneOf
from latentlabels.report import write_report
from latentlabels.run import Run, environment, write_run

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
        Free("süß"),
    ]
)
HISTORY = [
    {"epoch": i, "train_log_likelihood": -3 + 0.1 * i, "held_out_log_likelihood": -3.1 + 0.1 * i, "predicted_count": 3.0}
    for i in range(3)
]
DIAGNOSTICS = {
    "num_images": 1200,
    "num_labels": 8,
    "expected_labels": 2.345,
    "expected_labels_source": "expected_labels, as stated",
    "predicted_count": 2.987,
    "best_epoch": 1,
    "stopped_early": True,
    "held_out_log_likelihood": -3.0,
    "seconds": 12.3,
    "never_known": ["4-doors"],
    "known_counts": {label: [0 if label == "4-doors" else 100 + k, 30] for k, label in enumerate(SPACE.labels)},
    "warnings": ["the fit predicts 2.99 labels per image: state expected_labels"],
}
CONFIG = {
    "annotation": {"kind": "uniform-positive"},
    "model": {"encoder": "tiny", "objective": "collapsed"},
    "fit": {"seed": 7},
}


class _Page(HTMLParser):
    """The text, the tables' rows, the pictures and the tags of a page; every tag must be closed in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.pictures: list[tuple[ElementTree.Element, str]] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(self.source)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "action", "data")]
        if tag == "img":
            kind, data = (given["src"] or "").split(",")
            assert kind == "data:image/svg+xml;base64"
            self.pictures.append((ElementTree.fromstring(base64.b64decode(data)), given["alt"] or ""))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.words.append(data)
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    def write(
        space: LabelSpace = SPACE, name: str = "run", config: Any = CONFIG, history: Any = HISTORY, **changes: Any
    ) -> Path:
        weights = {"head.weight": torch.zeros(9, 5), "head.bias": torch.zeros(9)}
        versions = environment(7, "0123456789abcdef")
        return write_run(tmp_path / name, Run(config, space, weights, history, versions, {**DIAGNOSTICS, **changes}))

    return write


def _evaluate(run: Path, space: LabelSpace = SPACE) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    p = rng.random((50, space.num_labels))
    truth = rng.random(p.shape) < p
    truth[:, 0] = False
    metrics = evaluate(truth, p, rng.normal(-4, 0.1, 50), space=space).to_dict()
    (run / "evaluation.json").write_text(json.dumps(metrics), encoding="utf-8")
    return metrics


def test_the_answer_comes_first(make: Callable[..., Path]) -> None:
    run = make()
    path = write_report(run)
    assert path == run / "report.html"
    page = _Page(path)
    text = page.text
    parts = [
        "run – latentlabels run 1,200 images, 8 labels: 2.99 labels per image are predicted, 2.35 were expected "
        "(source: expected_labels, as stated).",
        "encoder tiny · annotation uniform-positive · objective collapsed · seed 7 · fitted in 12 s · 54 weights",
        "images 1,200 0.60 labels known present, 0.20 known absent, in each",
        "predicted labels per image 2.99 2.35 were expected",
        "epoch kept 1 of 0 to 2, stopped early",
        "held-out log-likelihood −3.00 of the known labels, nats per image",
        "2 warnings the fit predicts 2.99 labels per image: state expected_labels",
        "1 of 8 labels are never known to be present: nothing can be learned of them, they keep their prior probability "
        "(4-doors)",
        "Training",
        "What was known Never known to be present: 4-doors.",
        "Label space 8 labels in 5 groups.",
        "Details All labels",
        "Configuration",
        "Environment",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert "Evaluation" not in text
    assert "Examples" not in text
    assert [len(list(svg)) > 0 for svg, _ in page.pictures] == [True, True]
    assert "log-likelihood of training and held-out images by epoch" in page.pictures[0][1]


def test_label_space_and_labels_are_tables(make: Callable[..., Path]) -> None:
    rows = _Page(write_report(make())).rows
    for row in (
        ["colour", "exactly one", "", "2", "blue, red"],
        ["vehicle", "one of them or none", "", "2", "car, bike"],
        ["doors", "exactly one", "car", "2", "2-doors, 4-doors"],
        ["free", "each label or not", "", "2", "striped, süß"],
        ["3", "car", "vehicle", "102", "30"],
        ["6", "4-doors", "doors", "0", "30"],
        ["8", "süß", "", "107", "30"],
    ):
        assert row in rows


def test_evaluation_is_a_table_and_a_picture(make: Callable[..., Path]) -> None:
    run = make()
    metrics = _evaluate(run)
    page = _Page(write_report(run))
    values = {row[0]: row[1] for row in page.rows if len(row) == 3}
    assert values["mean average precision"] == f"{100 * metrics['map']:.1f} %"
    assert values["calibration error"] == f"{100 * metrics['calibration_error']:.1f} %"
    assert values["Brier score"] == f"{metrics['brier']:.3f}"
    assert values["negative log-likelihood"] == f"{metrics['nll']:.2f}"
    assert values["labels that no image shows"] == "1"
    assert values["count negative log-likelihood"] == "–"
    assert ["2", "red", "colour", "101", "30", f"{100 * metrics['per_label_ap']['red']:.1f} %"] in page.rows
    assert ["1", "blue", "colour", "100", "30", "–"] in page.rows
    assert len(page.pictures) == 3
    assert "Measured on 50 images whose labels are all known." in page.text
    assert f"mean average precision {values['mean average precision']} 50 images" in page.text


def test_examples_are_a_picture_that_is_told_in_words(make: Callable[..., Path]) -> None:
    run = make(history=[], known_counts={})
    p = np.array([[0.9, 0.1, 0.7, 0.1, 0.2, 0.5, 0.1, 0.8], [0.1, 0.4, 0.3, 0.1, 0.0, 0.3, 0.2, 0.1]], np.float32)
    images = np.zeros((2, 3, 16, 16), np.uint8)
    np.savez_compressed(run / "examples.npz", images=images, marginals=p, observed=np.full((2, 8), -1))
    page = _Page(write_report(run))
    svg, alt = page.pictures[-1]
    assert "Examples The foremost labels of a few images." in page.text
    assert alt == "labels above 50 % – image 1: blue, car, süß; image 2: none"
    assert sum(part.tag.endswith("}image") for part in svg.iter()) == 2
    np.savez(run / "examples.npz", marginals=p, observed=np.eye(2, 8))
    page = _Page(write_report(run))
    assert "what is known of them is orange or says so" in page.text
    assert not [part for part in page.pictures[-1][0].iter() if part.tag.endswith("}image")]


def test_nothing_leaves_the_page(make: Callable[..., Path]) -> None:
    run = make()
    _evaluate(run)
    page = _Page(write_report(run))
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert not {"script", "link", "iframe", "object", "embed", "a"} & set(page.tags)
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", page.source).replace("http-equiv", "")
    assert "@import" not in page.source
    assert "url(" not in page.source
    assert "default-src 'none'" in page.source
    for svg, _ in page.pictures:
        references = [value for part in svg.iter() for key, value in part.attrib.items() if key.endswith("href")]
        assert all(value.startswith(("#", "data:image/png;base64,")) for value in references)
    assert "prefers-color-scheme: dark" in page.source


def test_what_users_name_stays_text(make: Callable[..., Path]) -> None:
    evil = "<script>alert(1)</script>"
    group = OneOf(f"group {evil}", [f"label {evil}", "\"><img src=x onerror='y'>"])
    space = LabelSpace([group, Free("a & b &amp;", requires=f"label {evil}")])
    counts = {label: [0, 0] for label in space.labels}
    run = make(
        space, "run <i>&'\"", {**CONFIG, "model": {"encoder": evil}}, never_known=list(space.labels), known_counts=counts,
        warnings=[evil], expected_labels_source=evil,
    )  # fmt: skip
    _evaluate(run, space)
    np.savez(run / "examples.npz", marginals=np.array([[1.0, 0.0, 1.0]]))
    page = _Page(write_report(run))
    assert "script" not in page.tags
    assert "i" not in page.tags
    assert page.tags.count("img") == len(page.pictures) == 4
    assert f"1: label {evil}, a & b &amp;" in page.pictures[-1][1]
    assert ["3", "a & b &amp;", "", "0", "0"] in [row[:5] for row in page.rows]
    assert "run <i>&'\"" in page.text
    assert page.text.count(evil) >= 6


def test_every_optional_piece_may_be_absent(make: Callable[..., Path]) -> None:
    run = make(LabelSpace.free(["x"]), "bare", {}, [])
    for name in ("metrics.jsonl", "diagnostics.json"):
        (run / name).unlink()
    page = _Page(write_report(run))
    assert not page.pictures
    assert "bare 1 label. 54 weights" in page.text
    assert "1 warning diagnostics.json is missing" in page.text
    assert "No epoch was recorded." in page.text
    assert "The run does not say what was known of its labels." in page.text
    assert ["1", "x", "", "–", "–"] in page.rows


def test_values_that_are_none(make: Callable[..., Path]) -> None:
    rows = [{"epoch": 0, "train_log_likelihood": -3.0, "held_out_log_likelihood": None, "predicted_count": None}]
    run = make(history=rows, best_epoch=-1, held_out_log_likelihood=None, never_known=[], warnings=[], stopped_early=False)
    (run / "evaluation.json").write_text('{"map": null, "num_images": 3, "calibration": null}')
    text = _Page(write_report(run)).text
    assert "No warnings." in text
    assert "epoch kept – of 0 to 0" in text
    assert "held-out log-likelihood – " in text
    assert "mean average precision – 3 images" in text


def test_another_objective_is_no_log_likelihood(make: Callable[..., Path]) -> None:
    page = _Page(write_report(make(config={**CONFIG, "model": {"objective": "focal"}})))
    assert "held-out negative focal loss −3.00 the higher, the better" in page.text
    assert "log-likelihood" not in page.text


@pytest.mark.parametrize("content", ["{", "[1]", '{"calibration": {"predicted": [0.5]}}', '{"calibration": 3}'])
def test_a_damaged_evaluation_is_a_warning(make: Callable[..., Path], content: str) -> None:
    run = make(history=[], known_counts={})
    (run / "evaluation.json").write_text(content)
    text = _Page(write_report(run)).text
    assert "3 warnings" in text
    assert "evaluation.json could not be read: " in text
    assert "Measured on" not in text


def test_damaged_examples_are_a_warning(make: Callable[..., Path]) -> None:
    run = make(history=[], known_counts={})
    for content in (b"", b"no archive"):
        (run / "examples.npz").write_bytes(content)
        assert "examples.npz could not be shown: " in _Page(write_report(run)).text
    np.savez(run / "examples.npz", marginals=np.zeros((2, 3)))
    assert "but the space has 8 labels" in _Page(write_report(run)).text
    np.savez(run / "examples.npz", marginals=np.array([{"a": 1}], dtype=object))
    assert "examples.npz could not be shown: " in _Page(write_report(run)).text


def test_two_hundred_labels(make: Callable[..., Path]) -> None:
    space = LabelSpace.free(f"label {k}" for k in range(200))
    counts = {label: [k, 0] for k, label in enumerate(space.labels)}
    run = make(space, history=[], known_counts=counts, never_known=list(space.labels[:9]))
    page = _Page(write_report(run))
    assert "label 0, label 1, label 2, label 3, label 4 and 4 more" in page.text
    (row,) = [row for row in page.rows if row[0] == "free"]
    assert row[3] == "200"
    assert row[4].endswith("label 39 and 160 more")
    assert ["200", "label 199", "", "199", "0"] in page.rows


def test_the_same_run_gives_the_same_file(make: Callable[..., Path]) -> None:
    run = make()
    first = write_report(run).read_bytes()
    assert write_report(str(run)).read_bytes() == first  # type: ignore[arg-type, unused-ignore]


def test_a_folder_that_is_no_run_is_an_error(make: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        write_report(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="lacks config.yaml"):
        write_report(tmp_path / "empty")
    assert not (tmp_path / "empty" / "report.html").exists()
    for name, content in (("labels.json", "{}"), ("config.yaml", "[]"), ("environment.json", "{")):
        run = make(name=f"damaged {name}")
        (run / name).write_text(content)
        with pytest.raises(RunError, match="damaged"):
            write_report(run)
