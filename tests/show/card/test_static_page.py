"""The page of one file, opened from disk in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import chromium, overflow, serious
from conftest import MIXED

from latentlabels.distributions import LabelVector, NonEmptyLabelVector
from latentlabels.posterior import Posterior
from latentlabels.show.card import MOST, explore_document, most_instructive, script, static_page, write_static
from latentlabels.space import Free, LabelSpace, OneOf

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028.jpg"


def _posterior(size: int = 3, pictures: bool = True) -> Posterior:
    logits = torch.randn(size, MIXED.num_logits, generator=torch.Generator().manual_seed(1))
    shown = np.random.default_rng(0).integers(0, 255, (size, 3, 40, 60), dtype=np.uint8) if pictures else None
    return Posterior(NonEmptyLabelVector(MIXED, logits, 0.05), [HOSTILE, *(f"{n}.jpg" for n in range(1, size))], shown)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function that opens the page with a colour scheme and a width."""
    path = write_static(_posterior(), tmp_path_factory.mktemp("static") / "explore.html", title="Cars <b>& co</b>")
    with chromium() as browser:

        def open_page(scheme: str = "light", width: int = 1280) -> Any:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
            page.problems = []
            page.on("console", lambda message: page.problems.append(message.text))
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.on("request", lambda request: request.url.startswith(("file:", "data:")) or page.problems.append(request.url))
            page.goto(path.as_uri())
            page.wait_for_selector(".ll-card")
            return page

        yield open_page


def _main(page: Any, label: str) -> Any:
    return page.get_by_role("button", name=re.compile(f"^{label}: "))


def _percent(page: Any, label: str) -> str:
    return str(_main(page, label).locator(".ll-percent").inner_text())


def test_a_statement_moves_what_depends_on_it_and_says_what_did_not(opened: Any):
    page = opened()
    page.get_by_role("button", name="doors", exact=True).click()  # unfolds what does not apply
    before = {label: _percent(page, label) for label in MIXED.labels}
    _main(page, "2-doors").click()
    given = _posterior().distribution.condition(torch.tensor([[-1, -1, -1, -1, -1, 1, -1, -1]] * 3, dtype=torch.int8))
    for label, p in zip(MIXED.labels, given.marginals[0].tolist(), strict=True):
        shown = _percent(page, label)
        assert abs(float(re.sub("[<> %]", "", shown)) - 100 * p) <= 0.51, label
    assert before["car"] != _percent(page, "car") == "100 %"
    told = page.locator(".ll-told").inner_text()
    assert "car" in told and "colour" in told and "independent given the image" in told
    assert page.locator(".ll-ghost").count() > 0  # the old value
    assert not page.problems


def test_what_is_impossible_is_barred_with_the_reason(opened: Any):
    page = opened()
    _main(page, "blue").click()
    red = page.get_by_role("button", name="red is present", exact=True)
    assert red.get_attribute("aria-disabled") == "true"
    assert "“blue” is present, and colour has one label" in page.get_by_role("region", name="colour").inner_text()
    red.click(force=True)
    assert red.get_attribute("aria-pressed") == "false" and _percent(page, "blue") == "100 %"


def test_a_click_goes_from_unknown_to_present_to_absent_and_back(opened: Any):
    page = opened()
    names = []
    for _ in range(4):
        names.append(_main(page, "striped").get_attribute("aria-label").split(", ")[1])
        _main(page, "striped").click()
    assert names == ["unknown", "present", "absent", "unknown"]


def test_the_keyboard_does_all(opened: Any):
    page = opened()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("button", name="1.jpg").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("-")
    assert "absent" in page.evaluate("document.activeElement.getAttribute('aria-label')"), first
    page.keyboard.press("ArrowDown")
    page.keyboard.press("+")
    assert ", present" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Backspace")
    assert ", unknown" in page.evaluate("document.activeElement.getAttribute('aria-label')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_is_accessible_and_no_wider_than_the_window(opened: Any, scheme: str, width: int):
    page = opened(scheme, width)
    _main(page, "blue").click()
    _main(page, "bike").click()
    assert serious(page) == []
    assert overflow(page) <= 0
    assert not page.problems


def test_the_page_holds_names_as_text(opened: Any):
    page = opened()
    assert page.locator("h1").inner_text() == "Cars <b>& co</b>"
    assert "onerror" in page.locator("figcaption").inner_text()
    assert page.locator("img[src=x]").count() == 0


def _many(size: int = 2) -> Posterior:
    """Labels of all kinds: long groups, deep ones, names that are hard to show."""
    space = LabelSpace(
        [
            OneOf("colour", [f"colour-{number}" for number in range(15)]),
            OneOf("kind", ["car", "bike", "<b>bold</b>"], optional=True),
            OneOf("doors", ["2-doors", "4-doors"], requires="car"),
            Free("chrome", requires="4-doors"),
            Free("words without an end " * 12),
            Free("أحمر"),
            *(Free(f"free-{number}") for number in range(30)),
        ]
    )
    logits = torch.randn(size, space.num_logits, generator=torch.Generator().manual_seed(2))
    return Posterior(LabelVector(space, logits))


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Any]:
    """A function that opens a page of many labels."""
    path = write_static(_many(), tmp_path / "explore.html")
    with chromium() as browser:

        def open_page(scheme: str = "light", width: int = 1280) -> Any:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(path.as_uri())
            page.wait_for_selector(".ll-card")
            return page

        yield open_page


