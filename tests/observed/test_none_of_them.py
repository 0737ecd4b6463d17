"""A label that says "none of the others" beside another one: asked about, unless the label space says what it excludes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentlabels.errors import DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.observed.none_of_them import means_none
from latentlabels.observed.options import ReadOptions
from latentlabels.space import Free, LabelSpace, OneOf

ROWS = "image,label\n0.png,edema\n1.png,fracture\n2.png,no finding\n0.png,no finding\n"


@pytest.mark.parametrize(
    "name", ["No_Finding", "no findings", "NONE", "other/none", "none of the above", "healthy", "Normal", "no acute lesion"]
)
def test_names_that_say_none(name: str) -> None:
    assert means_none(name)


@pytest.mark.parametrize("name", ["no entry", "nonesuch", "normal map", "healthy leaf", "no parking", "finding", ""])
def test_names_that_do_not(name: str) -> None:
    assert not means_none(name)


def read(path: Path, space: LabelSpace | None, **stated: object) -> Observed:
    (path / "t.csv").write_text(ROWS, encoding="utf-8")
    return Observed.read(path / "t.csv", ReadOptions(space=space, unlisted="unknown", **stated))  # type: ignore[arg-type]


@pytest.mark.parametrize("space", [None, LabelSpace.free(["edema", "fracture", "no finding"])])
def test_it_is_asked_about(tmp_path: Path, space: LabelSpace | None) -> None:
    message = '"no finding" is known to be present together with "edema" in 0.png, and the label space does not say'
    with pytest.raises(ObservationError, match=message + r".*excludes: all}.*excludes: \[\]}"):
        read(tmp_path, space, ambiguous="refuse")
    with pytest.warns(DataWarning, match=message):
        found = read(tmp_path, space)
    assert found.how_read is not None and any("no finding" in note for note in found.how_read.notes)


@pytest.mark.parametrize("excludes", [[], ["fracture"]])
def test_a_label_space_that_says_what_it_excludes_answers(tmp_path: Path, excludes: list[str]) -> None:
    space = LabelSpace([Free("edema"), Free("fracture"), Free("no finding", excludes=excludes)])
    found = read(tmp_path, space, ambiguous="refuse")
    assert found.values[0].tolist() == [1, -1, 1]
    assert LabelSpace.from_config(space.to_config()) == space


def test_a_label_that_excludes_all_others_makes_it_a_contradiction(tmp_path: Path) -> None:
    space = LabelSpace([Free("edema"), Free("fracture"), Free("no finding", excludes="all")])
    with pytest.raises(ObservationError, match='"no finding" and "edema" exclude each other'):
        read(tmp_path, space)
    with pytest.warns(DataWarning, match="1 contradiction counts? as unknown"):
        found = read(tmp_path, space, contradictions="unknown")
    np.testing.assert_array_equal(found.values, [[-1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


def test_beside_a_label_of_which_every_image_has_one_nothing_is_asked(tmp_path: Path) -> None:
    always = LabelSpace([OneOf("view", ["edema", "fracture"]), Free("no finding")])
    assert read(tmp_path, always, ambiguous="refuse").values[0, 2] == 1
    with pytest.raises(ObservationError, match="together with"):
        read(
            tmp_path,
            LabelSpace([OneOf("finding", ["edema", "fracture"], optional=True), Free("no finding")]),
            ambiguous="refuse",
        )


def test_folders_are_asked_about_as_well(tmp_path: Path) -> None:
    from PIL import Image

    for folder in ("healthy", "rust"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / folder / "same.png")
    with pytest.raises(ObservationError, match='"healthy" is known to be present together with "rust"'):
        Observed.from_folder(tmp_path, options=ReadOptions(ambiguous="refuse"))
