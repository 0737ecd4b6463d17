"""The report in a browser: on a phone, on dark paper, printed, read by a screen reader."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import chromium, overflow, serious

from latentlabels.checks.prevalence_baseline import evaluation_document
from latentlabels.estimator import LatentLabels
from latentlabels.report import write_report
from latentlabels.report.prediction_summary import find
from latentlabels.report.stored_predictions import EVALUATED
from latentlabels.space import Free, LabelSpace, OneOf

LONG = "a name without any space in it ".replace(" ", "_") * 5
SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red", LONG]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        *(Free(f"label number {k}") for k in range(20)),
    ]
)

CUT_OFF = """() => [...document.querySelectorAll("tr, .track, figure, img, pre, .tiles div")].filter(one => {
  const box = one.getBoundingClientRect();
  if (!box.width || !box.height) return true;
  for (let outer = one.parentElement; outer; outer = outer.parentElement) {
    const style = getComputedStyle(outer), frame = outer.getBoundingClientRect();
    if (style.overflowY !== "visible" && box.bottom > frame.bottom + 1) return true;
    if (style.overflowX !== "visible" && box.right > frame.right + 1) return true;
  }
  return false;
}).map(one => one.outerHTML.slice(0, 200))"""
"""What is not seen, or cut off by what it stands in."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all sections: of photos, places, complete labels, and names that do not break."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 3, 48, 64), dtype=np.uint8)
    truth = (rng.random((60, SPACE.num_labels)) < 0.3).astype(np.int8)
    for group in SPACE.groups[:3]:
        columns = SPACE.columns(group)
        truth[:, columns] = 0
        truth[np.arange(60), rng.choice(columns, 60)] = 1
    truth[:, SPACE.index("bike")] = 0
    truth[:, SPACE.index("car")] = 1
    observed = np.full(truth.shape, -1, np.int8)
    for row in range(60):
        observed[row, rng.choice(np.flatnonzero(truth[row]))] = 1
    model = LatentLabels(SPACE, encoder="tiny", epochs=2, regions=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(images, observed)
        run = model.save(tmp_path_factory.mktemp("runs") / "run")
        metrics = model.posterior(images).evaluate(truth, SPACE)
        document = evaluation_document(metrics, model.diagnostics_, SPACE, truth)
        (run / "evaluation.json").write_text(json.dumps(document), encoding="utf-8")
        find(model, images, truth=truth).write(run / EVALUATED)
        return write_report(run, model, images, observed)


@pytest.fixture(scope="module")
def opened(report: Path) -> Iterator[Any]:
    """A function that opens the report; every problem that the browser names fails the test."""
    problems: list[str] = []
    with chromium() as browser:

        def open_page(width: int = 1280, scheme: str = "light") -> Any:
            page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
            page.goto(report.as_uri())
            return page

        yield open_page
    assert not problems


@pytest.mark.parametrize("width", [360, 390, 700, 1000, 1088, 1280, 1600])
def test_no_width_scrolls_the_whole_page(opened: Any, width: int) -> None:
    assert overflow(opened(width)) == 0


def test_paper_loses_nothing(opened: Any) -> None:
    page = opened(718)  # A4 without its margins, at 96 pixels per inch
    rows = page.locator("tr").count()
    page.locator("#all-labels input[type=search]").fill("bike")
    assert page.locator("tr:visible").count() < rows
    assert page.evaluate(CUT_OFF)  # folded, scrolled or searched away
    page.emulate_media(media="print")
    assert page.evaluate(CUT_OFF) == []
    assert page.locator("tr:visible").count() == rows
    assert overflow(page) == 0
    assert not page.locator("nav").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_what_is_folded_opens_for_print_and_folds_again(opened: Any) -> None:
    page = opened()
    folded = page.locator("details").count()
    page.locator("summary").first.click()
    assert page.locator("details[open]").count() == 1 < folded
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details[open]").count() == folded
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_the_contents_stay_in_view_and_lead_to_every_section(opened: Any, width: int) -> None:
    page = opened(width)
    titles = page.locator("h2").all_inner_texts()
    assert page.locator("nav a").all_inner_texts() == titles
    link = page.locator("nav a").nth(len(titles) // 2)
    link.click()
    assert page.locator("nav").bounding_box()["y"] == 0
    heading = page.locator("h2").nth(len(titles) // 2).bounding_box()
    assert -1 <= heading["y"] < 200
    page.wait_for_function(f"document.querySelectorAll('nav a')[{len(titles) // 2}].hasAttribute('aria-current')")


def test_dark_paper_is_dark_on_a_screen_and_white_when_printed(opened: Any) -> None:
    page = opened(scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(22, 25, 28)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Any, scheme: str) -> None:
    assert serious(opened(scheme=scheme)) == []


def test_names_are_found_as_text_and_pictures_are_told(opened: Any) -> None:
    page = opened()
    for label in SPACE.labels:
        assert page.get_by_text(label, exact=True).count() >= 2
    assert page.locator("figure.chart[role=img][aria-label]").count() == page.locator("figure.chart").count() > 3
    assert page.locator("img:not([alt])").count() == 0
