"""The page, driven in a browser as a person would."""

from __future__ import annotations

import base64
import csv
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, overflow, serious
from served import TOKEN, Fitted, Running, png, running

from latentlabels.serving.page import page_file

Opened = Callable[..., Any]
SHOWN = "[...document.querySelectorAll('.ll-percent')].map(one => one.innerText).join()"
FIRST_VIEW = 300_000  # bytes without pictures


@pytest.fixture(scope="module")
def run(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A copy of the run, for the answers of this module."""
    folder = tmp_path_factory.mktemp("page") / "run"
    shutil.copytree(fitted.run, folder)
    return Fitted(folder, fitted.images)


@pytest.fixture(scope="module")
def opened(run: Fitted) -> Iterator[tuple[Opened, Running]]:
    """A function that opens the page with a colour scheme and a width, and the service behind it."""
    with chromium() as browser, running(run, "--images", run.images) as service:

        def open_page(scheme: str = "light", width: int = 1280, height: int = 900) -> Any:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
            page.set_default_timeout(15_000)
            page.problems, page.sizes = [], {}
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.on("request", lambda request: request.url.startswith(service.base) or page.problems.append(request.url))
            page.on("response", lambda response: _weigh(page, response))
            page.goto(service.address)
            page.wait_for_selector(".ll-card")
            return page

        yield open_page, service


def _weigh(page: Any, response: Any) -> None:
    if "/picture" not in response.url:
        page.sizes[response.url] = int(response.headers.get("content-length", 0))


def _until(page: Any, script: str, arg: Any = None) -> None:
    """Wait until a script says so; the page's policy bars the way in which Playwright does it."""
    until = time.monotonic() + 15
    while not page.evaluate(script, arg):
        assert time.monotonic() < until, f"not within 15 seconds: {script}"
        page.wait_for_timeout(30)


def _answers(run: Fitted) -> list[dict[str, str]]:
    with (run.run / "answers.csv").open(newline="", encoding="utf-8") as file:
        return [{name: row[name] for name in ("image", "label", "value")} for row in csv.DictReader(file)]


def _rows(page: Any) -> dict[str, str]:
    """The percentage of each label that the card shows."""
    found = page.locator(".ll-row").all()
    return {row.locator(".ll-name").inner_text().split("\n")[0]: row.locator(".ll-percent").inner_text() for row in found}


def _drop(page: Any, content: bytes, name: str, kind: str) -> None:
    """Drop a file on the page."""
    data = page.evaluate_handle(
        """([text, name, type]) => {
            const data = new DataTransfer(), bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            data.items.add(new File([bytes], name, {type}));
            return data;
        }""",
        [base64.b64encode(content).decode(), name, kind],
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": data})
    page.dispatch_event("body", "drop", {"dataTransfer": data})


def test_the_first_view_is_small_and_from_this_service_alone(opened: tuple[Opened, Running]):
    page = opened[0]()
    assert page.locator(".tile img").count() > 10
    assert sum(page.sizes.values()) < FIRST_VIEW
    assert len(page.sizes) > 10 and not page.problems


def test_a_dropped_photo_is_shown_and_a_stated_label_moves_bars(opened: tuple[Opened, Running]):
    page = opened[0]()
    _drop(page, png(5), "mine.png", "image/png")
    _until(page, "document.querySelector('.centre figcaption').innerText.includes('mine.png')")
    before = _rows(page)
    asked = page.locator(".ll-main").first
    label = asked.locator(".ll-name").inner_text()
    width = asked.locator(".ll-fill").evaluate("bar => bar.style.width")
    asked.click()
    assert asked.locator(".ll-fill").evaluate("bar => bar.style.width") == "100%" != width
    assert before[label] != _rows(page)[label] == "100 %"
    assert "did not move" in page.locator(".ll-told").inner_text()
    assert not page.problems


def test_what_is_no_photo_is_refused_and_the_page_goes_on(opened: tuple[Opened, Running]):
    page = opened[0]()
    _drop(page, b"not a picture", "notes.txt", "text/plain")
    page.get_by_role("alert").wait_for()
    assert "cannot be used" in page.get_by_role("alert").inner_text()
    page.locator(".ll-main").first.click()
    assert page.locator(".ll-present").count() == 1


def test_five_questions_answered_by_key_are_found_after_a_reload(opened: tuple[Opened, Running], run: Fitted):
    page = opened[0]()
    page.keyboard.press("q")
    for number in range(5):
        page.wait_for_selector(".question")
        yes = page.locator(".choice kbd", has_text=re.compile("^Y$")).count() > 0
        page.keyboard.press(("y", "n")[number % 2] if yes else "1")
    page.get_by_text("5 answers so far").wait_for()
    assert len(_answers(run)) >= 5  # a group's answer may be several lines
    assert {row["value"] for row in _answers(run)} <= {"0", "1"}
    page.keyboard.press("s")
    _until(page, "document.querySelector('.ask').innerText.includes('Skipped')")
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector(".ll-card")
    page.get_by_role("button", name=re.compile("Refit with [5-9] answers")).wait_for()
    page.get_by_label("Which images").select_option("answered")
    _until(page, "/^[1-5] images?$/.test(document.querySelector('.count').innerText)")
    page.locator(".tile").first.click()
    page.wait_for_selector(".ll-present, .ll-absent")
    assert not page.problems


def test_statements_are_saved_as_answers(opened: tuple[Opened, Running], run: Fitted):
    page = opened[0]()
    page.get_by_label("Order").select_option("name")
    page.wait_for_timeout(300)
    page.locator(".tile").last.click()
    name = page.locator(".tile[aria-selected=true]").get_attribute("aria-label").split(". ")[0]
    _until(page, "name => document.querySelector('.centre figcaption').innerText.includes(name)", arg=name)
    asked = page.locator(".ll-row").last
    label = asked.locator(".ll-name").inner_text().split("\n")[0]
    asked.get_by_role("button", name=re.compile("is absent$")).click()
    page.get_by_role("button", name=re.compile("^Save this label")).click()
    _until(page, "document.querySelector('.keep').innerText.includes('Saved')")
    assert {"image": name, "label": label, "value": "0"} in _answers(run)


def test_a_label_that_an_annotator_picked_says_something_else_than_one_looked_up(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.locator(".ll-row:not(.ll-absent) .ll-main").last.click()
    looked_up, shown = _rows(page), page.evaluate(SHOWN)
    page.get_by_role("radio", name="Picked by an annotator").click()
    _until(page, f"before => {SHOWN} !== before", arg=shown)
    assert _rows(page) != looked_up
    page.get_by_role("radio", name="Looked up").click()
    _until(page, "document.querySelector('[role=radio]').getAttribute('aria-checked') === 'true'")
    assert _rows(page) == looked_up


def test_the_arrow_keys_go_through_the_images(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.get_by_role("listbox", name="Images").focus()
    first = page.locator(".centre figcaption").inner_text()
    page.keyboard.press("ArrowRight")
    _until(page, "first => document.querySelector('.centre figcaption').innerText !== first", arg=first)
    page.keyboard.press("End")
    _until(page, "document.querySelector('.tile[aria-selected=true]')?.getAttribute('aria-posinset') === '60'")
    assert page.locator(".tile").count() <= 60


def test_labels_lead_to_their_images(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.get_by_role("button", name="Labels", exact=True).click()
    page.locator(".choose li button").nth(1).click()
    page.locator(".sheet-of button").first.click()
    page.wait_for_selector(".three .ll-card")
    assert not page.problems


VIEWS = ["Images", "Mistakes", "Labels", "Complete", "ask"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_view_is_accessible_and_no_wider_than_the_window(opened: tuple[Opened, Running], scheme: str, width: int):
    page = opened[0](scheme, width)
    for view in VIEWS:
        if view == "ask":
            page.get_by_role("button", name="Images", exact=True).click()
            page.wait_for_selector(".ll-card")
            page.keyboard.press("q")
            page.wait_for_selector(".question")
        else:
            page.get_by_role("button", name=view, exact=True).click()
        _until(page, "!document.querySelector('main').innerText.includes('Loading')")
        assert serious(page) == [], view
        assert overflow(page) <= 0, view
    assert not page.problems


def test_a_wrong_token_is_told(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.goto(f"{opened[1].base}/?token=not-the-token-of-this-page")
    page.get_by_role("alert").wait_for()
    assert "token" in page.get_by_role("alert").inner_text()


def test_no_file_but_the_pages_own_is_found():
    assert page_file("app.js") is not None and page_file("card.css") is not None and page_file("preact.js") is not None
    for name in ("__init__.py", "../app.py", "vendor/preact.js", "LICENSE.htm", "", "static.py", str(Path(__file__))):
        assert page_file(name) is None


def test_a_refit_learns_from_the_answers_and_says_what_it_changed(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.keyboard.press("q")
    page.wait_for_selector(".question")
    yes = page.locator(".choice kbd", has_text=re.compile("^Y$")).count() > 0
    page.keyboard.press("y" if yes else "1")
    page.get_by_role("button", name=re.compile("^Refit with")).click()
    page.locator(".refit progress").wait_for()
    page.get_by_text("The model has learned from your answers").wait_for(timeout=120_000)
    told = page.locator(".refit").inner_text()
    assert "Before" in told and "After" in told
    assert not page.problems


def test_possible_mistakes_are_decided_by_key(opened: tuple[Opened, Running], run: Fitted):
    page = opened[0]()
    image = {"image": "2", "label": "striped", "value": 1, "probability": 0.02, "instead": None, "instead_probability": None}
    rival = {"image": "3", "label": "red", "value": 1, "probability": 0.01, "instead": "blue", "instead_probability": 0.9}
    name = page.evaluate(
        "async token => (await (await fetch('/v1/images/3', {headers: {Authorization: `Bearer ${token}`}})).json()).name", TOKEN
    )
    found = {"expected": 2.4, "low": 1.0, "high": 4.0, "mistakes": [{"name": "2.png", **image}, {"name": name, **rival}]}
    page.route("**/v1/mistakes", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Mistakes", exact=True).click()
    page.get_by_role("button", name="change to “no striped”").wait_for()
    page.keyboard.press("u")
    page.get_by_role("button", name="change to “blue”").wait_for()
    page.keyboard.press("c")
    page.locator(".suspects .done", has_text="changed").wait_for()
    assert {"image": name, "label": "blue", "value": "1"} in _answers(run)
    assert not page.problems


def test_an_image_is_labelled_completely(opened: tuple[Opened, Running], run: Fitted):
    page = opened[0]()
    page.get_by_role("button", name="Complete", exact=True).click()
    page.locator(".every").wait_for()
    name = page.locator(".review .ll-photo img").get_attribute("alt")
    assert page.get_by_text(re.compile("^0 of ")).count() == 1
    for group in page.locator(".every fieldset").all():
        if group.is_visible() and not group.locator("input:checked").count():
            group.locator("input:not([disabled])").last.check()  # "no", "none of these", or the last label
    others = page.get_by_role("button", name="All others absent")
    others.click()
    page.get_by_role("button", name="Save, next image").click()
    page.get_by_text(re.compile("^1 of ")).wait_for()
    said = {row["label"]: row["value"] for row in _answers(run) if row["image"] == name}
    assert len(said) >= 15 and "0" in said.values()
    assert not page.problems
