"""The user's own split: columns, tables, masks, rows, names and folds; what is unclear or contradictory is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlabels.errors import ConfigError, DataError, DataWarning
from latentlabels.estimator import LatentLabels
from latentlabels.fitting.held_out import hold_out
from latentlabels.fitting.stated_split import IN_CONFIG, with_statements
from latentlabels.inputs import Inputs, Wanted, read_inputs
from latentlabels.kind import Kind
from latentlabels.observed import Observed
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["cat", "dog"])
NAMES = tuple(f"photos/{row}.png" for row in range(8))
SPLIT = ("train", "train", "val", "train", "test", "val", "train", "train")
VALUES = np.array([[1, -1], [-1, 1]] * 4, np.int8)
VECTORS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def inputs(extra: Mapping[str, tuple[str, ...]] | None = None, values: np.ndarray = VALUES) -> Inputs:
    known = Observed(values, SPACE, NAMES, extra=extra or {})
    return read_inputs(VECTORS, known, space=SPACE, wanted=Wanted(Kind.EMBEDDINGS))


def held(found: Inputs, share: float = 0.1) -> list[str]:
    """The names of the images that are held out."""
    return [found.table_names[row] for row in hold_out(found, share, 0).held.tolist()]


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("train", "val"), ("Training", "VALID"), ("train", "Validation"), ("train", "dev"), ("train", "held-out"),
     ("train", "heldout"), ("train", "held_out"), ("0", "1"), ("False", "True"), ("no", "yes"), ("0.0", "1.0")],
)  # fmt: skip
def test_values_that_mean_training_and_held_out(words: tuple[str, str]) -> None:
    column = tuple(words[name == "val"] for name in SPLIT)
    found = with_statements(inputs({"part": column}), "part")
    assert held(found) == ["photos/2.png", "photos/5.png"]
    assert hold_out(found, 0.1, 0).to_dict()["chosen_by"] == 'column "part"'
    assert len(found) == 8


@pytest.mark.parametrize("word", ["test", "Testing"])
def test_images_of_a_test_are_left_out_and_counted(word: str) -> None:
    found = with_statements(inputs({"part": tuple(word if name == "test" else name for name in SPLIT)}), "part")
    assert [*found.table_names] == [name for name, part in zip(NAMES, SPLIT, strict=True) if part != "test"]
    np.testing.assert_array_equal(found.items.inputs(torch.arange(7)), VECTORS[[0, 1, 2, 3, 5, 6, 7]])
    parts = hold_out(found, 0.1, 0)
    assert parts.to_dict() | {"num_test": 1, "num_held_out": 2, "num_training": 5} == parts.to_dict()
    assert held(found) == ["photos/2.png", "photos/5.png"]


def test_a_split_into_training_and_test_holds_out_a_share_of_the_training() -> None:
    found = with_statements(inputs({"part": tuple("test" if name == "test" else "train" for name in SPLIT)}), "part")
    parts = hold_out(found, 0.3, 0)
    assert (len(parts.train), len(parts.held)) == (5, 2)
    assert parts.to_dict()["chosen_by"] == "labels" and parts.to_dict()["num_test"] == 1


@pytest.mark.parametrize(
    "column, said",
    [
        (("train",) * 7 + ("",), r'column "part" holds nothing for 1 image; expected train or 0, val, valid or 1, and test'),
        (("train",) * 6 + ("late", "val"), r"holds 'late'; expected .*, for example data\.split: part=late"),
        (("train",) * 6 + ("late", ""), "holds 'late' and nothing for 1 image"),
        (tuple("01234012"), r"holds numbers \(0, 1, 2, 3, 4\), which may be folds; .* data\.split: part=4"),
        (("val",) * 8, "leaves no image to train on"),
    ],
)
def test_other_values_are_refused(column: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^data\.split: .*{said}"):
        with_statements(inputs({"part": column}), "part", terms=IN_CONFIG)


@pytest.mark.parametrize("statement", ["fold=1", " fold = 1 ", "fold=1.0"])
def test_one_value_of_a_column_is_held_out(statement: str) -> None:
    found = with_statements(inputs({"fold": tuple("01234012")}), statement)
    assert held(found) == ["photos/1.png", "photos/6.png"]


def test_a_test_stays_out_whichever_value_is_held_out() -> None:
    found = with_statements(inputs({"part": tuple({"val": "late"}.get(name, name) for name in SPLIT)}), "part=late")
    assert len(found) == 7 and held(found) == ["photos/2.png", "photos/5.png"]


def test_a_value_that_no_image_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'fold is "7" for no image.*\(its values: 0, 1, 2, 3, 4\)'):
        with_statements(inputs({"fold": tuple("01234012")}), "fold=7")
    with pytest.raises(ConfigError, match="fold is empty for 1 image"):
        with_statements(inputs({"fold": (*"0123401", "")}), "fold=3")


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r'no column "splt"; did you mean "split"\? \(columns beside the labels: split\)'):
        with_statements(inputs({"split": SPLIT}), "splt")


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_of_its_own(tmp_path: Path) -> None:
    table = tmp_path / "split.csv"
    table.write_text("file_name,site,split\n" + "".join(f"{row}.png,x,{SPLIT[row]}\n" for row in range(8)))
    found = with_statements(inputs(), str(table), terms=IN_CONFIG)
    assert held(found) == ["photos/2.png", "photos/5.png"] and len(found) == 7
    folds = tmp_path / "folds.tsv"
    folds.write_text("image\tfold\n" + "".join(f"{row}.png\t{row % 3}\n" for row in range(9)))
    assert held(with_statements(inputs(), f"{folds}=2", terms=IN_CONFIG)) == ["photos/2.png", "photos/5.png"]


def test_a_table_without_some_images_or_columns(tmp_path: Path) -> None:
    table = tmp_path / "split.csv"
    table.write_text("image,split\n" + "".join(f"{row}.png,train\n" for row in range(6)))
    with pytest.raises(ConfigError, match=r"split\.csv: 2 images of 8 without a row \(photos/6\.png, photos/7\.png\)"):
        with_statements(inputs(), str(table))
    table.write_text("image,one,other\n0.png,1,0\n")
    with pytest.raises(ConfigError, match=r"split\.csv:1: expected a column of image names and one of values, not image, one"):
        with_statements(inputs(), str(table))


# --- arrays -----------------------------------------------------------------------------------------------------------


MASK = [False, True, False, False, False, True, False, False]


@pytest.mark.parametrize("given", [np.array(MASK), MASK, [1, 5], np.array([5, 1]), ["photos/1.png", "5.png"]])
def test_a_mask_rows_or_names(given: Any) -> None:
    assert held(with_statements(inputs(), given)) == ["photos/1.png", "photos/5.png"]


@pytest.mark.parametrize(
    "given, said",
    [
        ([True] * 7, r"held_out has shape \(7,\), but 8 images were given"),
        ([8], "names row 8, but rows go from 0 to 7"),
        ([-1], "names row -1"),
        (["x.png"], "names 1 image that the fit does not have: x.png"),
        ([0.5], "values of float64"),
        ([[1, 2]], r"shape \(1, 2\)"),
    ],
)
def test_wrong_arrays(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        with_statements(inputs(), given)


def test_a_fit_takes_a_mask_of_what_it_was_given() -> None:
    mask = np.arange(8) % 3 == 1
    model = LatentLabels(SPACE, encoder="embedding", epochs=1)
    with pytest.warns(DataWarning, match="fewer than 5 training images"):
        model.fit(VECTORS, VALUES, held_out=mask)
    found = model.diagnostics_["held_out"]
    assert (found["num_held_out"], found["chosen_by"], found["share"]) == (3, "the argument held_out", None)


# --- images that belong together --------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["patient", ["a", "a", "b", "b", "c", "c", "d", "d"], [1, 1, 2, 2, 3, 3, 4, 4]])
def test_groups_never_straddle(given: Any) -> None:
    values = np.full((8, 2), -1, np.int8)
    values[:, 0] = 1
    found = with_statements(inputs({"patient": tuple("aabbccdd")}, values), together=given)
    for seed in range(10):
        rows = hold_out(found, 0.25, seed).held.tolist()
        assert len(rows) == 2 and rows[0] // 2 == rows[1] // 2
    assert hold_out(found, 0.25, 0).to_dict()["num_together"] == 4


def test_images_of_an_empty_group_are_alone() -> None:
    found = with_statements(inputs({"patient": ("a", "a", "", "", "", "", "", "")}), together="patient")
    assert found.stated is not None and found.stated.together is not None
    assert np.bincount(found.stated.together).tolist().count(1) == 6


def test_a_split_that_divides_groups_is_refused() -> None:
    extra = {"split": ("train", "val", *["train"] * 6), "patient": tuple("aabbccdd")}
    found = with_statements(inputs(extra), "split", "patient", IN_CONFIG)
    said = r'^data\.together: column "patient" keeps .* data\.split divides \(column "split"\): 1 held-out image \(photos/1'
    with pytest.raises(ConfigError, match=said):
        hold_out(found, 0.1, 0)


def test_a_split_and_no_share_contradict_each_other() -> None:
    said = r'^fit\.held_out: 0 holds out no image, but data\.split holds out 2 \(column "split"\)'
    with pytest.raises(ConfigError, match=said):
        hold_out(with_statements(inputs({"split": SPLIT}), "split"), 0.0, 0)


def test_a_split_that_takes_all_images_of_a_label_is_named() -> None:
    extra = {"split": ("train", "val") * 4}
    with pytest.warns(DataWarning, match=r'column "split": 1 label without a training image, .*: dog'):
        parts = hold_out(with_statements(inputs(extra), "split"), 0.1, 0)
    assert parts.to_dict()["labels_without_training_image"] == ["dog"]
