"""The report is read as a browser would: its text, its tables, its pictures; whatever a run folder holds or lacks."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlabels.errors import DataError, RunError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting.run_folder import Run, environment, write_run
from latentlabels.metrics import evaluate
from latentlabels.report import write_report
from latentlabels.report.prediction_summary import find
from latentlabels.report.stored_predictions import EVALUATED, FITTED, StoredPredictions
from latentlabels.space import Free, LabelSpace, OneOf
from latentlabels.words import percent_of

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
    "expected_labels_source": "set by expected_labels",
    "predicted_count": 2.987,
    "best_epoch": 1,
    "stopped_early": True,
    "held_out_log_likelihood": -3.0,
    "seconds": 12.3,
    "never_known": ["4-doors"],
    "expected_labels_identified": True,
    "prior": {label: round(0.1 + 0.05 * k, 6) for k, label in enumerate(SPACE.labels)},
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
        self.cells: list[list[dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.scripts: list[str] = []
        self.policy = ""
        self.buttons = 0
        self.pictures: list[tuple[bytes, str]] = []
        self.charts: list[str] = []
        self.tags: list[str] = []
        self.anchors: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(self.source)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "action", "data")]
        assert not [key for key in given if key.startswith("on")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag == "section":
            self.anchors.append(given["id"] or "")
        if tag == "img":
            kind, data = (given["src"] or "").split(",")
            assert kind == "data:image/jpeg;base64"
            self.pictures.append((base64.b64decode(data), given["alt"] or ""))
        if given.get("role") == "img":
            self.charts.append(given["aria-label"] or "")
        if tag == "tr":
            self.rows.append([])
            self.cells.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.cells[-1].append({**given, "tag": tag, "buttons": "0"})
        if tag == "button":
            self.cells[-1][-1]["buttons"] = "1"
        if tag == "h2":
            self.sections[""] = ""
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"style", "nav"} & set(self._open):
            return
        if "script" in self._open:
            self.scripts.append(data)
            return
        if self._open and self._open[-1] == "h2":
            self.sections.pop("")
            self.sections[data] = ""
        elif self.sections and "section" in self._open:
            self.sections[list(self.sections)[-1]] += data
        self.words.append(data)
        if {"td", "th"} & set(self._open[-2:]):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return _flat(" ".join(self.words))

    def said(self, section: str) -> str:
        """The text of a section."""
        return _flat(self.sections[section])


def _flat(text: str) -> str:
    return " ".join(text.split())


def _found(space: LabelSpace = SPACE, pictures: bool = True, truth: bool = False, **changes: Any) -> StoredPredictions:
    """StoredPredictions of six images, made up."""
    rng = np.random.default_rng(1)
    size = space.num_labels
    p = rng.random((6, size))
    known = np.full((6, size), -1)
    known[np.arange(6), np.arange(6) % size] = 1
    together = np.minimum.outer(p.mean(0), p.mean(0))
    true = (rng.random((6, size)) < p).astype(np.int8)
    top = min(size, 3)
    found = StoredPredictions(
        num_images=np.array([6, 60]), source=np.array(""), num_known=np.array([6, 6]), prevalence=p.mean(0),
        count_probs=np.full(size + 1, 1 / (size + 1)), together_labels=np.arange(size), together=together,
        num_parts=np.array([6, 6]),
        pictures=rng.integers(0, 255, (6 if pictures else 0, 3, 96, 96), dtype=np.uint8), marginals=p, observed=known,
        truth=true if truth else np.empty((0, size)), examples=np.arange(2), sheet_labels=np.arange(top),
        sheet_shares=p[:, :top].mean(0), sheet=np.arange(6), suspect_rows=np.array([1]), suspect_labels=np.array([1 % size]),
        suspect_values=np.array([1]), suspect_probabilities=p[1, [1 % size]], suspect_instead=np.array([-1]),
        suspect_others=np.array([np.nan]), suspect_images=np.array(["photos/red/1.jpg"]),
        error_rows=np.array([2, 3] if truth else [], int), error_labels=np.array([1 % size, 0] if truth else [], int),
        truth_prevalence=true.mean(0) if truth else np.empty(0),
        truth_counts=np.bincount(true.sum(1)) / 6 if truth else np.empty(0),
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


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
        "run – latentlabels run Unknown This fit was not compared with a prediction that never looks at the image",
        '1 of 8 labels is weak: "4-doors" (never known to be present).',
        "2 warnings the fit predicts 2.99 labels per image: state expected_labels",
        "1 of 8 labels is never known to be present: 4-doors. The fit cannot learn it; it keeps its prior probability.",
        "1,200 images, 8 labels. The fit predicts 2.99 labels per image; 2.35 were expected (source: set by expected_labels).",
        "encoder tiny · annotation uniform-positive · objective collapsed · seed 7 · fitted in 12 s · 54 weights",
        "images 1,200 0.60 labels known to be present per image, 0.20 known to be absent",
        "predicted labels per image 2.99 2.35 expected",
        "epoch kept 2 of 3, stopped early",
        "held-out log-likelihood −3.00 of the known labels, nats per image",
        "Weak labels",
        "1 4-doors doors 0 Never known to be present Label images that show it, or remove it from the label space.",
        "What to do checked found what to do",
        "checks passed: ",
        "Evaluation against complete labels Not measured yet",
        "All labels",
        "Known labels Never known to be present: 4-doors.",
        "Predictions on the training images The run folder holds no predictions on images.",
        "Training",
        "Label space 8 labels: 2 free, 6 in 3 groups.",
        "Details",
        "Configuration",
        "Environment",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert "Examples" not in text
    assert [chart.partition(";")[0] for chart in page.charts] == [
        "log-likelihood of the known labels, nats per image by epoch", "predicted labels per image by epoch"
    ]  # fmt: skip
    assert "held out: −3.10 at first, −2.90 at last" in page.charts[0]


def test_label_space_and_labels_are_tables(make: Callable[..., Path]) -> None:
    rows = _Page(write_report(make())).rows
    for row in (
        ["colour", "exactly one", "", "2", "blue, red"],
        ["vehicle", "one of them or none", "", "2", "car, bike"],
        ["doors", "exactly one", "car", "2", "2-doors, 4-doors"],
        ["free", "each label or not", "", "2", "striped, süß"],
        ["3", "car", "vehicle", "102", "30", "20 %"],
        ["6", "4-doors", "doors", "0", "30", "35 %"],
        ["8", "süß", "", "107", "30", "45 %"],
    ):
        assert row in rows


def test_evaluation_is_a_table_and_a_picture(make: Callable[..., Path]) -> None:
    run = make()
    metrics = _evaluate(run)
    page = _Page(write_report(run))
    values = {row[0]: row[1] for row in page.rows if len(row) == 3}
    assert values["mean average precision (mAP)"] == percent_of(metrics["map"], 50)
    assert values["calibration error of all"] == percent_of(metrics["calibration_error"], 50)
    assert values["Brier score"] == f"{metrics['brier']:.3f}"
    assert values["negative log-likelihood"] == f"{metrics['nll']:.2f}"
    assert values["labels that no image shows"] == "1"
    assert "count negative log-likelihood" not in values  # neither was measured
    red = metrics["per_label"]["red"]
    figures = [percent_of(red[key], 50) for key in ("average_precision", "precision", "recall", "calibration_error")]
    assert ["2", "red", "colour", "101", "30", "15 %", str(red["support"]), *figures] in page.rows
    [blue] = [row for row in page.rows if row[:3] == ["1", "blue", "colour"]]
    assert blue[3:8] == ["100", "30", "10.0 %", "0", "–"]
    assert len(page.charts) == 4
    assert "Measured on 50 images with complete labels." in page.text
    assert f"mean average precision {values['mean average precision (mAP)']} 50 images" in page.text


def test_sections_stand_in_order_and_say_what_was_found(make: Callable[..., Path]) -> None:
    run = make()
    _evaluate(run)
    found = _found()
    found.write(run / FITTED)
    _found(truth=True).write(run / EVALUATED)
    page = _Page(write_report(run))
    assert list(page.sections) == [
        "What to do", "Worst errors", "Possible mistakes", "Evaluation against complete labels",
        "Confusion within a group", "All labels", "Known labels", "Predictions on the training images", "Examples",
        "Images by label", "Training", "Label space", "Details",
    ]  # fmt: skip
    assert page.said("Predictions on the training images").startswith(
        "6 of the 60 images that the run was fitted on, evenly spaced. Probabilities take the known labels of an image into "
        "account."
    )
    assert "A few of these images, with their true labels." in page.said("Evaluation against complete labels")
    values = [percent_of(value, 6) for value in found.prevalence]
    truth = [percent_of(value, 6) for value in _found(truth=True).truth_prevalence]
    for k, label in enumerate(SPACE.labels):
        (row,) = [row for row in page.rows if row[:2] == [str(k + 1), label]]
        assert row[6:8] == [values[k], truth[k]]
    assert ["red/1.jpg" in "/".join(row) for row in page.rows].count(True) == 1


def test_the_worst_errors_stand_with_what_the_images_show(make: Callable[..., Path]) -> None:
    run = make()
    found = _found(truth=True)
    truth = found.truth.copy()
    truth[2], truth[3] = 0, 0
    truth[2, 0], truth[3, 0] = 1, 1
    p = found.marginals.copy()
    p[2], p[3] = 0.1, 0.1
    p[2, 1], p[3, 0] = 0.9, 0.2
    dataclasses.replace(found, truth=truth, marginals=p).write(run / EVALUATED)
    said = _Page(write_report(run)).said("Worst errors")
    absent, missed = said.split("Present, but missed")
    assert absent.split("Found, but absent")[1].strip().endswith("red: 90 %; it shows blue")
    assert missed.strip().endswith("blue: 20 %; nothing in its place")
    _found(truth=True, error_rows=np.empty(0, int), error_labels=np.empty(0, int)).write(run / EVALUATED)
    assert "Worst errors" not in _Page(write_report(run)).sections


def test_a_weak_fit_is_never_given_an_all_clear(make: Callable[..., Path]) -> None:
    """mAP 32.7 %, macro-F1 15 % and a label at 0.6 %, which once had no warnings and nothing to do."""
    run = make(never_known=[], warnings=[], known_counts={label: [60, 30] for label in SPACE.labels}, predicted_count=2.4)
    plain = {"map": 0.07, "nll": 4.0, "brier": 0.05, "calibration_error_above": 0.002}
    labels = {
        label: {"support": 9, "average_precision": 0.006 if label == "red" else 0.4, "predicted": 0.009}
        for label in SPACE.labels
    }
    figures = {
        "num_images": 1500, "map": 0.327, "macro_f1": 0.15, "nll": 3.2, "brier": 0.04, "calibration_error_above": 0.01,
        "calibration_error": 0.001, "brier_skill": 0.2, "nll_skill": 0.2, "ranking_skill": 0.276, "without_image": plain,
        "per_label": labels,
    }  # fmt: skip
    (run / "evaluation.json").write_text(json.dumps(figures))
    page = _Page(write_report(run))
    first = page.text.split("latentlabels run ")[1]
    assert first.startswith("Weak On 1,500 completely labelled images, the mAP is 33 % (7.0 % without looking at the image)")
    assert (
        '1 of 8 labels is weak: "red" (hardly distinguished from other images; average precision 0.6 %, 0.6 % by chance).'
        in page.text
    )
    assert "No warnings" not in page.text
    assert [row[:2] for row in page.rows if row[2:] and row[2].startswith("Do not rely")] == [["verdict", "The fit is weak."]]
    assert "Look at its images" in page.said("Weak labels")


def test_confusion_is_a_table_of_shares(make: Callable[..., Path]) -> None:
    run = make()
    cells = [["car", "car", 6], ["car", "bike", 2], ["bike", None, 3], [None, None, 9], ["bad"], 3]
    (run / "evaluation.json").write_text(json.dumps({"num_images": 20, "confusion": {"vehicle": cells, "colour": 3}}))
    page = _Page(write_report(run))
    said = page.said("Confusion within a group")
    assert "car (8)7525" in said
    assert "bike (3)100" in said
    assert "none of them (9)100" in said
    for strange in (3, None, [], {"vehicle": {}}, {"vehicle": [[1, 2, None]]}):
        (run / "evaluation.json").write_text(json.dumps({"num_images": 20, "confusion": strange}))
        assert "Confusion within a group" not in _Page(write_report(run)).sections


def test_pictures_are_told_in_words(make: Callable[..., Path]) -> None:
    run = make()
    found = _found()
    found.write(run / FITTED)
    page = _Page(write_report(run))
    assert all(alt for _, alt in page.pictures)
    examples = [alt for _, alt in page.pictures if alt.startswith("above 50 %")]
    for alt, p in zip(examples, found.marginals[found.examples], strict=True):
        assert alt == f"above 50 %: {', '.join(label for label, x in zip(SPACE.labels, p, strict=True) if x > 0.5) or 'none'}"
    for label in ("blue", "red", "car"):
        assert sum(alt.startswith(f"{label}: ") for _, alt in page.pictures) == 6
    assert not re.search(r"image \d", page.said("Images by label"))  # the files of earlier versions hold no names
    _found(pictures=False).write(run / FITTED)
    page = _Page(write_report(run))
    assert "Embeddings have no pictures." in page.text
    assert "Images by label" not in page.sections
    assert not page.pictures
    _found(pictures=False, names=np.array([f"shop/{k}.jpg" for k in range(6)])).write(run / FITTED)
    page = _Page(write_report(run))
    assert not page.pictures
    assert "shop/0.jpg" in page.said("Examples") and "shop/5.jpg" in page.said("Images by label")


def test_what_is_said_of_the_images_is_true_of_them(make: Callable[..., Path]) -> None:
    run = make()
    for changes, said in (
        (
            {"num_images": [60, 60]},
            "All 60 images that the run was fitted on. Probabilities take the known labels",
        ),
        ({"num_known": [3, 0]}, "Known labels are not taken into account, because the label space contradicts them."),
        ({"num_known": [0, 0]}, "No labels of these images are known."),
        ({"num_images": [1, 1]}, "The one image that the run was fitted on."),
        ({"num_parts": [3, 6]}, "The number of labels per image (computed on 3 images)."),
        ({"num_parts": [6, 1]}, "the share that show that of a column (computed on 1 image)."),
    ):
        _found(**{key: np.array(value) for key, value in changes.items()}).write(run / FITTED)
        assert said in _Page(write_report(run)).said("Predictions on the training images")
    _found(source=np.array("new <photos>")).write(run / FITTED)
    said = _Page(write_report(run)).said("Predictions on these images")
    assert said.startswith("6 of the 60 images of new <photos>, evenly spaced.")


def test_tables_sort_by_the_one_script_that_is_allowed(make: Callable[..., Path]) -> None:
    run = make()
    _evaluate(run)
    _found().write(run / FITTED)
    page = _Page(write_report(run))
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    at = next(number for number, row in enumerate(page.rows) if row[:3] == ["column", "label", "group"])
    head = page.cells[at]
    assert all(cell["buttons"] == "1" for cell in head)
    numeric = [cell.get("class") == "num" for cell in head]
    assert numeric == [True, False, False, *[True] * 9]
    for row, cells in zip(page.rows[at + 1 : at + 9], page.cells[at + 1 : at + 9], strict=True):
        assert [cell.get("class") == "num" for cell in cells] == numeric
        for said, cell in zip(row, cells, strict=True):
            if cell.get("class") != "num":
                assert "data-value" not in cell
                continue
            value = cell["data-value"]
            assert (value == "") == (said == "–")
            if value:
                assert said in (f"{float(value):,.0f}", *(percent_of(float(value), size) for size in (6, 50, 1200)))


def test_the_statements_of_a_real_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((90, 3), np.int8)
    truth[np.arange(90), rng.integers(0, 2, 90)] = 1
    truth[:, 2] = rng.random(90) < 0.3
    observed = np.full((90, 3), -1, np.int8)
    for row in range(90):
        observed[row, rng.choice(np.flatnonzero(truth[row]))] = 1
    vectors = truth + 0.2 * rng.normal(size=truth.shape)
    space = LabelSpace([OneOf("colour", ["red", "blue"]), Free("striped")])
    model = LatentLabels(space, encoder="embedding", epochs=3).fit(vectors, observed)
    run = model.save(tmp_path / "run")
    find(model, vectors, observed).write(run / FITTED)
    page = _Page(write_report(run))
    d = model.diagnostics_
    assert f"90 images, 3 labels. The fit predicts {d['predicted_count']:.2f} labels per image" in page.text
    assert f"{d['expected_labels']:.2f} were expected (source: {d['expected_labels_source']})" in page.text
    prevalence = model.posterior(vectors, observed).marginals.mean(0)
    for k, label in enumerate(space.labels):
        (row,) = [row for row in page.rows if row[:2] == [str(k + 1), label]]
        shares = [percent_of(float(value), 90) for value in (d["prior"][label], prevalence[k])]
        assert row[3:] == [str((observed[:, k] == 1).sum()), *shares]


def test_an_interrupted_fit_says_how_to_go_on(make: Callable[..., Path]) -> None:
    run = make(name="a run", config={**CONFIG, "fit": {"epochs": 9}})
    for name in ("weights.safetensors", "diagnostics.json", "environment.json", "metrics.jsonl"):
        (run / name).unlink()
    with pytest.raises(RunError, match="missing"):
        write_report(run)
    (run / "checkpoints").mkdir()
    text = _Page(write_report(run)).text
    assert "interrupted before the end of its first epoch, so most of this report is missing" in text
    assert f"To go on, run: latentlabels fit '{run}/config.yaml' --out NEW" in text
    assert "epochs finished 0 of 9 at most" in text
    (run / "checkpoints" / "last.json").write_text(json.dumps(HISTORY))
    page = _Page(write_report(run))
    assert "interrupted after 3 epochs, so most" in page.text
    assert f"run: latentlabels fit --resume --out '{run}'" in page.text
    assert "epochs finished 3 of 9 at most" in page.text
    assert "held-out log-likelihood −2.90" in page.text
    assert len(page.charts) == 2
    assert list(page.sections) == ["All labels", "Training", "Label space", "Details"]
    for content in ("{", "3", "[3]"):
        (run / "checkpoints" / "last.json").write_text(content)
        with pytest.raises(RunError, match="the interrupted fit is damaged"):
            write_report(run)


def test_nothing_leaves_the_page(make: Callable[..., Path]) -> None:
    run = make()
    _evaluate(run)
    _found().write(run / FITTED)
    _found(truth=True).write(run / EVALUATED)
    page = _Page(write_report(run))
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(page.anchors)
    assert not {"link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert not re.search(r"fetch|XMLHttp|import|eval|location|innerHTML|document\.write", "".join(page.scripts))
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", page.source).replace("http-equiv", "")
    assert "@import" not in page.source
    assert "url(" not in page.source
    assert "default-src 'none'" in page.source
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
    found = _found(space, source=np.array(evil), suspect_images=np.array([evil]), marginals=np.tile([1.0, 0.0, 1.0], (6, 1)))
    found.write(run / FITTED)
    _found(space, truth=True).write(run / EVALUATED)
    page = _Page(write_report(run))
    assert page.tags.count("script") == len(page.scripts) == 2
    assert "<" not in page.scripts[0]  # the data of the card
    assert "i" not in page.tags
    assert page.tags.count("img") == len(page.pictures)
    assert f"above 50 %: label {evil}, a & b &amp;" in [alt for _, alt in page.pictures]
    assert ["3", "a & b &amp;", "", "0"] in [row[:4] for row in page.rows]
    assert "run <i>&'\"" in page.text
    assert page.text.count(evil) >= 8


@pytest.mark.parametrize(
    "name", ["蓝色的车", "سيارة", "🚗 car", "new\nline\ttab", "$x^2$", "\\frac{1}{2", "x" * 300, "%s {0}", "‮rtl"]
)
def test_names_of_every_kind(make: Callable[..., Path], name: str) -> None:
    space = LabelSpace([OneOf("g " + name, [name, "other"]), Free(name + "'")])
    run = make(space, never_known=[name], known_counts={label: [3, 1] for label in space.labels}, prior={})
    _found(space, suspect_images=np.array([name])).write(run / FITTED)
    page = _Page(write_report(run))
    assert name in page.source
    assert [row for row in page.rows if row[1:3] == [name, "g " + name]]


def test_every_optional_piece_may_be_absent(make: Callable[..., Path]) -> None:
    run = make(LabelSpace.free(["x"]), "bare", {}, [])
    for name in ("metrics.jsonl", "diagnostics.json", "manifest.json"):
        (run / name).unlink()
    versions = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(versions | {"format": 1}))  # as version 0.1 left it
    page = _Page(write_report(run))
    assert not page.pictures and not page.charts
    assert "bare Unknown This fit was not compared with a prediction that never looks at the image" in page.text
    assert " 1 label. 54 weights" in page.text
    assert "1 warning diagnostics.json is missing" in page.text
    assert "No epoch was recorded." in page.text
    assert "The run folder does not say which labels were known." in page.text
    assert ["1", "x"] in page.rows


def test_values_that_are_none(make: Callable[..., Path]) -> None:
    rows = [{"epoch": 0, "train_log_likelihood": -3.0, "held_out_log_likelihood": None, "predicted_count": None}]
    run = make(history=rows, best_epoch=-1, held_out_log_likelihood=None, never_known=[], warnings=[], stopped_early=False)
    (run / "evaluation.json").write_text('{"map": null, "num_images": 3, "calibration": null}')
    text = _Page(write_report(run)).text
    assert "warning" not in text
    assert "epoch kept – of 1" in text
    assert "held-out log-likelihood – " in text
    assert "mean average precision – 3 images" in text


def test_another_objective_is_no_log_likelihood(make: Callable[..., Path]) -> None:
    page = _Page(write_report(make(config={**CONFIG, "model": {"objective": "focal"}})))
    assert "held-out negative focal loss −3.00 higher is better" in page.text
    assert "log-likelihood" not in page.text


@pytest.mark.parametrize("content", ["{", "[1]", '{"calibration": {"predicted": [0.5]}}', '{"calibration": 3}'])
def test_a_damaged_evaluation_is_a_warning(make: Callable[..., Path], content: str) -> None:
    run = make(history=[], known_counts={})
    (run / "evaluation.json").write_text(content)
    text = _Page(write_report(run)).text
    assert "3 warnings" in text
    assert "evaluation.json could not be read: " in text
    assert "Measured on" not in text


@pytest.mark.parametrize("name", [FITTED, EVALUATED])
def test_damaged_findings_are_a_warning(make: Callable[..., Path], name: str) -> None:
    run = make(history=[], known_counts={})
    whole = _found().write(run / name).read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:400] + b"\0" * 90 + whole[490:]):
        (run / name).write_bytes(content)
        assert f"3 warnings the fit predicts 2.99 labels per image: state expected_labels {name} could not be read: " in _Page(
            write_report(run)
        ).text.replace("“", "")
    _found(LabelSpace.free("abc")).write(run / name)
    assert f"{name} could not be read: it is about 3 labels, but the run has 8" in _Page(write_report(run)).text


def test_strange_diagnostics_are_no_error(make: Callable[..., Path]) -> None:
    for value in (None, float("nan"), "text", 3, []):
        changes = {key: value for key in DIAGNOSTICS if key not in ("never_known", "warnings")}
        page = _Page(write_report(make(name=f"run {value}", history=[{"epoch": 0}], **changes)))
        assert "1 warning" in page.text or "2 warnings" in page.text
    run = make(known_counts={"blue": "x", "red": [1]}, prior={"blue": "x"}, best_epoch=-1)
    assert "The run folder does not say which labels were known." in _Page(write_report(run)).text


def test_values_that_are_not_finite(make: Callable[..., Path]) -> None:
    rows = [{**HISTORY[0], "train_log_likelihood": float("nan")}, {**HISTORY[1], "predicted_count": float("inf")}]
    run = make(history=rows, predicted_count=float("nan"))
    p = np.full((6, 8), np.nan)
    _found(marginals=p, prevalence=p[0], together=np.full((8, 8), np.nan), sheet_shares=p[0, :3]).write(run / FITTED)
    page = _Page(write_report(run))
    assert "nan" not in page.text.lower()
    assert "predicted labels per image –" in page.text


def test_two_hundred_labels(make: Callable[..., Path]) -> None:
    space = LabelSpace.free(f"label {k}" for k in range(200))
    counts = {label: [k, 0] for k, label in enumerate(space.labels)}
    run = make(space, history=[], known_counts=counts, never_known=list(space.labels[:9]))
    page = _Page(write_report(run))
    assert "label 0, label 1, label 2, label 3, label 4 and 4 more" in page.text
    (row,) = [row for row in page.rows if row[0] == "free"]
    assert row[3] == "200"
    assert row[4].endswith("label 39 and 160 more")
    assert ["200", "label 199", "199"] in page.rows  # no column of groups where every label is free


def test_the_same_run_gives_the_same_file(make: Callable[..., Path]) -> None:
    run = make()
    _evaluate(run)
    _found().write(run / FITTED)
    _found(truth=True).write(run / EVALUATED)
    first = write_report(run).read_bytes()
    assert write_report(str(run)).read_bytes() == first  # type: ignore[arg-type, unused-ignore]


def test_a_folder_that_is_no_run_is_an_error(make: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="run folder not found"):
        write_report(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="folder: config.yaml"):
        write_report(tmp_path / "empty")
    assert not (tmp_path / "empty" / "report.html").exists()
    for name, content in (
        ("labels.json", "{}"),
        ("config.yaml", "[]"),
        ("environment.json", "{"),
        ("environment.json", "[]"),
        ("diagnostics.json", "3"),
        ("metrics.jsonl", "3"),
    ):
        run = make(name=f"damaged {name}")
        (run / name).write_text(content)
        with pytest.raises(RunError, match="damaged"):
            write_report(run)


def test_a_report_can_look_at_images_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 5)).astype(np.float32)
    observed = np.full((60, 3), -1, np.int8)
    observed[np.arange(60), rng.integers(3, size=60)] = 1
    m = LatentLabels(LabelSpace.free("abc"), encoder="embedding", epochs=1).fit(values, observed)
    run = m.save(tmp_path / "run")
    write_report(run)
    assert not (run / FITTED).exists()
    page = _Page(write_report(run, m, values, observed))
    assert StoredPredictions.read(run / FITTED, 3).num_images.tolist() == [60, 60]
    assert "Possible mistakes" in page.text
    with pytest.raises(DataError, match="no model to predict them with"):
        write_report(run, images=values)


def test_where_labels_are_is_shown_of_a_model_with_regions(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 3, 64, 32), dtype=np.uint8)
    observed = np.full((40, SPACE.num_labels), -1, np.int8)
    observed[np.arange(40), np.arange(40) % SPACE.num_labels] = 1
    for regions in (True, False):
        model = LatentLabels(SPACE, encoder="tiny", epochs=1, regions=regions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(images, observed)
            run = model.save(tmp_path / str(regions))
            write_report(run, model, images)
        page = _Page(run / "report.html")
        assert ("Where labels are" in page.sections) is regions
        assert any("heat map of" in alt for _, alt in page.pictures) is regions
