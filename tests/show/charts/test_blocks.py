"""Charts as a reader of the page finds them: the numbers in the HTML and SVG are those of the data."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from latentlabels.checks import SuspectLabel
from latentlabels.metrics import calibration_curve
from latentlabels.show import colours
from latentlabels.show.blocks import Block, Chart, Details, HeatMap, Section, Verdict
from latentlabels.show.charts import bars, curves, heat_maps, photos
from latentlabels.show.pages import page
from latentlabels.space import Free, LabelSpace, OneOf
from latentlabels.words import percent

SPACE = LabelSpace(
    [OneOf("colour", ["red", "blue"]), OneOf("kind", ["car", "bike"], optional=True), Free("striped"), Free("wet")]
)
EVIL = '<b onclick="x">&\'{0} %s'


class _Reader(HTMLParser):
    """Elements with their attributes and their text, in order."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []
        self.feed(page("page", [], [Section("section", blocks)]))
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        one = {"tag": tag, "class": "", "text": "", "inside": [*self._open], **{key: value or "" for key, value in attrs}}
        self.found.append(one)
        if tag not in ("meta", "img"):
            self._open.append(one)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one["text"] += data

    def of(self, tag: str, kind: str = "", within: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Elements of a tag, with a class, inside of another."""
        return [
            one
            for one in self.found
            if one["tag"] == tag
            and (not kind or kind in one["class"].split())
            and (within is None or any(outer is within for outer in one["inside"]))
        ]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Rows of the body of the tables of a class."""
        (body,) = [one for one in self.of("tbody") if kind in one["inside"][-1]["class"].split()]
        return self.of("tr", within=body)


def _width(one: dict[str, Any]) -> float:
    return float(re.fullmatch(r"(?:width|left):([\d.]+)%", one["style"])[1])  # type: ignore[index]


def test_bars_of_known_labels_are_as_long_as_their_counts() -> None:
    counts = {"a": (30, 10), "b": (0, 5), "c": (8, 0), EVIL: (20, 80)}
    reader = _Reader(bars.known_counts(counts))
    rows = reader.rows("bars")
    assert [reader.of("td", within=row)[0]["text"] for row in rows] == ["a", EVIL, "c", "b"]
    for row in rows:
        name, present, _, absent = (cell["text"] for cell in reader.of("td", within=row))
        known, refused = counts[name]
        assert (present, absent) == (str(known) if known else "never", str(refused))
        assert [_width(part) for part in reader.of("span", within=row)] == pytest.approx([known, refused], abs=0.01)
        assert [part["class"] for part in reader.of("span", within=row)] == ["c-orange", "c-grey"]
    assert "known to be absent" not in str(bars.known_counts({"a": (3, 0)}))


def test_labels_that_are_left_out_are_counted() -> None:
    counts = {f"label {k}": (k, 0) for k in range(50)}
    shown = str(bars.known_counts(counts, limit=40)[-1])
    assert "10 labels left out, each known to be present in at most 9 images; 1 never." in shown
    space = LabelSpace.free(f"label {k}" for k in range(5))
    prior, after = np.full(5, 0.5), np.array([0.5, 0.6, 0.9, 0.52, 0.1])
    blocks = bars.prevalence(prior, after, space, limit=3)
    assert "2 labels left out, each moved by 2.0 percentage points at most." in str(blocks[-1])
    assert [row.cells[0] for row in blocks[1].rows] == ["label 2", "label 1", "label 4"]  # type: ignore[union-attr]


def test_dots_of_prevalences_lie_where_their_numbers_say() -> None:
    prior, after = np.array([0.5, 0.25, 0.1, 0.3, 0.2, np.nan]), np.array([0.4, 0.35, 0.2, 0.1, 0.5, 0.3])
    truth = np.array([0.45, 0.3, 0.15, 0.2, 0.35, 0.0])
    reader = _Reader(bars.prevalence(prior, after, SPACE, truth, images=10_000))
    for row in reader.rows("bars"):
        cells = [cell["text"] for cell in reader.of("td", within=row)]
        k = SPACE.index(cells[0])
        places = {dot["class"]: _width(dot) for dot in reader.of("b", within=row)}
        wanted = {"c-ring": prior[k], "c-blue": after[k], "c-green": truth[k]}
        wanted = {colour: 100 * value / 0.5 for colour, value in wanted.items() if math.isfinite(value)}
        assert places == pytest.approx(wanted, abs=0.01)
        for said, value in zip(cells[2:], (prior[k], after[k], truth[k]), strict=True):
            if math.isnan(value):
                assert said == "–"
            else:
                assert float(said.split()[0]) == pytest.approx(100 * value, abs=0.51)


def test_a_heat_map_has_the_share_of_each_pair() -> None:
    rng = np.random.default_rng(0)
    draws = rng.random((200, 6)) < [0.5, 0.4, 0.3, 0.2, 0.6, 0.0]
    together = (draws[:, :, None] & draws[:, None]).mean(0)
    reader = _Reader(heat_maps.co_occurrence(together, SPACE, SPACE.labels))
    names = [cell["text"] for cell in reader.of("th") if cell.get("scope") == "col"]
    rows = reader.rows("heat")
    assert names == list(SPACE.labels)
    assert [reader.of("th", within=row)[0]["text"] for row in rows] == ["all images", *SPACE.labels]
    for i, row in enumerate(rows):
        for j, cell in enumerate(reader.of("td", within=row)):
            among = np.ones(200, bool) if i == 0 else draws[:, i - 1]
            if i - 1 == j or not among.any():
                assert "none" in cell["class"].split() and "style" not in cell and cell["text"] == ""
                continue
            share = draws[among, j].mean()
            assert cell["text"] == percent(float(share)).removesuffix(" %")
            assert float(cell["style"].removeprefix("--p:")) == pytest.approx(share, abs=0.005)
            assert percent(float(share)) in cell["title"] and SPACE.labels[j] in cell["title"]
    ruled = [j for j, cell in enumerate(reader.of("td", within=rows[1])) if "rule" in cell["class"].split()]
    assert ruled == [2, 4]  # where a group of which one is present ends; the free labels have none between them


def test_a_confusion_has_the_shares_of_its_rows() -> None:
    counts = np.array([[6, 2, 0], [0, 0, 0], [1, 1, 2]])
    found = heat_maps.confusion(counts, ["red", "blue", EVIL], ["red", "blue", "none"])
    assert found.rows == ["red (8)", "blue (0)", f"{EVIL} (4)"]
    assert found.values == [[0.75, 0.25, 0.0], [None] * 3, [0.25, 0.25, 0.5]]
    assert found.hints[0][1] == "2 images with red called blue"
    assert found.hints[2][0] == f"1 image with {EVIL} called red"
    reader = _Reader([found])
    assert [cell["text"] for cell in reader.of("td", within=reader.rows("heat")[2])] == ["25", "25", "50"]


def _chart(blocks: list[Block]) -> Chart:
    (found,) = [one for one in blocks if isinstance(one, Chart)]
    return found


def _table(reader: _Reader) -> list[list[str]]:
    rows = [row for row in reader.of("tr") if any(outer["tag"] == "details" for outer in row["inside"])]
    return [[cell["text"] for cell in reader.of("td", within=row)] for row in rows][1:]


def test_lines_go_through_the_values_of_their_epochs() -> None:
    epochs = [{"epoch": e, "train_log_likelihood": -3 + 0.3 * e, "held_out_log_likelihood": -3.2 + 0.1 * e} for e in range(4)]
    epochs[1]["held_out_log_likelihood"] = math.nan
    epochs[2]["predicted_count"] = 2.5
    reader = _Reader(curves.history(epochs, 2, 3.0))
    first, second = reader.of("figure", "chart")
    train, held = (
        [tuple(map(float, point.split(","))) for point in reader.of("polyline", within=group)[0]["points"].split()]
        for group in (reader.of("g", "c-grey", first)[0], reader.of("g", "line", first)[0])
    )
    low, high = -3.2, -2.1
    place = lambda e, value: (round(100 * e / 3, 2), round(100 - 100 * (value - low) / (high - low), 2))  # noqa: E731
    np.testing.assert_allclose(train, [place(e, -3 + 0.3 * e) for e in range(4)], atol=0.011)
    np.testing.assert_allclose(held, [place(e, -3.2 + 0.1 * e) for e in (0, 2, 3)], atol=0.011)
    (kept,) = reader.of("g", "c-orange", first)
    assert reader.of("polyline", within=kept)[0]["points"].split() == ["66.67,100.0", "66.67,0.0"]
    assert "held out: −3.20 at first, −2.90 at last" in first["aria-label"] and first["role"] == "img"
    assert "predicted: 2.50 at first" in second["aria-label"]
    assert _table(reader)[1:3] == [["1", "−2.70", "–", "–"], ["2", "−2.40", "−3.00", "2.50"]]


def test_history_without_values_says_so() -> None:
    for entries in ([], [{"epoch": 0, "train_log_likelihood": None}]):
        assert "No epoch was recorded." in str(curves.history(entries))
    reader = _Reader(curves.history([{"epoch": 0, "train_log_likelihood": -3.0}]))
    assert len(reader.of("figure", "chart")) == 1


def test_calibration_has_a_dot_and_a_bar_for_each_bin() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((300, 2)) ** 3
    curve = calibration_curve(rng.random(p.shape) < p, p)
    reader = _Reader(curves.reliability(curve))
    above, below = reader.of("figure", "chart")
    dots = [
        re.fullmatch(r"M([\d.]+) ([\d.]+)h0", one["d"]) for one in reader.of("path", within=reader.of("g", "dots", above)[0])
    ]
    filled = [(p, f) for p, f in zip(curve.predicted, curve.frequency, strict=True) if p is not None and f is not None]
    found = [(float(dot[1]) / 100, 1 - float(dot[2]) / 100) for dot in dots if dot]
    assert np.asarray(found) == pytest.approx(np.asarray(filled), abs=1e-4)
    said = [one["text"] for one in reader.of("title", within=below)]
    assert said == [f"{n:,} entries" for n in curve.count if n]
    assert [int(row[2].replace(",", "")) for row in _table(reader)] == [n for n in curve.count if n]
    heights = [float(bar["height"]) for bar in reader.of("rect", within=below)]
    order = np.argsort([n for n in curve.count if n], kind="stable")
    assert (np.diff(np.asarray(heights)[order]) >= 0).all()
    assert f"Calibration error {100 * curve.error:.1f} %, 600 entries." in " ".join(one["text"] for one in reader.of("p"))
    assert "no entries" in str(curves.reliability(calibration_curve(np.zeros((1, 1)), np.zeros((1, 1))).__class__((), (), ())))


def test_the_number_of_labels_has_a_bar_for_each() -> None:
    model, truth = np.array([0.1, 0.4, 0.3, 0.2, 0.0, 0.0]), np.array([0.0, 0.5, 0.5])
    reader = _Reader(curves.count_distribution(model, truth, expected=1.5))
    heights = np.asarray([float(bar["height"]) for bar in reader.of("rect")])
    assert heights / heights.max() == pytest.approx(model[:4] / 0.4, abs=1e-3)
    assert [row[1:] for row in _table(reader)] == [
        [percent(m), percent(t)] for m, t in zip(model[:4], [0, 0.5, 0.5, 0.0], strict=True)
    ]
    assert "1.6 labels per image on average, 1.5 in truth" in reader.of("figure", "chart")[0]["aria-label"]
    assert "no images" in str(curves.count_distribution(np.full(3, np.nan)))
    assert _chart(curves.count_distribution(np.array([1.0]))).x.high > 0


def test_bars_of_an_image_are_its_probabilities() -> None:
    p = np.array([0.7, 0.3, 0.2, 0.1, 0.95, np.nan])
    known, true = np.array([1, -1, -1, 0, -1, -1]), np.array([1, 0, 0, 0, 1, 0])
    reader = _Reader(photos.examples(p[None], SPACE, [None], ["shop/1.jpg"], known[None], true[None]))
    rows = {}
    for row in reader.rows("bars"):
        cells = reader.of("td", within=row)
        if len(cells) == 3:
            parts = [(part["class"], _width(part)) for part in reader.of("span", within=cells[1])]
            rows[" ".join(cells[0]["text"].split())] = (parts, cells[2]["text"])
    assert rows == {
        "red known true": ([("c-orange", 70.0)], "70 %"), "blue": ([("c-blue", 30.0)], "30 %"),
        "car": ([("c-blue", 20.0)], "20 %"), "bike known absent": ([("c-grey", 10.0)], "10 %"),
        "none of these": ([("c-pale", 70.0)], "70 %"), "striped true": ([("c-blue", 95.0)], "95 %"), "wet": ([], "no value"),
    }  # fmt: skip
    assert not reader.of("img") and reader.of("figcaption")[0]["text"].split()[0] == "shop/1.jpg"


def test_pictures_have_their_names_and_what_is_known() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 3, 96, 96), dtype=np.uint8)
    p = np.array([[0.2] * 6, [0.9] * 6, [np.nan] * 6])
    known = np.array([[1] + [-1] * 5, [0] + [-1] * 5, [-1] * 6])
    reader = _Reader(photos.contact_sheet(p, SPACE, [*pixels], ["17", "a/b/1.jpg", "2"], ["red"], known, ["in 50 %"]))
    assert [" ".join(one["text"].split()) for one in reader.of("figcaption")] == [
        "b/1.jpg90 %, known absent",
        "image 1720 %, known",
    ]
    assert [one["class"] for one in reader.of("figure")] == ["absent", "known"]
    assert [one["alt"] for one in reader.of("img")] == ["red: 90 %, known absent", "red: 20 %, known"]
    found = [SuspectLabel(0, "red", 1, 0.02, "blue", 0.9), SuspectLabel(1, "wet", 0, 0.1, None, math.nan)]
    reader = _Reader(photos.suspects(found, [pixels[0], None], [EVIL, "x"]))
    assert len(reader.of("img")) == 1 and len(reader.of("figure")) == 2
    text = " ".join(reader.of("section")[0]["text"].split())
    assert all(part in text for part in (EVIL, "red known", "2 %", "90 %", "not wet known", "10 %"))


