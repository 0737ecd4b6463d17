"""Open Images: verified labels, labels of a machine, boxes, names of classes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from stated import NAMES, content, meaning, random_content, read, refused, said

from latentlabels.errors import DataError, DataWarning, ObservationError
from latentlabels.observed.formats import find

OPEN = find("open-images")
HEADER = "ImageID,Source,LabelName,Confidence\n"
VERIFIED = (
    "000026e7ee790996,verification,/m/04hgtk,0\n"
    "000026e7ee790996,verification,/m/07j7r,1\n"
    "000062a39995e348,crowdsource-verification,/m/07j7r,1\n"
    "000062a39995e348,verification,/m/015p6,1.0\n"
)
MACHINE = "000062a39995e348,machine,/m/04hgtk,0.7\n0000ffffffffffff,machine,/m/07j7r,0.9\n"
NAMED = {
    "000026e7ee790996": {"Head": 0, "Tree": 1},
    "000062a39995e348": {"Tree": 1, "Bird": 1},
}


def save(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def classes(folder: Path, text: str = "/m/04hgtk,Head\n/m/07j7r,Tree\n/m/015p6,Bird\n/m/0x,Other\n") -> None:
    save(folder, text, "class-descriptions.csv")


@pytest.mark.parametrize("header", [HEADER, '"ImageID","Source","LabelName","Confidence"\n'])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_verified_labels(tmp_path: Path, ending: str, start: str, header: str) -> None:
    classes(tmp_path)
    found = read(save(tmp_path, start + (header + VERIFIED).replace("\n", ending)), "open-images")
    assert said(found) == NAMED
    assert found.unlisted == "unknown"
    assert found.where is not None and found.where.tolist() == [2, 3, 4, 5]


def test_without_descriptions_labels_are_identifiers(tmp_path: Path) -> None:
    found = read(save(tmp_path, HEADER + VERIFIED), "open-images")
    assert found.labels == ["/m/04hgtk", "/m/07j7r", "/m/015p6"]
    assert "class-descriptions" in dict(found.reading)["label names"]


def test_two_labels_of_one_name_stay_two(tmp_path: Path) -> None:
    classes(tmp_path, 'LabelName,DisplayName\n/m/04hgtk,Jaguar\n/m/07j7r,Jaguar\n/m/015p6,"Bird, small"\n')
    found = read(save(tmp_path, HEADER + VERIFIED), "open-images")
    assert found.labels == ["Jaguar (/m/04hgtk)", "Jaguar (/m/07j7r)", "Bird, small"]


def test_labels_of_a_machine_are_asked_for(tmp_path: Path) -> None:
    classes(tmp_path)
    path = save(tmp_path, HEADER + VERIFIED + MACHINE)
    message = refused(path, "open-images", ambiguous="refuse")
    assert "2 of 6 rows" in message and 'unknown="machine"' in message and 'present="machine"' in message
    with pytest.warns(DataWarning, match="labels of a machine"):
        found = read(path)
    expected = {**NAMED, "0000ffffffffffff": {}}
    assert said(found) == said(read(path, unknown=("machine",), ambiguous="refuse")) == expected
    with pytest.raises(ObservationError, match="machine"):
        read(path, strict=True)


def test_labels_of_a_machine_taken_as_present(tmp_path: Path) -> None:
    classes(tmp_path)
    found = read(save(tmp_path, HEADER + VERIFIED + MACHINE), present={"Source": ("machine",)}, ambiguous="refuse")
    one = {**NAMED["000062a39995e348"], "Head": 1}
    assert said(found) == {**NAMED, "000062a39995e348": one, "0000ffffffffffff": {"Tree": 1}}


def test_a_confidence_in_between_is_not_verified_whatever_its_source(tmp_path: Path) -> None:
    path = save(tmp_path, HEADER + "a,crowdsource,/m/1,0.5\nb,verification,/m/1,1\n")
    assert said(read(path, unknown=("machine",))) == {"a": {}, "b": {"/m/1": 1}}


def test_boxes_are_present_labels(tmp_path: Path) -> None:
    text = HEADER.strip() + ",XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    text += "".join(f"{image},xclick,{label},1,0.1,0.2,0.3,0.4,0,1,0,0,0\n" for image, label in ("aa", "ab", "aa", "bc"))
    text = text.replace("aa,", "a,").replace("ab,", "a,")
    found = read(save(tmp_path, text), "open-images")
    assert said(found) == {"a": {"a": 1, "b": 1}, "b": {"c": 1}}
    assert len(found.value) == 3  # two boxes of one label state it once
    assert found.where is not None and found.where.tolist() == [2, 3, 5]


def test_contradictions_are_kept_for_later(tmp_path: Path) -> None:
    found = read(save(tmp_path, HEADER + "a,verification,/m/1,1\na,verification,/m/1,0\na,crowdsource,/m/1,1\n"))
    assert found.value.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER + VERIFIED + "000062a39995e348,verification,/m/0", ":6: 3 cells, but the header has 4 columns"),
        (HEADER + VERIFIED + "a,b,c,d,e\n", ":6: 5 cells"),
        (HEADER + VERIFIED + "a,verification,/m/1,yes\n", ":6: Confidence: expected a number from 0 to 1, not 'yes'"),
        (HEADER + VERIFIED + "a,verification,/m/1,-1\n", ":6: Confidence: expected a number from 0 to 1, not '-1'"),
        (HEADER + VERIFIED + "a,verification,/m/1,\n", ":6: Confidence: expected a number from 0 to 1, not ''"),
        (HEADER + VERIFIED + "a,verification,/m/1,nan\n", ":6: Confidence"),
        (HEADER + VERIFIED + ",verification,/m/1,1\n", ":6: ImageID is empty"),
        (HEADER + VERIFIED + "a,verification,,1\n", ":6: LabelName is empty"),
        (HEADER, "has a header but no rows"),
        ("image,label\na,b\n", ":1: expected one column ImageID"),
    ],
)  # fmt: skip
def test_the_line_that_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refused(save(tmp_path, text), "open-images")


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes((HEADER + "a,verification,b").encode() + b"\xff,1\n")
    assert "not UTF-8" in refused(path, "open-images")


def test_other_tables_are_not_taken_for_it(tmp_path: Path) -> None:
    for head in (b"image,cat\n", b"ImageID,cat\n", b"ImageID,LabelName\n", b"{}"):
        assert not OPEN.recognise(tmp_path / "x.csv", head)


@pytest.mark.parametrize("seed", range(3))
def test_known_labels_come_back(tmp_path: Path, seed: int) -> None:
    one = random_content(seed)
    OPEN.write(tmp_path / "x.csv", one)
    found = {name: row for name, row in meaning(one).items() if row}  # an image without a label has no row
    assert said(read(tmp_path / "x.csv", "open-images")) == found


def test_names_with_line_breaks_come_back(tmp_path: Path) -> None:
    one = content([[1, 0]], labels=("two\nlines", 'quo"te'))
    OPEN.write(tmp_path / "x.csv", one)
    assert said(read(tmp_path / "x.csv", "open-images")) == meaning(one)


def test_probabilities_are_labels_of_a_machine(tmp_path: Path) -> None:
    OPEN.write(tmp_path / "x.csv", content([[1, 0, -1], [-1, -1, 0]], [[1, 0, 0.25], [0.5, 1e-7, 0]]))
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["ImageID"], row["Source"], row["LabelName"], float(row["Confidence"])) for row in csv.DictReader(file)]
    assert rows == [
        ("=cmd.png", "verification", "cat", 1),
        ("=cmd.png", "verification", "dog", 0),
        ("=cmd.png", "machine", "bus", 0.25),
        ("a b.jpg", "verification", "bus", 0),
        ("a b.jpg", "machine", "cat", 0.5),
        ("a b.jpg", "machine", "dog", 1e-7),
    ]


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    with (tmp_path / "class-descriptions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows((f"/m/{number}", name) for number, name in enumerate(NAMES))
    text = HEADER + "".join(f"a,verification,/m/{number},1\n" for number in range(len(NAMES)))
    assert tuple(read(save(tmp_path, text), "open-images").labels) == NAMES


def test_line_ends_of_old_macs(tmp_path: Path) -> None:
    assert len(read(save(tmp_path, (HEADER + VERIFIED).replace("\n", "\r")), "open-images").value) == 4


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        read(tmp_path / "no.csv")
