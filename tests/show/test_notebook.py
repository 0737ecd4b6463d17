"""What notebooks show: well-formed, escaped, short, with bars as long as the probabilities; and reprs of one line."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import torch
from conftest import MIXED
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch.utils.data import Dataset

import latentlabels as ll
from latentlabels.errors import AnchorWarning, DataWarning
from latentlabels.show.notebook.posterior_cards import MAX_IMAGES
from latentlabels.words import number

VOID = {"img", "br"}
NASTY = "<script>alert('x')</script>\"&\nيسار\u202e \ud800"


class Page(HTMLParser):
    """Tags that balance; text, rows of tables, widths of bars, sources of pictures."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.widths: list[float] = []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"
        assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in self.tags}
        assert not any(
            key.startswith("on") or "javascript" in str(value) for _, attrs in self.tags for key, value in attrs.items()
        )
        html.encode("utf-8")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        width = re.match(r"width:([\d.e+-]+)%", dict(attrs).get("style") or "")
        if width:
            self.widths.append(float(width[1]) / 100)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    @property
    def images(self) -> list[str]:
        return [str(attrs["src"]) for tag, attrs in self.tags if tag == "img"]


def page(thing: Any) -> Page:
    return Page(thing._repr_html_())


def a_line(thing: Any) -> str:
    said = repr(thing)
    assert "\n" not in said and len(said) < 1000
    return said


# --- label spaces -----------------------------------------------------------------------------------------


def test_a_label_space_is_a_tree():
    space = ll.LabelSpace(
        [
            ll.Free("spoiler", requires="car"),
            ll.OneOf("doors", ["2-doors", "4-doors"], requires="car"),
            ll.OneOf("vehicle", ["car", "bike"], optional=True),
            ll.Free("open", requires="2-doors"),
            ll.OneOf("colour", ["blue", "red", "green"]),
            ll.Free("striped"),
            ll.Free("night"),
        ]
    )
    shown = page(space)
    assert "LabelSpace: 11 labels, 4 free, 7 in 3 groups" in shown.text
    assert shown.rows[1:] == [
        ["vehicle", "one of them or none", "2", "car, bike"],
        ["└ free label", "present or not, where car is present", "1", "spoiler"],
        ["└ doors", "exactly one, where car is present", "2", "2-doors, 4-doors"],
        ["└ free label", "present or not, where 2-doors is present", "1", "open"],
        ["colour", "exactly one", "3", "blue, red, green"],
        ["free labels", "each present or not", "2", "striped, night"],
    ]
    indents = [float(value) for value in re.findall(r"padding-left:([\d.]+)em", space._repr_html_())]
    assert indents == [0.0, 0.0, 1.3]
    assert f"{space.num_logits} logits" in shown.text


def test_a_tree_of_labels_that_exclude_others():
    space = ll.LabelSpace(
        [
            ll.OneOf("view", ["front", "side"]),
            ll.OneOf("place", ["left", "right", "both"], optional=True),
            ll.Free("shift", requires=["left", "right"]),
            ll.Free("no finding", excludes="all"),
            ll.Free("bridge", excludes=["left"]),
            ll.Free("edema"),
        ]
    )
    assert page(space).rows[1:] == [
        ["free label", "present or not", "1", "no finding"],
        ["└ view", "exactly one, unless no finding is present", "2", "front, side"],
        ["└ place", "one of them or none, unless no finding is present", "3", "left, right, both"],
        ["└ free label", "present or not, where left or right is present", "1", "shift"],
        ["└ free label", "present or not, unless left is present", "1", "bridge"],
        ["└ free label", "present or not, unless no finding is present", "1", "edema"],
    ]


