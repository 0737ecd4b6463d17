"""From statements to known labels: names become columns, what disagrees is settled."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from latentlabels.errors import DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.observed.contradictions import ContradictionError
from latentlabels.space import LabelSpace, OneOf


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def votes(seed: int) -> list[tuple[str, str, int]]:
    draw = random.Random(seed)
    return [(f"{draw.randint(0, 5)}.png", draw.choice("ab"), draw.randint(0, 1)) for _ in range(40)]


@pytest.mark.parametrize("policy", ["unknown", "vote"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore::latentlabels.errors.DataWarning")
def test_statements_that_disagree_are_counted(tmp_path: Path, policy: str, seed: int) -> None:
    said = votes(seed)
    path = table(tmp_path, "image,label,value", *(f"{image},{label},{value}" for image, label, value in said))
    read = Observed.from_table(path, LabelSpace.free(["a", "b"]), contradictions=policy)
    counted = Counter(said)
    assert read.images is not None
    for image, row in zip(read.images, read.values.tolist(), strict=True):
        for label, value in zip("ab", row, strict=True):
            present, absent = counted[image, label, 1], counted[image, label, 0]
            clash = -1 if policy == "unknown" or present == absent else int(present > absent)
            assert value == (clash if present and absent else 1 if present else 0 if absent else -1)
    clashes = {pair for pair in {(i, label) for i, label, _ in said} if counted[*pair, 0] and counted[*pair, 1]}
    with pytest.raises(ContradictionError) as caught:
        Observed.from_table(path, LabelSpace.free(["a", "b"]))
    assert {(one.image, one.labels[0]) for one in caught.value.found} == clashes
    for one in caught.value.found:  # each names the lines that disagree
        lines = {f"{path}:{number}" for number, (i, label, _) in enumerate(said, 2) if (i, label) == (one.image, one.labels[0])}
        assert {*one.where} <= lines and len(one.where) == min(len(lines), 6)


def test_labels_spelt_otherwise_are_noted(tmp_path: Path) -> None:
    space = LabelSpace.free(["Traffic light", "dog"])
    with pytest.warns(DataWarning, match='"traffic  light" is taken for the label "Traffic light"'):
        read = Observed.from_table(table(tmp_path, "image,traffic  light,dog", "a,1,0"), space)
    assert read.values.tolist() == [[1, 0]]
    with pytest.raises(ObservationError, match="are the same label; remove or rename one"):
        Observed.from_table(table(tmp_path, "image,traffic light,TRAFFIC LIGHT", "a,1,0"), space)


def test_none_in_a_column_of_a_group(tmp_path: Path) -> None:
    space = LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True), OneOf("colour", ["red", "blue"])])
    read = Observed.from_table(table(tmp_path, "image,colour,vehicle", "a,red,none", "b,blue,car"), space)
    assert read.values.tolist() == [[0, 0, 1, -1], [1, -1, -1, 1]]
    with pytest.raises(ObservationError, match=r":2: .*red"):
        Observed.from_table(table(tmp_path, "image,colour,vehicle", "a,red,red"), space)


def test_images_of_one_name_in_two_unicode_forms_are_one(tmp_path: Path) -> None:
    path = table(tmp_path, "image,a,b", "caf\u00e9.png,1,", "cafe\u0301.png,,0")
    read = Observed.from_table(path)
    assert read.images == ("café.png",) and read.values.tolist() == [[1, 0]]


# --- spelt otherwise, denied, and called "image" ------------------------------------------------------------------


@pytest.mark.parametrize("spelt", ["None", "NONE", "No Vehicle", "no  vehicle"])
def test_an_empty_outcome_may_be_spelt_otherwise(tmp_path: Path, spelt: str) -> None:
    space = LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True, none="no vehicle")])
    path = tmp_path / "t.csv"
    path.write_text(f"image,label\na.png,car\nb.png,{spelt}\n", encoding="utf-8")
    with pytest.warns(DataWarning, match="spelt otherwise"):
        known = Observed.from_table(path, space, unlisted="unknown")
    assert known.values.tolist() == [[1, -1], [0, 0]]
    path.write_text("image,car,bike,No Vehicle\na.png,,,1\nb.png,1,,0\n", encoding="utf-8")
    with pytest.warns(DataWarning) as caught:
        known = Observed.from_table(path, space, unlisted="unknown")
    assert known.values.tolist() == [[0, 0], [1, -1]]
    assert any('1 statement that "No Vehicle" is not the case' in str(one.message) for one in caught)


def test_a_long_table_whose_space_has_a_label_called_image(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,label\na.png,image\nb.png,cat\n", encoding="utf-8")
    known = Observed.from_table(path, LabelSpace.free(["image", "cat"]), unlisted="unknown")
    assert known.images == ("a.png", "b.png") and known.values.tolist() == [[1, -1], [-1, 1]]


def test_what_yaml_reads_as_true_and_false_means_the_words(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"{row}.png,{'yes,no' if row % 2 else 'no,yes'}\n" for row in range(12))
    path.write_text("image,cat,dog\n" + rows, encoding="utf-8")
    known = Observed.from_table(path, unknown=False)  # `unknown: no` in a config
    assert set(known.values.ravel().tolist()) == {1, -1} and known.counts() == {"cat": (6, 0), "dog": (6, 0)}
