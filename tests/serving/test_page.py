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


def _kept(page: Any) -> list[dict[str, Any]]:
    """The answers, as the service lists them."""
    script = "async token => (await (await fetch('/v1/answers', {headers: {Authorization: `Bearer ${token}`}})).json()).answers"
    return list(page.evaluate(script, TOKEN))


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
    page.wait_for_timeout(500)
    assert "Saved 1 label" in page.locator(".keep").inner_text()  # it stays while the page counts the answers again
    assert {"image": name, "label": label, "value": "0"} in _answers(run)


def test_answers_about_an_upload_are_said_to_stay_out_of_a_refit(opened: tuple[Opened, Running]):
    page = opened[0]()
    _drop(page, png(9), "mine.png", "image/png")
    _until(page, "document.querySelector('.centre figcaption').innerText.includes('mine.png')")
    page.locator(".ll-main").first.click()
    page.get_by_role("button", name=re.compile("^Save this label")).click()
    page.get_by_text("A refit does not use it").wait_for()
    button = page.locator(".acts button", has_text="Refit")
    used = sum(one["in_refit"] for one in _kept(page) if one["value"] is not None)
    assert button.inner_text() == f"Refit with {used} answers" if used != 1 else "Refit with 1 answer"
    assert [one["in_refit"] for one in _kept(page) if "upload" in one["image"]] == [False]
    assert not page.problems


