"""Which folder is a label: folders of the system, of nobody's labels and of splits, and names that are nearly equal."""

from __future__ import annotations

import os
import shutil
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from latentlabels.errors import AmbiguousError, Choice, DataError, DataWarning, ObservationError
from latentlabels.observed import Observed, Tree, find_images
from latentlabels.observed.contradictions import ContradictionError
from latentlabels.observed.folder_roles import is_system, role_of
from latentlabels.observed.options import ReadOptions
from latentlabels.space import Free, LabelSpace, OneOf

NFC, NFD = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
FREE = LabelSpace.free(["blue", "red"])
ASK = ReadOptions(ambiguous="refuse")


def pictures(root: Path, *names: str) -> Path:
    """Different pictures of these names."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number % 256, len(str(root)) % 256, 7)).save(root / name, format="PNG")
    return root


def known(observed: Observed) -> dict[str, dict[str, int]]:
    """For each image what is known of it."""
    assert observed.images is not None
    return {
        image: {label: value for label, value in zip(observed.space.labels, row, strict=True) if value != -1}
        for image, row in zip(observed.images, observed.values.tolist(), strict=True)
    }


def said(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    return [str(one.message) for one in caught if issubclass(one.category, DataWarning)]


def quietly(root: Path, space: LabelSpace | None = None, **stated: object) -> Observed:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return Observed.from_folder(root, space, **stated)  # type: ignore[arg-type]


# --- folders of the system --------------------------------------------------------------------------------------

SYSTEM = ["__MACOSX", "@eaDir", "@Recycle", "System Volume Information", "$RECYCLE.BIN", "lost+found", "#recycle",
          ".thumbnails", "__pycache__", ".git"]  # fmt: skip


@pytest.mark.parametrize("space", [None, FREE])
@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("where", ["", "blue/", "blue/deep/"])
def test_folders_of_the_system_are_left_out_and_their_images_counted(
    tmp_path: Path, name: str, where: str, space: LabelSpace | None
) -> None:
    root = pictures(tmp_path, "blue/1.png", "red/1.png", "blue/deep/2.png")
    before = quietly(root, space)
    pictures(root / where / name, "blue/8.png", "9.png")
    with pytest.warns(DataWarning) as caught:
        after = Observed.from_folder(root, space)
    assert after.images == before.images and after.space == before.space and (after.values == before.values).all()
    assert len(find_images(root)) == len(find_images(str(root / "**/*"))) == 3
    (line,) = [text for text in said(caught) if "of the system" in text]
    assert line == f"{root}: 2 images left out, in folders of the system or hidden ones: {name} (2)"
    quiet = quietly(root, space, ignore=name)
    assert quiet.images == before.images and quiet.how_read is not None
    assert not any("of the system" in note for note in quiet.how_read.notes)


def test_a_folder_of_the_system_without_images_is_a_fact(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/1.png", "red/1.png", "__MACOSX/blue/._1.png")
    observed = Observed.from_folder(root, strict=True)
    assert observed.how_read is not None
    assert ("left out, of the system", "__MACOSX (0 images)") in observed.how_read.facts


def test_a_label_space_may_declare_a_name_that_looks_like_the_systems(tmp_path: Path) -> None:
    root = pictures(tmp_path, "@home/1.png", "red/1.png")
    assert known(quietly(root)) == {"red/1.png": {"red": 1}}
    assert known(Observed.from_folder(root, LabelSpace.free(["@home", "red"]), strict=True)) == {
        "@home/1.png": {"@home": 1},
        "red/1.png": {"red": 1},
    }


def test_a_root_may_have_any_name(tmp_path: Path) -> None:
    root = pictures(tmp_path / "@eaDir" / ".hidden", "blue/1.png")
    assert Observed.from_folder(root, strict=True).images == ("blue/1.png",)
    assert find_images(root) == find_images(str(root / "*/*.png")) == [root / "blue/1.png"]


def test_names_of_the_system() -> None:
    assert all(map(is_system, SYSTEM))
    assert not any(map(is_system, ["blue", "a@b", "5$", "eaters", "__init__", "recycle", "thumbs up"]))


# --- folders that may be no labels ------------------------------------------------------------------------------

UNLABELLED = [
    "unlabeled",
    "Unlabelled",
    "unsorted",
    "UNKNOWN",
    "_unlabeled",
    "no_label",
    "to-sort",
    "not labelled",
    "Unlabeled Images",
]
SPLIT = ["test", "train", "val", "Valid", "validation", "test_images", "val2017", "TestSet", "held-out", "dev"]


@pytest.mark.parametrize(
    "name", ["blue", "test tube", "train station", "unknown person", "invalid", "others", "none", "trains", "2"]
)
def test_names_of_labels(name: str) -> None:
    assert role_of(name) is None


@pytest.mark.parametrize("name", UNLABELLED + [name for name in SPLIT if name != "train"])
def test_a_folder_that_may_be_no_label_is_asked_about(tmp_path: Path, name: str) -> None:
    root = pictures(tmp_path, "blue/1.png", "red/1.png", f"{name}/1.png", f"{name}/2.png")
    with pytest.raises(AmbiguousError) as caught:
        Observed.from_folder(root, options=ASK)
    message = caught.value.worded(Choice.as_flags)
    quoted = f"'{name}'" if " " in name else name
    assert f"{root}: folder {name} may be a label or not" in message and "declare it in a label space" in message
    assert f"--unlabelled {quoted}" in message and f"--ignore {quoted}" in message
    # each answer is taken
    without = {"blue/1.png": {"blue": 1}, "red/1.png": {"red": 1}}
    rest: dict[str, dict[str, int]] = {f"{name}/1.png": {}, f"{name}/2.png": {}}
    assert known(Observed.from_folder(root, strict=True, ignore=name)) == without
    assert known(Observed.from_folder(root, strict=True, unlabelled=[name])) == without | rest
    declared = LabelSpace.free(["blue", "red", name])
    assert known(Observed.from_folder(root, declared, strict=True))[f"{name}/1.png"] == {name: 1}
    # in Python it is read by its name, with a warning; strict makes an error of it
    with pytest.warns(DataWarning) as warned:
        by_name = known(Observed.from_folder(root))
    assert by_name == (without | rest if name in UNLABELLED else without)
    assert any(f'unlabelled="{name}"' in text and f'ignore="{name}"' in text for text in said(warned))
    with pytest.raises(ObservationError):
        Observed.from_folder(root, strict=True)


@pytest.mark.parametrize("options", [ASK, ReadOptions()])
def test_train_without_another_part_of_a_split_is_the_vehicle(tmp_path: Path, options: ReadOptions) -> None:
    root = pictures(tmp_path, "bus/1.png", "train/1.png", "train/2.png", "car/1.png")
    with pytest.warns(DataWarning, match="folder train is read as a label, because no other folder is part of a split"):
        found = Observed.from_folder(root, options=options)
    assert found.space.labels == ("bus", "car", "train")
    assert known(found)["train/1.png"] == {"train": 1}
    assert known(Observed.from_folder(root, strict=True, ignore="train")).keys() == {"bus/1.png", "car/1.png"}
    pictures(tmp_path, "test/1.png")  # now it may be the other part
    with pytest.raises(AmbiguousError):
        Observed.from_folder(root, options=ASK)


def test_train_with_folders_of_its_own_is_no_label(tmp_path: Path) -> None:
    root = pictures(tmp_path, "bus/1.png", "train/blue/1.png", "car/1.png")
    with pytest.raises(AmbiguousError):
        Observed.from_folder(root, options=ASK)


@pytest.mark.parametrize("options", [ASK, ReadOptions()])
@pytest.mark.parametrize("name", UNLABELLED[:3] + SPLIT[:3])
def test_a_label_space_that_does_not_declare_the_folder_settles_that_it_is_no_label(
    tmp_path: Path, name: str, options: ReadOptions
) -> None:
    root = pictures(tmp_path, "blue/1.png", f"{name}/1.png", "colour/red/1.png", f"colour/{name}/1.png")
    space = LabelSpace([Free("blue"), OneOf("colour", ["red", "green"])])
    with pytest.warns(DataWarning, match="2 folders that the label space does not declare, read by name: "):
        found = known(Observed.from_folder(root, space, options=options))
    assert {image: values for image, values in found.items() if values} == {
        "blue/1.png": {"blue": 1},
        "colour/red/1.png": {"red": 1},
    }
    assert (f"{name}/1.png" in found) == (f"colour/{name}/1.png" in found) == (name in UNLABELLED)


def test_several_questions_are_asked_at_once(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/1.png", "unsorted/1.png", "vehicle/car/1.png", "vehicle/unknown/1.png", "test/1.png")
    with pytest.raises(AmbiguousError) as caught:
        Observed.from_folder(root, options=ASK)
    assert [dict(choice.settings) for choice in caught.value.choices] == [
        {"unlabelled": ("unsorted", "vehicle/unknown"), "ignore": "test"},
        {"ignore": ("test", "unsorted", "vehicle/unknown")},
        {"unlabelled": ("test", "unsorted", "vehicle/unknown")},
    ]
    flags = "--unlabelled unsorted --unlabelled vehicle/unknown --ignore test"
    assert flags in caught.value.worded(Choice.as_flags)
    for choice in caught.value.choices:  # what an answer settles is not asked again
        assert Observed.from_folder(root, strict=True, **choice.settings).space.labels == ("blue", "car")  # type: ignore[arg-type]


def test_valid_beside_invalid_is_a_label(tmp_path: Path) -> None:
    root = pictures(tmp_path, "valid/1.png", "invalid/1.png")
    assert Observed.from_folder(root, options=ASK).space.labels == ("invalid", "valid")


@pytest.mark.parametrize("space", [None, FREE])
@pytest.mark.parametrize("options", [ASK, ReadOptions()])
@pytest.mark.parametrize("parts", [("train", "val"), ("test", "train", "val"), ("Training", "validation"), ("train", "test")])
def test_parts_of_a_split_are_to_be_given_one_by_one(
    tmp_path: Path, parts: tuple[str, ...], options: ReadOptions, space: LabelSpace | None
) -> None:
    root = pictures(tmp_path, *(f"{part}/{label}/1.png" for part in parts for label in ("blue", "red")))
    train = next(part for part in parts if part.lower().startswith("train"))
    with pytest.raises(ObservationError) as caught:
        Observed.from_folder(root, space, options=options)
    assert f"give {root}/{train} as the folder of images (--images {root}/{train})" in str(caught.value)
    assert "move" not in str(caught.value)
    assert known(Observed.from_folder(root / train, space, strict=True)).keys() == {"blue/1.png", "red/1.png"}


def test_train_and_a_flat_folder_to_test(tmp_path: Path) -> None:
    root = pictures(tmp_path, "train/blue/1.png", "train/red/1.png", "test/1.png", "test/2.png")
    with pytest.raises(ObservationError, match=rf"give {root}/train as the folder of images"):
        Observed.from_folder(root, options=ASK)
    assert Observed.from_folder(root, ignore="test", strict=True).images == ("train/blue/1.png", "train/red/1.png")
    assert len(Observed.from_folder(root, unlabelled="test", strict=True)) == 4


def test_parts_of_a_split_below_each_label(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/train/1.png", "blue/test/1.png", "red/train/1.png", "red/test/1.png")
    words = r"2 labels with images in parts of a split \(test, train\), all of which are read: blue, red; `ignore` leaves some"
    with pytest.warns(DataWarning, match=words):
        assert len(Observed.from_folder(root)) == 4
    assert known(quietly(root, ignore="test")) == {"blue/train/1.png": {"blue": 1}, "red/train/1.png": {"red": 1}}


# --- what the user states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [None, LabelSpace([Free("blue"), OneOf("colour", ["red"], optional=True)])])
@pytest.mark.parametrize(
    ("stated", "rows"),
    [
        ("more", {"more/1.png", "more/deep/2.png", "blue/more/3.png"}),
        ("more/deep", {"more/deep/2.png"}),
        ("blue/more", {"blue/more/3.png"}),
        ("{root}/more/deep", {"more/deep/2.png"}),
        ("./more/deep/", {"more/deep/2.png"}),
    ],
)
def test_folders_are_stated_by_name_or_path(tmp_path: Path, stated: str, rows: set[str], space: LabelSpace | None) -> None:
    root = pictures(tmp_path, "blue/1.png", "colour/red/1.png", "more/1.png", "more/deep/2.png", "blue/more/3.png")
    stated = stated.format(root=root)
    if space is None or stated == "more":
        found = known(quietly(root, space, unlabelled=[stated]))
        assert {image for image, values in found.items() if not values} == rows
        left = known(quietly(root, space, ignore=[stated]))
        assert left == {image: values for image, values in found.items() if values}


def test_a_copy_among_unlabelled_images_is_the_labelled_image(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/1.png", "unsorted/2.png")
    shutil.copy(root / "blue/1.png", root / "unsorted/copy.png")
    assert known(quietly(root, unlabelled="unsorted")) == {"blue/1.png": {"blue": 1}, "unsorted/2.png": {}}


def test_an_unlabelled_folder_that_is_not_there(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/1.png", "rest/1.png")
    with pytest.raises(ObservationError, match=r'unlabelled names the folder "rset", but there is none; did you mean "rest"\?'):
        Observed.from_folder(root, unlabelled="rset")


def test_how_a_folder_was_read(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/1.png", "red /2.png", "rest/3.png", "test/4.png", "test/5.png", "6.png")
    how = quietly(root, unlabelled="rest", ignore="test").how_read
    assert how is not None and how.format == "folders" and how.source == str(root)
    assert how.facts == (
        ("labels", "2 names of folders"),
        ("without known labels", "rest (1 image)"),
        ("left out as stated", "test (2 images)"),
        ('label "red"', 'folder "red "'),
    )
    assert how.notes == (f"{root}: 1 image left out, outside of label folders: 6.png",)


@pytest.mark.parametrize("sparse", [False, True])
def test_unlabelled_images_beside_those_of_a_table(tmp_path: Path, sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if sparse:
        monkeypatch.setattr("latentlabels.observed.sparse.SPARSE_FROM", 0)
    root = pictures(tmp_path / "photos", "1.png", "rest/2.png", "rest/deep/3.png", "rest/4.png", "other/5.png")
    labels = ",".join(f"l{number}" for number in range(60))
    cells = ",".join(["1", "0"] + [""] * 58)
    (tmp_path / "t.csv").write_text(f"image,site,{labels}\n1.png,a,{cells}\nrest/4.png,b,{cells}\n")
    stated: dict[str, object] = {"images_root": root, "split": "site", "strict": True, "unlisted": "unknown"}
    observed = Observed.from_table(tmp_path / "t.csv", **stated, unlabelled="rest")  # type: ignore[arg-type]
    assert observed.images == ("1.png", "rest/4.png", "rest/2.png", "rest/deep/3.png")
    assert observed.num_known.tolist() == [2, 2, 0, 0] and (observed.values[2:] == -1).all()
    assert observed.extra["site"] == ("a", "b", "", "")
    assert observed.how_read is not None
    assert ("without known labels", "2 images of rest not in the table") in observed.how_read.facts
    with pytest.raises(ObservationError, match='unlabelled names the folder "rset"'):
        Observed.from_table(tmp_path / "t.csv", **stated, unlabelled="rset")  # type: ignore[arg-type]


# --- the empty outcome of a group -------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["vehicle/none", "none", "no vehicle", "None", "vehicle/ none"])
def test_a_folder_of_images_that_show_no_label_of_a_group(tmp_path: Path, folder: str) -> None:
    root = pictures(tmp_path, "vehicle/car/1.png", "red/2.png", f"{folder}/3.png")
    space = LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True, none="no vehicle"), Free("red")])
    found = known(quietly(root, space))
    assert found == {
        "vehicle/car/1.png": {"car": 1},
        "red/2.png": {"red": 1},
        f"{folder}/3.png": {"car": 0, "bike": 0},
    }


def test_none_of_two_optional_groups_is_unclear(tmp_path: Path) -> None:
    root = pictures(tmp_path, "a/1.png", "none/3.png")
    space = LabelSpace([OneOf("x", ["a", "b"], optional=True), OneOf("y", ["c", "d"], optional=True)])
    with pytest.raises(ObservationError, match=r'none: "none" could mean any of 2 optional groups'):
        Observed.from_folder(root, space)
    (root / "y").mkdir()
    (root / "none").rename(root / "y/none")
    assert known(Observed.from_folder(root, space, strict=True))["y/none/3.png"] == {"c": 0, "d": 0}


@pytest.mark.parametrize(
    ("cars", "nones", "left"), [(1, 1, {"bike": 0}), (2, 1, {"car": 1, "bike": 0}), (1, 2, {"car": 0, "bike": 0})]
)
def test_an_image_that_shows_a_label_and_none(tmp_path: Path, cars: int, nones: int, left: dict[str, int]) -> None:
    root = pictures(tmp_path, "car/0.png", "bike/other.png")
    (root / "none").mkdir()
    for folder, number in (("car", cars - 1), ("none", nones)):
        for copy in range(number):
            shutil.copy(root / "car/0.png", root / f"{folder}/copy{copy}.png")
    space = LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True)])
    with pytest.raises(ContradictionError, match=r'car/0.png: "car" is present by \d folders? and absent by \d folder'):
        Observed.from_folder(root, space)
    assert known(quietly(root, space, contradictions="vote"))["car/0.png"] == left
    assert known(quietly(root, space, contradictions="unknown"))["car/0.png"] == {"bike": 0}


# --- names that are nearly equal --------------------------------------------------------------------------------


def test_labels_that_differ_only_in_case_stay_two_with_a_note(tmp_path: Path) -> None:
    root = pictures(tmp_path, "Blue/1.png", "blue/2.png", "red/3.png")
    for options in (ASK, ReadOptions()):
        with pytest.warns(
            DataWarning, match='2 labels that differ only in case, blanks or hyphens: "Blue", "blue"; if they are one label'
        ):
            assert Observed.from_folder(root, options=options).space.labels == ("Blue", "blue", "red")


@pytest.mark.parametrize(("first", "second", "label"), [("red", "red ", "red"), (NFC, NFD, NFC), (f"{NFD} ", NFC, NFC)])
def test_folders_whose_names_differ_in_blanks_or_unicode_form_are_one_label(
    tmp_path: Path, first: str, second: str, label: str
) -> None:
    root = pictures(tmp_path, f"{first}/1.png", f"{second}/2.png", "blue/3.png")
    with pytest.warns(DataWarning, match=f'2 folders read as one label "{label}": '):
        observed = Observed.from_folder(root)
    assert known(observed) == {f"{first}/1.png": {label: 1}, f"{second}/2.png": {label: 1}, "blue/3.png": {"blue": 1}}
    assert all((root / name).is_file() for name in observed.images or ())  # names as they are on disk


def test_a_folder_from_a_mac_is_the_label_of_the_space(tmp_path: Path) -> None:
    root = pictures(tmp_path, f"{NFD}/1.png", "red /2.png")
    observed = Observed.from_folder(root, LabelSpace.free([NFC, "red"]), strict=True)
    assert known(observed) == {f"{NFD}/1.png": {NFC: 1}, "red /2.png": {"red": 1}}
    declared_so = LabelSpace.free([NFD, "red "])
    assert known(Observed.from_folder(root, declared_so, strict=True)) == {f"{NFD}/1.png": {NFD: 1}, "red /2.png": {"red ": 1}}


def test_a_folder_that_differs_in_case_is_the_only_label_like_it(tmp_path: Path) -> None:
    root = pictures(tmp_path, "BLUE/1.png", "Colour/Red/2.png", "red/3.png")
    space = LabelSpace([Free("blue"), OneOf("colour", ["red", "green"])])
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_folder(root, space)
    assert known(observed) == {"BLUE/1.png": {"blue": 1}, "Colour/Red/2.png": {"red": 1}, "red/3.png": {"red": 1}}
    assert said(caught)[0] == f'{root}/BLUE: read as label "blue", whose name differs only in case or blanks'
    two = LabelSpace.free(["Blue", "blue", "red", "colour"])
    with pytest.raises(ObservationError, match='"BLUE" is neither a label nor a group'):
        Observed.from_folder(root, two)


# --- names that mean something elsewhere ------------------------------------------------------------------------

STRANGE = ["yes", "no", "null", "1", "0", "1.0", "nan", "=cmd|' C calc'!A0", "a,b", 'say "hi"', "two\nlines", "tab\there",
           "-rf", "*", "[ab]?", "~", "#1", "\u05e9\u05dc\u05d5\u05dd", "\u202egnp", "\U0001f697", "x" * 255, "\u00e9" * 127,
           "a\\b", "image", "label", "true", "unlabelled?no"]  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_can_be_that_of_a_label_and_of_a_file(tmp_path: Path, name: str) -> None:
    file = f"{name[:60]}.png"
    root = pictures(tmp_path, f"{name}/{file}", "other/2.png")
    for space in (None, LabelSpace.free(["other", name])):
        observed = Observed.from_folder(root, space, strict=True, unlabelled=())
        assert known(observed) == {f"{name}/{file}": {name: 1}, "other/2.png": {"other": 1}}
        assert all((root / image).is_file() for image in observed.images or ())
    left = known(Observed.from_folder(root, strict=True, ignore=[name]))
    assert left == {"other/2.png": {"other": 1}}
    rest = known(Observed.from_folder(root, strict=True, unlabelled=[name]))
    assert rest == {"other/2.png": {"other": 1}, f"{name}/{file}": {}}


@pytest.mark.parametrize("name", ["two\nlines", "\u202egnp", "bell\x07", b"caf\xe9".decode("utf-8", "surrogateescape")])
def test_messages_can_be_printed(tmp_path: Path, name: str) -> None:
    root = tmp_path / "photos"
    try:
        pictures(root, "blue/1.png", f"{name}/1.png", f"blue/{name}.txt", f"{name}.png")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_folder(root)
    label = name.replace("\udce9", r"\xe9")  # labels are written into files
    assert known(observed)[f"{name}/1.png"] == {label: 1}
    with pytest.raises(ObservationError) as refused:
        Observed.from_folder(root, FREE)
    for text in (*said(caught), str(refused.value)):
        text.encode("utf-8")
        assert text.isprintable() and "\\" in text


# --- bad input --------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures(tmp_path, "blue/1.png", "red/1.png", "blue/closed/2.png")
    listing = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.warns(DataWarning, match=r"1 folder cannot be read: blue/closed \(Permission denied\)$"):
        assert Observed.from_folder(root).images == ("blue/1.png", "red/1.png")


@pytest.mark.parametrize("name", [" ", "\u00a0"])
def test_a_folder_whose_name_is_blank(tmp_path: Path, name: str) -> None:
    with pytest.raises(ObservationError, match="a folder whose name is blank is no label; rename it"):
        Observed.from_folder(pictures(tmp_path, f"{name}/1.png", "blue/1.png"))


def test_only_unlabelled_images(tmp_path: Path) -> None:
    root = pictures(tmp_path, "unsorted/1.png")
    with pytest.raises(DataError, match="has no folders of images"):
        Observed.from_folder(root, unlabelled="unsorted")
    with pytest.raises(AmbiguousError):
        Observed.from_folder(root, options=ASK)


def test_each_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures(tmp_path, "blue/1.png", "blue/deep/2.png", "colour/red/1.png", "@eaDir/3.png", "unsorted/4.png")
    listing, seen = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(os.fspath(path)) or listing(path))
    tree = Tree()
    options = ReadOptions(tree=tree, unlabelled=("unsorted",))
    with pytest.warns(DataWarning):
        Observed.from_folder(root, options=options)
    find_images(root, tree)
    assert sorted(seen) == sorted({*seen}) and len(seen) == 7