def test_paper_shows_every_label_and_image_without_switches_and_is_light(many: Any):
    page = many("dark")
    space = _many().space
    few = page.locator(".ll-row").count()
    page.evaluate("addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.ll-row').length; })")
    page.pdf()
    printed = page.evaluate("window.printed")
    assert few < space.num_labels + 1 == printed == 54  # and one row for "none of these"
    assert page.locator(".ll-row").count() == few  # the screen is as before
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.querySelector('.ll-box')).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".ll-set").first.is_visible()
    strip = page.locator(".ll-strip")  # small pictures of all images, in as many lines as they need
    assert strip.is_visible() and strip.evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("width", [1280, 390])
def test_long_names_and_deep_groups_are_accessible_and_fit(many: Any, width: int):
    page = many("light", width)
    _main(page, "car").click()
    page.get_by_role("button", name="4-doors is present", exact=True).click()
    assert page.get_by_role("button", name=re.compile("^chrome: ")).is_visible()
    assert serious(page) == [] and overflow(page) <= 0
    long = page.locator(".ll-long .ll-name").first
    assert long.evaluate("name => name.clientHeight / parseFloat(getComputedStyle(name).lineHeight)") < 3.5
    assert page.locator(".ll-name b").count() == 0


def test_labels_are_found_by_a_part_of_their_name(many: Any):
    page = many()
    page.get_by_label("Find a label").fill("FREE-2")
    assert page.locator(".ll-main .ll-name").all_inner_texts() != [] and all(
        "free-2" in name for name in page.locator(".ll-main .ll-name").all_inner_texts()
    )
    page.get_by_label("Find a label").fill("chrome")  # far below "car", which leads to it
    assert page.get_by_role("button", name=re.compile("^chrome: ")).is_visible()
    page.get_by_label("Find a label").fill("nothing like it")
    assert "No label and no group matches" in page.locator(".ll-card").inner_text()


def test_labels_of_a_bar_have_its_colours(many: Any):
    page = many()
    group = page.get_by_role("region", name="colour")
    for row in group.locator(".ll-row").all():
        name = row.locator(".ll-name").inner_text()
        own = row.locator(".ll-dot").evaluate("dot => getComputedStyle(dot).backgroundColor")
        part = group.locator(f".ll-part[title^='{name} ']").evaluate("part => getComputedStyle(part).backgroundColor")
        assert own == part
    shown = group.locator(".ll-dot").evaluate_all("dots => dots.map((dot) => getComputedStyle(dot).backgroundColor)")
    assert len(set(shown)) == len(shown) == 5


def test_a_page_is_one_file_that_names_no_address():
    text = static_page(_posterior())
    outside = set(re.findall(r"https?://[^\"'\s)]+", text))
    assert outside <= {f"http://www.w3.org/{name}" for name in ("2000/svg", "1999/xhtml", "1998/Math/MathML")}  # names of XML
    assert not re.search(r"<(?:link|script|img|iframe)[^>]+(?:src|href)=[\"'](?!data:)", text)


def test_few_images_are_chosen_of_many_each_once():
    posterior = _posterior(500, pictures=False)
    rows = most_instructive(posterior, 24)
    assert len(set(rows)) == len(rows) and 20 <= len(rows) <= 24
    doubt = (posterior.marginals * (1 - posterior.marginals)).sum(1)
    assert int(doubt.argmax()) in rows
    assert most_instructive(_posterior(), 24) == [0, 1, 2]
    assert len(explore_document(posterior)["images"]) == MOST


def test_a_page_is_small_without_its_pictures():
    assert len(static_page(_posterior(pictures=False)).encode()) < 100_000
    assert "</script" not in script()  # which would end it inside a page


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path):
    posterior = Posterior(_posterior().distribution, None, [tmp_path / "a.jpg"] * 3)
    assert [image["picture"] for image in explore_document(posterior)["images"]] == [None] * 3


def test_a_notebook_shows_the_page_in_a_frame(tmp_path: Path):
    shown = _posterior().explore(rows=[1], title="Two & two", height=500)
    with chromium() as browser:
        page = browser.new_page()
        page.set_content(f"<!DOCTYPE html><html lang='en'><title>notebook</title>{shown._repr_html_()}")
        frame = page.frame_locator("iframe")
        frame.locator(".ll-main").first.click()
        assert frame.locator(".ll-present").count() == 1
        assert frame.locator("h1").inner_text() == "Two & two"
        assert not page.get_by_text("Posterior: 1 image").is_visible()
        for gone in ("style", "iframe"):  # what GitHub takes out of a notebook
            page.evaluate("name => document.querySelectorAll(name).forEach((one) => one.remove())", gone)
        assert page.get_by_text("Posterior: 1 image").is_visible()
        assert page.locator("table").inner_text().count("%") > 3
    assert shown.save(tmp_path / "explore.html").read_text(encoding="utf-8") == shown.html
    assert len(_posterior().explore().html) > len(shown.html)