def test_a_label_that_an_annotator_picked_says_something_else_than_one_looked_up(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.locator(".ll-row:not(.ll-absent) .ll-main").last.click()
    looked_up, shown = _rows(page), page.evaluate(SHOWN)
    page.get_by_role("radio", name="Picked by an annotator").click()
    _until(page, f"before => {SHOWN} !== before", arg=shown)
    assert _rows(page) != looked_up
    page.keyboard.press("ArrowLeft")  # as radio buttons do
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


def test_twenty_thousand_images_are_drawn_only_where_they_are_in_view(opened: tuple[Opened, Running]):
    page = opened[0]()
    one = page.evaluate(
        "async token => (await (await fetch('/v1/images?limit=1', {headers: {Authorization: `Bearer ${token}`}})).json())",
        TOKEN,
    )["images"][0]
    asked = []

    def answer(route: Any) -> None:
        offset = int(re.findall(r"offset=(\d+)", route.request.url)[0])
        asked.append(offset)
        images = [{**one, "id": str(row % 60), "name": f"{row}.png"} for row in range(offset, min(offset + 100, 20_000))]
        route.fulfill(json={"total": 20_000, "images": images})

    page.route("**/v1/images?**", answer)
    page.get_by_label("Order").select_option("name")
    _until(page, "document.querySelector('.count').innerText === '20,000 images'")
    page.get_by_role("listbox", name="Images").focus()
    page.keyboard.press("End")  # the last page is not there yet
    _until(page, "document.querySelector('.tile[aria-selected=true]')?.getAttribute('aria-posinset') === '20000'")
    page.keyboard.press("ArrowLeft")
    _until(page, "document.querySelector('.tile[aria-selected=true]')?.getAttribute('aria-posinset') === '19999'")
    assert page.locator(".tile").count() < 60 and len(set(asked)) <= 4
    page.get_by_role("listbox", name="Images").evaluate("box => { box.scrollTop = box.scrollHeight / 2; }")
    _until(
        page, "document.querySelector('.tile')?.title.startsWith('9') || document.querySelector('.tile')?.title.startsWith('1')"
    )
    assert page.locator(".tile").count() < 60 and not page.problems


def test_the_page_says_how_much_the_model_has_looked_at_and_sorts_again(opened: tuple[Opened, Running]):
    page = opened[0]()
    health = {"status": "ok", "version": "1", "run": "/runs/shop", "num_images": 60, "num_labels": 21, "num_predicted": 15}
    page.route("**/v1/health", lambda route: route.fulfill(json={**health, "has_pictures": True, "takes_pictures": True}))
    page.reload()
    page.wait_for_selector(".ll-card")
    _until(page, "document.querySelector('.count').innerText.includes('the model has looked at 25 %')")
    page.sizes.clear()
    health["num_predicted"] = 60
    _until(page, "!document.querySelector('.count').innerText.includes('looked')")
    page.wait_for_timeout(200)
    assert any("/v1/images?" in url for url in page.sizes)
    assert page.locator("h1").inner_text() == "shop"


def test_a_run_without_pictures_shows_names(opened: tuple[Opened, Running]):
    page = opened[0]()
    health = {"status": "ok", "version": "1", "run": "/runs/shop", "num_images": 60, "num_labels": 21, "num_predicted": 60}
    page.route("**/v1/health", lambda route: route.fulfill(json={**health, "has_pictures": False, "takes_pictures": False}))
    asked: list[str] = []
    page.on("request", lambda request: "/picture" in request.url and asked.append(request.url))
    page.on("response", lambda response: response.status >= 400 and asked.append(response.url))
    page.reload()
    page.wait_for_selector(".ll-card")
    assert page.locator(".tile .under").first.inner_text() in page.locator(".tile").first.get_attribute("aria-label")
    assert page.get_by_text("Add a photo").count() == 0
    for view in ("Labels", "Mistakes", "Complete"):
        page.get_by_role("button", name=view, exact=True).click()
        _until(page, "!document.querySelector('main').innerText.includes('Loading')")
        assert serious(page) == [], view
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Images", exact=True).click()
    page.keyboard.press("q")
    page.wait_for_selector(".question")
    assert asked == [] and page.locator("main img").count() == 0 and not page.problems


def test_a_picture_that_cannot_be_read_is_told_in_its_place(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.route("**/picture?size=1024**", lambda route: route.abort())
    page.locator(".tile").nth(6).click()
    page.get_by_text("This picture cannot be shown").wait_for()
    detail = "a.png: it cannot be read as an image"
    page.route("**/v1/images/*", lambda route: route.fulfill(status=422, json={"detail": detail}))
    page.locator(".tile").nth(7).click()
    page.get_by_text(detail).wait_for()
    assert serious(page) == []
    page.unroute("**/v1/images/*")
    page.locator(".tile").nth(8).click()
    page.wait_for_selector(".ll-card")
    assert not page.problems


def test_labels_lead_to_their_images(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.get_by_role("button", name="Labels", exact=True).click()
    page.locator(".choose li button").nth(1).click()
    page.locator(".sheet-of button").first.click()
    page.wait_for_selector(".three .ll-card")
    assert not page.problems


def test_a_pasted_picture_is_shown_and_pasted_text_is_not(opened: tuple[Opened, Running]):
    page = opened[0]()
    paste = """([text, type]) => {
        const data = new DataTransfer();
        if (type === 'text/plain') data.setData(type, text);
        else data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], 'pasted.png', {type}));
        document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
    }"""
    page.evaluate(paste, ["some words", "text/plain"])
    page.evaluate(paste, [base64.b64encode(png(7)).decode(), "image/png"])
    _until(page, "document.querySelector('.centre figcaption').innerText.includes('pasted.png')")
    assert page.get_by_role("alert").count() == 0 and not page.problems


def test_the_search_finds_names_and_a_label_that_does_not_exist_is_told(opened: tuple[Opened, Running]):
    page = opened[0]()
    names = page.locator(".tile").evaluate_all("tiles => tiles.map((tile) => tile.title.split('\\n')[0])")
    page.get_by_label("Search by name").fill(names[3].upper())
    _until(page, "document.querySelector('.count').innerText === '1 image'")
    page.get_by_label("Search by name").fill("no image is called that")
    _until(page, "document.querySelector('.empty')")
    page.get_by_label("Search by name").fill("")
    page.get_by_label(re.compile("probably show this label")).fill("cart")
    _until(page, "document.querySelector('.count').innerText.includes('There is no label “cart”')")
    page.get_by_label(re.compile("probably show this label")).fill("car")
    _until(page, "!document.querySelector('.count').innerText.includes('no label')")
    assert not page.problems


def test_old_values_stay_as_ghosts_and_nothing_moves_where_motion_is_not_wanted(opened: tuple[Opened, Running]):
    page = opened[0]()  # with reduced motion
    row = page.locator(".ll-row").first
    before, p = row.locator(".ll-fill").evaluate("bar => bar.style.width"), row.locator(".ll-percent").inner_text()
    row.locator(".ll-main").click()
    assert row.locator(".ll-ghost").evaluate("bar => bar.style.width") == before
    assert row.locator(".ll-then").evaluate("mark => mark.style.left") == before  # seen on the longer bar of today
    assert p in row.locator(".ll-was").inner_text()
    fallen = page.locator(".ll-row.ll-barred").first
    assert fallen.locator(".ll-ghost").evaluate("bar => parseFloat(bar.style.width)") > 0 == fallen.locator(".ll-then").count()
    assert page.locator(".ll-fill").first.evaluate("bar => getComputedStyle(bar).transitionDuration") == "0s"


def test_none_of_these_is_stated_by_one_click(opened: tuple[Opened, Running]):
    page = opened[0]()
    group = page.get_by_role("region", name="vehicle")
    if group.locator(".ll-fold[aria-expanded=false]").count():
        group.locator(".ll-fold").first.click()
    group.get_by_role("button", name=re.compile("^none of these: ")).click()
    assert "no vehicle" in page.locator(".ll-told").inner_text()
    assert group.get_by_role("button", name="car is absent", exact=True).get_attribute("aria-pressed") == "true"
    car = group.get_by_role("button", name="car is present", exact=True)
    assert car.get_attribute("aria-disabled") is None  # a click on the label takes "none" back for it
    group.get_by_role("button", name=re.compile("^none of these: ")).click()
    assert page.locator(".ll-absent, .ll-present").count() == 0 and not page.problems


def test_a_confusion_cell_leads_to_its_images(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.get_by_role("button", name="Labels", exact=True).click()
    page.get_by_role("button", name="Confusion within groups").click()
    page.locator(".cells").wait_for()
    cell = page.locator(".cells button").last
    told = re.fullmatch(r"known as (.+), the model says (.+): (\d+) images?", cell.get_attribute("aria-label"))
    assert told is not None
    cell.click()
    page.locator(".pictures h3", has_text=f"{told[3]} image").wait_for()
    assert page.locator(".sheet-of button").count() == min(int(told[3]), 60)
    assert serious(page) == [] and overflow(page) <= 0
    page.locator(".sheet-of button").first.click()
    page.wait_for_selector(".three .ll-card")
    assert page.get_by_role("button", name=re.compile(f"^{re.escape(told[1])}: .*known in the table")).count() >= 1
    assert not page.problems


def test_the_keys_are_listed_by_a_key(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    assert serious(page) == []
    page.keyboard.press("q")  # the page behind it hears nothing
    assert page.locator(".ask").count() == 0
    page.keyboard.press("Escape")
    _until(page, "!document.querySelector('dialog')")
    page.keyboard.press("q")
    page.wait_for_selector(".question")


def test_the_page_says_that_the_service_is_away_and_continues_when_it_is_back(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.route("**/v1/**", lambda route: route.abort())
    page.locator(".tile").nth(4).click()
    page.locator(".away").wait_for()
    assert f"--port {opened[1].base.split(':')[-1]} --token {TOKEN}" in page.locator(".away").inner_text()
    assert serious(page) == []
    page.locator(".ll-main").first.click()  # the card needs no service
    page.unroute("**/v1/**")
    _until(page, "!document.querySelector('.away')")
    name = page.locator(".tile[aria-selected=true]").get_attribute("title").split("\n")[0]
    _until(page, "name => document.querySelector('.centre figcaption').innerText.includes(name)", arg=name)
    assert page.get_by_role("alert").count() == 0
    assert page.locator(".tile[aria-selected=true] img").count() == 1  # pictures that were missing meanwhile are tried again


def test_a_service_with_another_token_is_told(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.route("**/v1/**", lambda route: route.abort())
    page.locator(".tile").nth(5).click()
    page.locator(".away").wait_for()
    page.unroute("**/v1/**")
    page.route("**/v1/**", lambda route: route.fulfill(status=401, json={"detail": "no"}))
    page.get_by_text("with another token").wait_for()


def test_a_refit_that_fails_says_why(opened: tuple[Opened, Running]):
    page = opened[0]()
    page.keyboard.press("q")
    page.wait_for_selector(".question")
    yes = page.locator(".choice kbd", has_text=re.compile("^Y$")).count() > 0
    page.keyboard.press("y" if yes else "1")
    state = {"state": "running", "progress": 0.4, "message": "epoch 4 of at most 10", "before": None, "after": None}
    page.route("**/v1/refit", lambda route: route.fulfill(json=state))
    page.get_by_role("button", name=re.compile("^Refit with")).click()
    page.get_by_text("epoch 4 of at most 10").wait_for()
    assert page.get_by_role("progressbar", name="Progress of the refit").get_attribute("value") == "0.4"
    state.update(state="failed", message="the disk is full")
    page.get_by_text("The refit failed: the disk is full").wait_for()
    assert serious(page) == []


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
    page.wait_for_timeout(200)
    before = page.locator(".acts").inner_text()
    yes = page.locator(".choice kbd", has_text=re.compile("^Y$")).count() > 0
    page.keyboard.press("y" if yes else "1")
    _until(page, "before => document.querySelector('.acts').innerText !== before", arg=before)  # it is counted
    page.get_by_role("button", name=re.compile("^Refit with")).click()
    page.locator(".refit progress").wait_for()
    page.get_by_text("The model has learned from your answers").wait_for(timeout=120_000)
    told = page.locator(".refit").inner_text()
    assert "Before" in told and "After" in told and "The new run is" in told
    button = page.get_by_role("button", name=re.compile("^Refit with"))
    assert button.get_attribute("aria-disabled") == "true"  # there is nothing new to learn
    page.wait_for_selector(".question")
    page.keyboard.press("1")
    _until(page, "!document.querySelector('.acts button:last-child').ariaDisabled")
    assert not page.problems


def test_possible_mistakes_are_decided_by_key(opened: tuple[Opened, Running], run: Fitted):
    page = opened[0]()
    image = {"image": "2", "label": "striped", "value": 1, "probability": 0.02, "instead": None, "instead_probability": None}
    rival = {"image": "3", "label": "red", "value": 1, "probability": 0.01, "instead": "blue", "instead_probability": 0.9}
    name = page.evaluate(
        "async token => (await (await fetch('/v1/images/3', {headers: {Authorization: `Bearer ${token}`}})).json()).name", TOKEN
    )
    found = {
        "unseen": True,
        "can_tell": True,
        "reason": None,
        "expected": 2.4,
        "low": 1.0,
        "high": 4.0,
        "mistakes": [{"name": "2.png", **image}, {"name": name, **rival}],
    }
    page.route("**/v1/mistakes", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Mistakes", exact=True).click()
    page.get_by_role("button", name="change to “no striped”").wait_for()
    page.keyboard.press("u")
    page.get_by_role("button", name="change to “blue”").wait_for()
    page.keyboard.press("c")
    page.locator(".suspects .done", has_text="changed").wait_for()
    assert {"image": name, "label": "blue", "value": "1"} in _answers(run)
    assert not page.problems


def test_where_nobody_can_tell_how_many_mistakes_there_are_the_page_says_why(opened: tuple[Opened, Running]):
    page = opened[0]()
    none = {"expected": None, "low": None, "high": None, "mistakes": []}
    found = {"unseen": True, "can_tell": False, "reason": "The fits <b>know</b> nothing.", **none}
    page.route("**/v1/mistakes", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Mistakes", exact=True).click()
    page.get_by_text("Cannot tell. The fits <b>know</b> nothing.").wait_for()
    told = page.locator("main").inner_text()
    assert "expected" not in told and "No known label" not in told and "null" not in told
    assert page.locator(".review, .suspects").count() == 0
    assert serious(page) == [] and not page.problems


def test_questions_at_random_are_answered_as_such_and_others_say_where_they_come_from(
    opened: tuple[Opened, Running], run: Fitted
):
    page = opened[0]()
    name = page.evaluate(
        "async token => (await (await fetch('/v1/images/4', {headers: {Authorization: `Bearer ${token}`}})).json()).name", TOKEN
    )
    one = {"image": "4", "name": name, "group": None, "choices": ["yes", "no"], "gain": 0.5}
    asked = [
        {**one, "id": "4-rain", "label": "rain", "text": "Does it rain?", "random": False},
        {**one, "id": "4-tree", "label": "tree", "text": "Is there a tree?", "random": True},
    ]
    found = {"questions": asked, "chosen_from": "12 of all 60 images: some", "num_considered": 12, "num_images": 60}
    page.route("**/v1/next?**", lambda route: route.fulfill(json=found))
    page.keyboard.press("q")
    page.get_by_text("Does it rain?").wait_for()
    assert "Chosen from 12 of all 60 images: some." in page.locator(".ask").inner_text()
    page.keyboard.press("n")
    page.get_by_text("Is there a tree?").wait_for()
    told = page.locator(".ask").inner_text()
    assert "Asked at random" in told and "Chosen from" not in told  # those are drawn from all images
    page.keyboard.press("n")
    page.get_by_text("Saved: Is there a tree? no.").wait_for()
    with (run.run / "answers.csv").open(newline="", encoding="utf-8") as file:
        kept = [row for row in csv.DictReader(file) if row["image"] == name and row["label"] in ("rain", "tree")]
    assert {(row["label"], row["value"], row["kind"]) for row in kept} == {("rain", "0", "question"), ("tree", "0", "random")}
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