def test_long_label_spaces_are_shortened():
    free = page(ll.LabelSpace.free(f"label {k}" for k in range(1000)))
    assert "1,000 labels, all free" in free.text and "label 11 and 988 more" in free.text and "label 12" not in free.text
    groups = ll.LabelSpace(ll.OneOf(f"g{i}", [f"{i}-{j}" for j in range(25)]) for i in range(40))
    shown = page(groups)
    assert len(shown.rows) == 1 + 30 + 1 and shown.rows[-1] == ["and 250 more labels in 10 more groups"]
    assert len(groups._repr_html_()) < 20_000


def test_chains_of_any_length_and_a_single_label():
    chain = [ll.Free("0"), *(ll.Free(str(k), requires=str(k - 1)) for k in range(1, 1500))]
    shown = page(ll.LabelSpace(chain))
    assert shown.rows[-1] == ["and 1,470 more labels in 1,470 more groups"]
    assert "LabelSpace: 1 label, 1 in 1 group" in page(ll.LabelSpace([ll.OneOf("g", ["a"])])).text


# --- what is known ----------------------------------------------------------------------------------------


def test_what_is_known_by_label_and_by_image():
    values = np.full((200, 8), -1)
    values[:150, 0] = 1
    values[150:180, 7] = 1
    values[:50, 7] = 0
    observed = ll.Observed.from_array(values, MIXED, [f"a/b/{i}.jpg" for i in range(200)])
    shown = page(observed)
    assert "Observed: 200 images, 8 labels" in shown.text
    rows = {row[0]: row[1:] for row in shown.rows}
    assert rows["known labels per image"] == ["0 to 2, 1.15 on average; 20 images without any"]
    assert rows["altogether"] == ["180 known to be present, 50 known to be absent, 85.6 % of the table unknown"]
    assert rows["never known to be present"] == ["6 labels: red, green, car, bike, 2-doors, 4-doors"]
    assert rows["blue"] == ["150", "", "0"] and rows["striped"] == ["30", "", "50"]
    assert shown.widths == pytest.approx([1.0, 0.2])
    assert rows["b/0.jpg"] == ["blue; not striped"] and shown.rows[-1] == ["and 195 more images"]
    assert a_line(observed) == "Observed(200 images, 8 labels, 230 known)"


def test_foremost_labels_and_a_count_of_the_rest():
    values = np.full((60, 50), -1)
    for k in range(50):
        values[: 60 - k, k] = 1
    observed = ll.Observed.from_array(values, ll.LabelSpace.free(f"l{k}" for k in range(50)), unknown=-1)
    rows = page(observed).rows
    start = rows.index(["label", "known present", ""])
    assert [row[:2] for row in rows[start + 1 : start + 13]] == [[f"l{k}", str(60 - k)] for k in range(12)]
    assert rows[start + 13] == ["and 38 more labels, known to be present on at most 48 images"]
    assert ["image 0", "l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11 and 38 more"] in rows


@pytest.mark.parametrize("size", [0, 1, 7])
def test_where_nothing_is_known(size: int):
    observed = ll.Observed.from_array(np.full((size, 8), -1), MIXED)
    shown = page(observed)
    assert ("No images" in shown.text) == (size == 0)
    assert not shown.widths
    assert shown.rows.count(["image 0", "nothing"]) == min(size, 1)


def test_absences_alone():
    observed = ll.Observed.from_array([[0] * 20], ll.LabelSpace.free(f"l{k}" for k in range(20)))
    shown = page(observed)
    assert "and 8 more labels, known to be absent only" in shown.text and set(shown.widths) == {0.0}


# --- posteriors -------------------------------------------------------------------------------------------


def posterior(size: int, space: ll.LabelSpace = MIXED, **how: Any) -> ll.Posterior:
    return ll.Posterior(space.distribution(torch.randn(size, space.num_logits)), **how)