def test_white_that_pads_a_picture_is_cut_off() -> None:
    inner = np.random.default_rng(0).integers(0, 250, (3, 96, 40), dtype=np.uint8)
    padded = np.full((3, 96, 96), 255, np.uint8)
    padded[:, :, 28:68] = inner
    np.testing.assert_array_equal(photos.without_white(padded), inner)
    np.testing.assert_array_equal(photos.without_white(padded.transpose(0, 2, 1)), inner.transpose(0, 2, 1))
    for same in (np.full((3, 96, 96), 255, np.uint8), np.zeros((3, 96, 96), np.uint8)):
        np.testing.assert_array_equal(photos.without_white(same), same)


def test_a_verdict_says_its_level_in_a_word() -> None:
    for level in ("strong", "fair", "weak", "unknown"):
        reader = _Reader([Verdict(level, EVIL, ["note"]), Details("9 checks passed", [], "passed")])
        (banner,) = reader.of("div", level)
        assert " ".join(banner["text"].split()) == f"{level.capitalize()} {EVIL} note"
        assert reader.of("details", "passed")


def _mixed(one: str, other: str, share: float) -> list[float]:
    pairs = zip(*([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (one, other)), strict=True)
    return [share * a + (1 - share) * b for a, b in pairs]


def _light(rgb: list[float]) -> float:
    r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (part / 255 for part in rgb))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_numbers_on_every_shade_can_be_read() -> None:
    for scheme in (colours.LIGHT, colours.DARK):
        ink = _light(_mixed(scheme.ink, scheme.ink, 1))
        for share in np.linspace(0, 1, 21):
            shade = _light(_mixed(scheme.heat, scheme.paper, float(share)))
            low, high = sorted((ink, shade))
            assert (high + 0.05) / (low + 0.05) >= 4.5
        paper = _light(_mixed(scheme.paper, scheme.paper, 1))
        for mark in (scheme.blue, scheme.orange, scheme.green, scheme.grey):
            low, high = sorted((paper, _light(_mixed(mark, mark, 1))))
            assert (high + 0.05) / (low + 0.05) >= 3


def test_a_heat_map_is_data() -> None:
    found = heat_maps.co_occurrence(np.diag([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), SPACE, SPACE.labels, limit=2)
    assert isinstance(found[0], HeatMap) and found[0].columns == ["striped", "wet"]
    assert "4 labels left out, each in 40 % of the images at most." in str(found[1])
