"""The report's examples, on which a reader states labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import chromium, overflow, serious
from command import TINY, latentlabels

from latentlabels.datasets.street_scenes import render_scenes, write_scenes


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small fit."""
    folder = tmp_path_factory.mktemp("live")
    write_scenes(render_scenes(40, seed=3, size=32), folder / "scenes")
    images = folder / "scenes" / "images-by-label"
    done = latentlabels(
        "fit", "--images", images, "--labels", folder / "scenes" / "labels.yaml", *TINY, "--out", folder / "run"
    )
    assert done.code == 0, done.err
    return folder / "run" / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_states_a_label_in_the_report(report: Path, scheme: str):
    with chromium() as browser:
        page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 900}, reduced_motion="reduce")
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(report.as_uri())
        card = page.locator(".ll-card")
        first = card.locator(".ll-main").nth(1)
        before = card.locator(".ll-percent").all_inner_texts()
        first.click()
        assert re.search("100 %, present", first.get_attribute("aria-label"))
        assert card.locator(".ll-percent").all_inner_texts() != before
        assert "did not move" in card.locator(".ll-told").inner_text()
        assert [one for one in serious(page) if ".ll-" in one] == []  # the rest of the report has tests of its own
        assert overflow(page) <= 0 and problems == []