def test_bars_are_as_long_as_the_probabilities():
    post = posterior(1)
    shown = page(post)
    p = post.marginals[0].astype(float)
    outcomes = [*p[:3], *p[3:5], 1 - p[3:5].sum(), *p[5:7], 1 - p[5:7].sum(), p[7]]
    assert shown.widths == pytest.approx(outcomes, abs=1e-4)
    texts = [row[-3] for row in shown.rows]
    assert texts == ["blue", "red", "green", "car", "bike", "none of these", "2-doors", "4-doors", "does not apply", "striped"]
    assert [row[0] for row in shown.rows if len(row) == 4] == ["colour", "vehicle", "doorsif car", "other labels"]
    assert f"{p.sum():.2f} labels expected" in shown.text


def test_a_few_images_of_many():
    post = posterior(MAX_IMAGES + 1200, pictures=torch.rand(MAX_IMAGES + 1200, 3, 200, 100))
    shown = page(post)
    assert shown.text.count("labels expected") == len(shown.images) == MAX_IMAGES
    assert "1,200 more: .marginals or .to_frame() have all of them." in shown.text
    assert "image 7" in shown.text and "image 8" not in shown.text
    assert "more:" not in page(posterior(MAX_IMAGES)).text
    assert len(post._repr_html_()) < 120_000


def test_what_is_known_is_marked():
    known = np.full((2, 8), -1, np.int8)
    known[1, 3], known[1, 7] = 1, 0
    rows = page(posterior(2, known=known)).rows
    marks = {row[-4]: row[-1] for row in rows if row[-1].startswith("known")}
    assert marks == {"car": "known", "striped": "known absent"}
    given = posterior(3).given(present=["car"], absent=["striped"])
    shown = page(given)
    assert shown.text.count("known absent") == 3 and a_line(given) == "Posterior(3 images, 8 labels, 6 known)"
    assert a_line(posterior(1)) == "Posterior(1 image, 8 labels)"


def test_a_thousand_labels_show_twelve():
    space = ll.LabelSpace.free(f"label {k}" for k in range(1000))
    post = posterior(3, space)
    shown = page(post)
    assert len(shown.widths) == 36 and shown.text.count("988 labels left out, each below") == 3
    for row in range(3):
        top = np.sort(post.marginals[row])[::-1][:12]
        assert sorted(shown.widths[12 * row : 12 * row + 12], reverse=True) == pytest.approx(top, abs=1e-4)


def test_no_images_one_label_and_no_values():
    assert "Posterior: 0 images, 8 labels" in page(posterior(0)).text and "No images." in page(posterior(0)).text
    one = ll.LabelSpace.free(["only"])
    post = ll.Posterior(one.distribution(torch.tensor([[math.nan], [2.0]]), None))
    shown = page(post)
    assert "no value" in shown.text and "its probabilities hold NaN" in shown.text
    assert shown.widths == pytest.approx([0.0, 0.8808], abs=1e-4)
    assert a_line(post) == "Posterior(2 images, 1 label)"


class Drawn(Dataset):
    """Pictures by chance, one of which fails."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        if row == 1:
            raise OSError("gone")
        return torch.rand(3, 30, 30), row


def test_to_look_changes_nothing():
    post = posterior(3, pictures=Drawn())
    before = torch.random.get_rng_state()
    assert len(page(post).images) == 2
    assert torch.equal(torch.random.get_rng_state(), before)


def test_pictures_of_files_some_of_which_are_gone(tmp_path: Path):
    Image.new("RGB", (300, 200), "red").save(tmp_path / "there.jpg")
    files = [str(tmp_path / "there.jpg"), str(tmp_path / "gone.jpg")]
    shown = page(posterior(2, images=files, pictures=files))
    assert len(shown.images) == 1 and f"{tmp_path.name}/gone.jpg" in shown.text
    sizes = [(attrs["width"], attrs["height"]) for tag, attrs in shown.tags if tag == "img"]
    assert sizes == [("96", "64")]


@pytest.mark.parametrize("pictures", [None, [], 3, "text", np.zeros((1, 3, 8, 8)), object(), [None, "no file"]])
def test_pictures_that_cannot_be_shown_are_left_out(pictures: Any):
    assert len(page(posterior(2, pictures=pictures)).images) <= 1


def test_float16_all_the_way():
    logits = torch.randn(2, MIXED.num_logits).double()
    post = ll.Posterior(MIXED.distribution(logits), pictures=np.random.default_rng(0).random((2, 3, 9, 9)).astype(np.float16))
    assert len(page(post).images) == 2


# --- names of every kind ----------------------------------------------------------------------------------


def test_names_cannot_become_markup():
    space = ll.LabelSpace(
        [
            ll.OneOf(NASTY, [NASTY + "a", "car" + NASTY], optional=True),
            ll.OneOf("自行车", ["b" * 200], requires=NASTY + "a"),
            ll.Free('"><img src=x onerror=1>'),
        ]
    )
    values = np.array([[1, 0, -1, 1], [-1, -1, -1, 0]])
    observed = ll.Observed.from_array(values, space, [NASTY, "photos/" + NASTY + "/1.jpg"])
    post = posterior(2, space, images=observed.images, known=observed.values, pictures=torch.rand(2, 3, 8, 8))
    m = ll.LatentLabels(space, encoder=NASTY, weights=NASTY)
    for thing in (space, observed, post, m):
        shown = page(thing)
        assert all(source.startswith("data:image/jpeg;base64,") for source in shown.images)
        assert "<script>alert" in shown.text  # as text
        assert a_line(thing)


# --- fits -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(mixed) -> ll.LatentLabels:
    return ll.LatentLabels(MIXED, encoder="embedding", epochs=4, learning_rate=0.02).fit(mixed.inputs, mixed.observed)


def facts(m: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in page(m).rows if len(row) == 2}


def test_before_a_fit_the_settings_that_were_chosen():
    m = ll.LatentLabels(MIXED, ll.annotation.Scar(0.5), "tiny", epochs=3, image_size=[32, 48])
    assert a_line(m) == (
        "LatentLabels(not fitted, 8 labels, encoder='tiny', annotation=Scar(rates=0.5), epochs=3, image_size=[32, 48])"
    )
    assert facts(m) == {
        "labels": "8: colour (3), vehicle (2), doors (2), 1 free label",
        "encoder": "tiny",
        "annotation": "Scar(rates=0.5)",
        "settings": "epochs=3 image_size=[32, 48]",
    }
    assert ".fit(images, observed)" in page(m).text
    bare = ll.LatentLabels()
    assert a_line(bare) == "LatentLabels(not fitted, labels of the data, encoder='auto', annotation=UniformPositive())"
    assert facts(bare)["settings"] == "all at their defaults"


def test_after_a_fit_what_came_out(fitted):
    d = fitted.diagnostics_
    assert a_line(fitted).startswith(
        "LatentLabels(fitted on 600 images, 8 labels, encoder='embedding', annotation=UniformPositive()"
    )
    said = facts(fitted)
    assert said["labels per image"] == (
        f"{d['predicted_count']:.2f} predicted, {d['expected_labels']:.2f} expected ({d['expected_labels_source']})"
    )
    assert said["epoch kept"].startswith(f"{d['best_epoch'] + 1} of 4")
    assert said["on held-out images"].startswith(f"{number(d['held_out_log_likelihood'])} (log-likelihood")
    verdict = ll.checks.verdict_of(d, None, fitted.history_)
    assert said["verdict"] == verdict.sentence
    assert said.get("weak labels", "") == verdict.weakest_sentence
    assert ".posterior(images)" in page(fitted).text and "Warning" not in page(fitted).text


def test_a_loaded_one_says_the_same(fitted, tmp_path: Path):
    fitted.save(tmp_path / "run")
    loaded = ll.LatentLabels.load(tmp_path / "run")
    assert not hasattr(loaded, "anchor_")
    settings = {"settings"}  # `at_least_one` is written down as it was decided
    assert {k: v for k, v in facts(loaded).items() if k not in settings} == {
        k: v for k, v in facts(fitted).items() if k not in settings
    }
    assert "fitted on 600 images" in a_line(loaded)
    (tmp_path / "run" / "diagnostics.json").unlink()
    (tmp_path / "run" / "metrics.jsonl").unlink()
    (tmp_path / "run" / "manifest.json").unlink()  # as a run of version 0.1 has none
    about = json.loads((tmp_path / "run" / "environment.json").read_text())
    (tmp_path / "run" / "environment.json").write_text(json.dumps(about | {"format": 1}))
    silent = ll.LatentLabels.load(tmp_path / "run")
    assert a_line(silent).startswith("LatentLabels(fitted, 8 labels") and "epoch kept" not in facts(silent)


def test_a_prepared_one(mixed):
    m = ll.LatentLabels(MIXED, encoder="embedding").prepare(mixed.inputs, mixed.observed)
    assert a_line(m).startswith("LatentLabels(prepared, not fitted, 8 labels")
    assert facts(m)["labels per image"].startswith(f"{m.anchor_.expected_labels:.2f} expected")
    assert "pyro.infer.SVI" in page(m).text


def test_other_objectives_and_rules(mixed):
    m = ll.LatentLabels(MIXED, encoder="embedding", epochs=1, objective="assume-negative")
    m.fit(mixed.inputs, mixed.observed, watch=["likelihood"])
    said = facts(m)
    assert "negative assume-negative loss, higher is better" in said["on held-out images"]
    assert "objective='assume-negative'" in said["settings"]
    assert said["weights kept by"] == "known-map, likelihood (for .use(rule))"
    whole = ll.LatentLabels(MIXED, encoder="embedding", epochs=1, objective="full-labels", held_out=0.0)
    whole.fit(mixed.inputs, mixed.observed, mixed.truth)
    assert "on held-out images" not in facts(whole)


def test_warnings_are_shown(mixed):
    observed = mixed.observed.copy()
    observed[:, 7] = -1
    m = ll.LatentLabels(MIXED, encoder="embedding", epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        warnings.simplefilter("ignore", AnchorWarning)
        m.fit(mixed.inputs, observed)
    m.diagnostics_["warnings"] = ["a < b & so on"]
    shown = page(m)
    assert "Warning: a < b & so on" in shown.text
    assert "1 label never known to be present: striped. The fit cannot learn it; it keeps its prior probability." in shown.text


def test_scikit_learn_s_manners_are_kept(fitted):
    assert a_line(clone(fitted)).startswith("LatentLabels(not fitted, 8 labels")
    assert clone(fitted).get_params() == fitted.get_params()
    bundle = fitted._repr_mimebundle_()
    assert bundle["text/plain"] == repr(fitted) and bundle["text/html"] == fitted._repr_html_()
    with sklearn.config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_") and set(fitted._repr_mimebundle_()) == {"text/plain"}
    search = GridSearchCV(ll.LatentLabels(MIXED), {"epochs": [1, 2]})
    assert "LatentLabels" in repr(search) and "LatentLabels" in search._repr_html_()
    changed = ll.LatentLabels(MIXED).set_params(annotation="nonsense", space=3)  # not refused before `fit`
    assert a_line(changed) == "LatentLabels(not fitted, labels of the data, encoder='auto', annotation='nonsense')"


def test_long_settings_are_cut():
    many: Sequence[float] = np.linspace(0.1, 0.9, 500).tolist()
    space = ll.LabelSpace.free(f"l{k}" for k in range(500))
    m = ll.LatentLabels(space, ll.annotation.Scar(many))
    assert len(a_line(m)) < 250 and "..." in a_line(m)
    assert page(m).rows[0] == ["labels", "500 free labels"]


def test_ipython_shows_it(fitted):
    formatters = pytest.importorskip("IPython.core.formatters")
    for thing in (fitted, MIXED, posterior(1)):
        shown, _ = formatters.DisplayFormatter().format(thing)
        assert shown["text/html"].startswith('<div class="ll-view">') and "\n" not in shown["text/plain"]
