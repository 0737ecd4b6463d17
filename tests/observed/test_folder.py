"""An ImageFolder as known labels: every way in which people sort pictures, and what is said of what is left out."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from latentlabels.errors import DataError, DataWarning, ObservationError
from latentlabels.observed import Observed, find_images
from latentlabels.observed.contradictions import ContradictionError
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("colour", ["red", "blue"]),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    ]
)


def picture(path: Path, number: int = 0) -> Path:
    """A small picture; other numbers give other bytes, of the same length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (number % 256, number // 256, 7)).save(path, compress_level=0)
    return path


def pictures(root: Path, *names: str, start: int = 0) -> Path:
    """Different pictures of these names."""
    for number, name in enumerate(names):
        picture(root / name, start + number)
    return root


def known(observed: Observed) -> dict[str, set[str]]:
    """For each image the labels known to be present; the others are unknown, never absent."""
    assert observed.images is not None
    assert not (observed.values == 0).any()
    labels = observed.space.labels
    return {
        image: {label for label, value in zip(labels, row, strict=True) if value == 1}
        for image, row in zip(observed.images, observed.values.tolist(), strict=True)
    }


def warned(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    return [str(one.message) for one in caught if issubclass(one.category, DataWarning)]


# --- label/ and group/label/ ------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [None, SPACE])
def test_one_folder_a_label(tmp_path: Path, space: LabelSpace | None) -> None:
    root = pictures(tmp_path, "car/2.png", "car/1.png", "striped/a.png", "red/x.JPG")
    observed = Observed.from_folder(root, space)
    assert known(observed) == {"car/1.png": {"car"}, "car/2.png": {"car"}, "red/x.JPG": {"red"}, "striped/a.png": {"striped"}}
    assert observed.space == (LabelSpace.free(["car", "red", "striped"]) if space is None else SPACE)


@pytest.mark.parametrize("space", [None, SPACE])
def test_one_folder_a_group(tmp_path: Path, space: LabelSpace | None) -> None:
    root = pictures(tmp_path, "vehicle/car/1.png", "vehicle/bike/1.png", "colour/red/1.png", "striped/1.png")
    observed = Observed.from_folder(str(root), space)
    assert known(observed) == {
        "colour/red/1.png": {"red"},
        "striped/1.png": {"striped"},
        "vehicle/bike/1.png": {"bike"},
        "vehicle/car/1.png": {"car"},
    }
    assert observed.space.labels == (("red", "striped", "bike", "car") if space is None else SPACE.labels)


def test_images_sorted_further_below_a_label(tmp_path: Path) -> None:
    root = pictures(tmp_path, "vehicle/car/2019/june/1.png", "vehicle/car/2.png", "striped/old/3.png", "striped/4.png")
    assert known(Observed.from_folder(root, SPACE)) == {
        "striped/4.png": {"striped"},
        "striped/old/3.png": {"striped"},
        "vehicle/car/2.png": {"car"},
        "vehicle/car/2019/june/1.png": {"car"},
    }


def test_a_label_whose_images_all_lie_deeper(tmp_path: Path) -> None:
    root = pictures(tmp_path, "striped/old/3.png", "red/4.png")
    assert known(Observed.from_folder(root, SPACE))["striped/old/3.png"] == {"striped"}


def test_without_a_space_a_stray_image_does_not_turn_a_group_into_a_label_in_silence(tmp_path: Path) -> None:
    root = pictures(tmp_path, "vehicle/car/1.png", "vehicle/bike/1.png", "vehicle/stray.png", "red/1.png")
    with pytest.warns(
        DataWarning, match="1 folder with both images and folders of images: vehicle. Each is read as one label;"
    ):
        observed = Observed.from_folder(root)
    assert observed.space.labels == ("red", "vehicle")
    with pytest.raises(ObservationError, match=r"read as one label; .* \(strict\)"):
        Observed.from_folder(root, strict=True)


@pytest.mark.parametrize("space", [None, SPACE])
def test_a_group_may_hold_notes_and_a_folder_that_is_called_like_an_image(tmp_path: Path, space: LabelSpace | None) -> None:
    root = pictures(tmp_path, "vehicle/car/1.png", "vehicle/bike/best.jpg/1.png")
    (root / "vehicle/notes.txt").write_text("text")
    assert known(Observed.from_folder(root, space)) == {"vehicle/bike/best.jpg/1.png": {"bike"}, "vehicle/car/1.png": {"car"}}


def test_a_group_of_the_name_of_its_only_label(tmp_path: Path) -> None:
    space = LabelSpace([OneOf("logo", ["logo"], optional=True), Free("red")])
    root = pictures(tmp_path, "logo/big/1.png", "red/1.png")
    assert known(Observed.from_folder(root, space))["logo/big/1.png"] == {"logo"}


def test_one_label(tmp_path: Path) -> None:
    root = pictures(tmp_path, "cat/1.png", "cat/2.png")
    observed = Observed.from_folder(root)
    assert observed.values.tolist() == [[1], [1]]


def test_names_in_any_script(tmp_path: Path) -> None:
    root = pictures(tmp_path, "größe xl/bild 1.png", "猫/写真.png", 'it\'s, "it"/a;b.png')
    assert set(Observed.from_folder(root).space.labels) == {"größe xl", "猫", 'it\'s, "it"'}


def test_labels_without_a_folder_are_unknown(tmp_path: Path) -> None:
    observed = Observed.from_folder(pictures(tmp_path, "car/1.png"), SPACE)
    assert observed.never_present == ("bike", "red", "blue", "2-doors", "4-doors", "striped")


# --- folders that the space lacks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, words",
    [
        ("stripes", 'stripes: "stripes" is neither a label nor a group of the label space; did you mean "striped"?; rename'),
        (
            "vehicel/car",
            '"vehicel" is neither a label nor a group of the label space; did you mean "vehicle"?; its inner folders are, '
            "so give",
        ),
        ("zzz", '"zzz" is neither a label nor a group of the label space; rename the folder or add the label'),
        ("train/car", "its inner folders are, so give {root}/train as the folder"),
        ("train/vehicle/car", "its inner folders are, so give {root}/train as the folder"),
        ("zzz/old", "label space; rename the folder or add the label"),
        ("vehicle/bikes", '"bikes" is not a label of group "vehicle"; did you mean "bike"? (its labels: car, bike)'),
        (
            "vehicle/red",
            '"red" is not a label of group "vehicle" (its labels: car, bike); rename the folder or add the label, or call the '
            "folder none if its images show none of them",
        ),
        ("vehicle", 'images of group "vehicle" lie outside of its label folders: 1.png; move each into the folder of its'),
    ],
)
def test_an_unlisted_folder_is_named_with_the_nearest_name(tmp_path: Path, name: str, words: str) -> None:
    root = pictures(tmp_path, "striped/1.png", f"{name}/1.png")
    with pytest.raises(ObservationError) as caught:
        Observed.from_folder(root, SPACE)
    assert words.format(root=root) in str(caught.value)
    assert str(root / name.partition("/")[0]) in str(caught.value)


def test_every_unlisted_folder_is_named_at_once(tmp_path: Path) -> None:
    root = pictures(tmp_path, "striped/1.png", *(f"x{number}/1.png" for number in range(12)), "vehicle/y/1.png")
    with pytest.raises(ObservationError) as caught:
        Observed.from_folder(root, SPACE)
    lines = str(caught.value).splitlines()
    assert [line.count('"') for line in lines[:10]] == [4, *[2] * 9] and lines[10:] == ["... and 3 more"]


def test_two_folders_of_one_name_may_be_two_labels(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png", "vehicle/car/2.png")
    with pytest.raises(ObservationError) as caught:
        Observed.from_folder(root)
    assert f'{root}/vehicle/car: label "car" already has the folder {root}/car; if both are one label, declare it' in str(
        caught.value
    )
    with pytest.warns(DataWarning, match='2 folders read as one label "car": car, vehicle/car'):
        assert known(Observed.from_folder(root, SPACE)) == {"car/1.png": {"car"}, "vehicle/car/2.png": {"car"}}


# --- copies of one image ----------------------------------------------------------------------------------------


def test_copies_are_one_row_with_all_labels(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png", "car/2.png", "red/3.png")
    shutil.copy(root / "car/1.png", root / "red/copy.png")
    (root / "striped").mkdir()
    shutil.copy(root / "car/1.png", root / "striped/copy.png")
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_folder(root, SPACE)
    assert known(observed) == {"car/1.png": {"car", "red", "striped"}, "car/2.png": {"car"}, "red/3.png": {"red"}}
    assert warned(caught) == [
        f"{root}: 2 files merged with the image of the same content: red/copy.png = car/1.png, striped/copy.png = car/1.png"
    ]


def test_copies_inside_one_folder_are_one_row(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png")
    shutil.copy(root / "car/1.png", root / "car/2.png")
    with pytest.warns(DataWarning, match=r"1 file merged with the image of the same content: car/2.png = car/1.png"):
        assert len(Observed.from_folder(root)) == 1


def test_contradicting_copies_are_all_named(tmp_path: Path) -> None:
    root = pictures(tmp_path, *(f"red/{number:02}.png" for number in range(14)), "car/0.png", start=50)
    (root / "blue").mkdir()
    for number in range(12):
        shutil.copy(root / f"red/{number:02}.png", root / f"blue/x{number}.png")
    with pytest.raises(ContradictionError) as caught:
        Observed.from_folder(root, SPACE)
    message = str(caught.value)
    assert message.startswith(f"{root}: 12 contradictions: blue/x0.png: ")
    assert 'blue/x0.png: "red" and "blue" exclude each other (group "colour") (blue/x0.png; red/00.png); blue/x1.png' in message
    assert message.count("exclude each other") == 10 and "; and 2 more. " in message
    pairs = {one.where for one in caught.value.found}
    assert pairs == {(f"blue/x{number}.png", f"red/{number:02}.png") for number in range(12)}


def test_contradicting_copies_can_be_unknown(tmp_path: Path) -> None:
    root = pictures(tmp_path, "blue/1.png", "red/2.png", "red/3.png")
    shutil.copy(root / "blue/1.png", root / "red/copy.png")
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_folder(root, SPACE, contradictions="unknown")
    assert known(observed) == {"blue/1.png": set(), "red/2.png": {"red"}, "red/3.png": {"red"}}
    assert warned(caught)[0] == (
        f'{root}: 1 contradiction count as unknown: blue/1.png: "red" and "blue" exclude each other (group "colour") '
        "(blue/1.png; red/copy.png)"
    )
    assert observed.how_read is not None and observed.how_read.policy == "unknown"
    (one,) = observed.how_read.contradictions
    assert one.image == "blue/1.png" and {*one.labels} == {"blue", "red"} and one.where == ("blue/1.png", "red/copy.png")


@pytest.mark.parametrize(("reds", "blues", "left"), [(2, 1, {"red"}), (1, 3, {"blue"}), (2, 2, set()), (1, 1, set())])
def test_folders_can_vote(tmp_path: Path, reds: int, blues: int, left: set[str]) -> None:
    root = pictures(tmp_path, "red/0.png", "blue/other.png", "car/other.png")
    for label, number in (("red", reds), ("blue", blues + 1)):
        for copy in range(1, number):
            shutil.copy(root / "red/0.png", root / f"{label}/copy{copy}.png")
    shutil.copy(root / "red/0.png", root / "car/copy.png")
    with pytest.warns(DataWarning):
        observed = Observed.from_folder(root, SPACE, contradictions="vote")
    (row,) = (labels for name, labels in known(observed).items() if "other" not in name)
    assert row - {"car"} == left


def test_a_copy_that_contradicts_by_what_it_requires(tmp_path: Path) -> None:
    root = pictures(tmp_path, "2-doors/1.png")
    (root / "bike").mkdir()
    shutil.copy(root / "2-doors/1.png", root / "bike/1.png")
    with pytest.raises(ObservationError, match=r'"car" \(required by "2-doors"\) and "bike".*\(2-doors/1.png; bike/1.png\)'):
        Observed.from_folder(root, SPACE)


def test_files_of_one_size_are_no_copies(tmp_path: Path) -> None:
    root = pictures(tmp_path, *(f"{label}/{i}.png" for label in ("car", "red") for i in range(5)))
    assert len({file.stat().st_size for file in find_images(root)}) == 1
    assert len(Observed.from_folder(root)) == 10


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>"])
def test_failed_downloads_are_no_copies_of_each_other(tmp_path: Path, content: bytes) -> None:
    root = pictures(tmp_path, "car/1.png")
    for name in ("red/a.jpg", "blue/b.jpg", "blue/c.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    observed = Observed.from_folder(root, SPACE)  # whoever reads the images names the files
    assert known(observed) == {"blue/b.jpg": {"blue"}, "blue/c.jpg": {"blue"}, "car/1.png": {"car"}, "red/a.jpg": {"red"}}


# --- what is left out -------------------------------------------------------------------------------------------


def test_a_label_without_images_is_reported(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png")
    (root / "bike").mkdir()
    (root / "striped/deep").mkdir(parents=True)
    with pytest.warns(DataWarning, match="2 label folders without images: bike, striped$"):
        observed = Observed.from_folder(root, SPACE)
    assert known(observed) == {"car/1.png": {"car"}}


def test_without_a_space_an_empty_folder_is_a_label_all_the_same(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png")
    (root / "bike").mkdir()
    with pytest.warns(DataWarning, match="1 label folder without images: bike$"):
        assert Observed.from_folder(root).never_present == ("bike",)


def test_an_empty_folder_of_a_group_is_reported(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png")
    (root / "colour").mkdir()
    with pytest.warns(DataWarning, match="1 label folder without images: colour$"):
        assert len(Observed.from_folder(root, SPACE)) == 1


def test_files_that_are_no_images_are_reported(tmp_path: Path) -> None:
    root = pictures(tmp_path, "vehicle/car/1.png")
    for name in ("vehicle/car/notes.txt", "vehicle/car/deep/data.csv", "vehicle/car/no-suffix"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("text")
    with pytest.warns(DataWarning, match="3 files left out, without the ending of an image file or an image inside") as caught:
        assert len(Observed.from_folder(root, SPACE)) == 1
    assert warned(caught)[0].endswith("inside: vehicle/car/deep/data.csv, vehicle/car/no-suffix, vehicle/car/notes.txt")


def test_images_outside_of_labels_are_reported(tmp_path: Path) -> None:
    root = pictures(tmp_path, "vehicle/car/1.png", "b.png", "a.png")
    with pytest.warns(DataWarning, match=r"2 images left out, outside of label folders: a.png, b.png$"):
        assert known(Observed.from_folder(root)) == {"vehicle/car/1.png": {"car"}}


def test_many_are_counted_and_a_few_named(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png", *(f"{i}.png" for i in range(9)))
    with pytest.warns(DataWarning, match=r"9 images left out, outside .*: 0.png, 1.png, 2.png, 3.png, 4.png and 4 more$"):
        Observed.from_folder(root)


@pytest.mark.parametrize(
    "name",
    [".hidden.png", "car/.hidden.png", "car/._1.png", ".git/._1.png", "car/.thumbs/deep/.1.png", ".DS_Store"],
)
def test_hidden_files_and_folders_are_not_there(tmp_path: Path, name: str) -> None:
    root = pictures(tmp_path, "car/1.png")
    hidden = root / name
    hidden.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "car/1.png", hidden)
    (hidden.parent / ".notes").write_text("text")
    assert known(Observed.from_folder(root, strict=True)) == {"car/1.png": {"car"}}
    assert find_images(root) == [root / "car/1.png"]


@pytest.mark.parametrize("extra", ["bike/", "car/notes.txt", "stray.png", "car/copy.png"])
def test_strict_makes_an_error_of_each_warning(tmp_path: Path, extra: str) -> None:
    root = pictures(tmp_path, "car/1.png")
    Observed.from_folder(root, SPACE, strict=True)
    if extra.endswith("/"):
        (root / extra).mkdir()
    elif extra == "car/copy.png":
        shutil.copy(root / "car/1.png", root / extra)
    else:
        picture(root / "stray.png", 9).rename(root / extra)
    with pytest.warns(DataWarning) as caught:
        Observed.from_folder(root, SPACE)
    assert len(warned(caught)) == 1
    with pytest.raises(ObservationError) as error:
        Observed.from_folder(root, SPACE, strict=True)
    assert str(error.value) == warned(caught)[0] + " (strict)"


def test_a_warning_points_at_the_call(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png", "stray.png")
    with pytest.warns(DataWarning) as caught:
        Observed.from_folder(root)
    assert [one.filename for one in caught] == [__file__]


# --- nothing to read --------------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: folder not found; give a folder with one folder of images for each label"):
        Observed.from_folder(tmp_path / "gone")
    with pytest.raises(DataError, match=r"1\.png: is a file, not a folder; give a folder"):
        Observed.from_folder(picture(tmp_path / "1.png"))


@pytest.mark.parametrize("space", [None, SPACE])
def test_an_empty_root(tmp_path: Path, space: LabelSpace | None) -> None:
    with pytest.raises(DataError, match="has no folders of images; sort the images into one folder for each label"):
        Observed.from_folder(tmp_path, space)
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(DataError, match="has no folders of images"):
        Observed.from_folder(tmp_path, space)


@pytest.mark.parametrize("space", [None, SPACE])
def test_folders_without_any_image(tmp_path: Path, space: LabelSpace | None) -> None:
    (tmp_path / "car").mkdir()
    (tmp_path / "vehicle/bike").mkdir(parents=True)
    (tmp_path / "vehicle/bike/notes.txt").write_text("text")
    with pytest.raises(DataError, match="no images in its 2 label folders; sort"):
        Observed.from_folder(tmp_path, space)


def test_images_without_folders(tmp_path: Path) -> None:
    root = pictures(tmp_path, "1.png", "2.png")
    with pytest.raises(DataError, match="has no folders of images, but 2 images outside of them; sort the images into"):
        Observed.from_folder(root)


# --- links ------------------------------------------------------------------------------------------------------


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    store = pictures(tmp_path / "store", "1.png", "2.png", "deep/3.png")
    root = tmp_path / "root"
    (root / "car").mkdir(parents=True)
    (root / "car/link.png").symlink_to(store / "1.png")
    (root / "car/more").symlink_to(store / "deep", target_is_directory=True)
    (root / "red").symlink_to(store, target_is_directory=True)
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_folder(root, SPACE)
    assert known(observed) == {"car/link.png": {"car", "red"}, "car/more/3.png": {"car", "red"}, "red/2.png": {"red"}}
    assert ["same content" in one for one in warned(caught)] == [True]  # nothing is said to be left out


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_upwards_is_not_followed(tmp_path: Path, target: str) -> None:
    root = pictures(tmp_path / "data", "car/1.png", "bike/2.png")
    (root / "car/up").symlink_to(target, target_is_directory=True)
    (root / "car/again").symlink_to(target, target_is_directory=True)
    assert known(Observed.from_folder(root, SPACE)) == {"bike/2.png": {"bike"}, "car/1.png": {"car"}}
    assert find_images(root) == [root / "bike/2.png", root / "car/1.png"]


def test_links_that_go_in_a_circle_end(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/a/1.png", "car/b/2.png")
    (root / "car/a/to-b").symlink_to("../b", target_is_directory=True)
    (root / "car/b/to-a").symlink_to("../a", target_is_directory=True)
    names = known(Observed.from_folder(root, SPACE))
    assert sorted(Path(name).name for name in names) == ["1.png", "2.png"]


def test_a_broken_link_is_left_to_whoever_reads_the_images(tmp_path: Path) -> None:
    root = pictures(tmp_path, "car/1.png")
    (root / "car/gone.png").symlink_to("nowhere.png")
    (root / "car/lost.png").symlink_to("nowhere.png")
    assert list(known(Observed.from_folder(root))) == ["car/1.png", "car/gone.png", "car/lost.png"]


# --- finding images ---------------------------------------------------------------------------------------------


def test_find_images_of_a_folder_a_glob_files_and_lists(tmp_path: Path) -> None:
    root = pictures(tmp_path, "a/1.png", "a/2.jpg", "b/c/3.PNG", "4.webp")
    (root / "a/notes.txt").write_text("text")
    (root / "folder.png").mkdir()
    every = [root / name for name in ("4.webp", "a/1.png", "a/2.jpg", "b/c/3.PNG")]
    assert find_images(root) == every
    assert find_images(str(root / "*.*")) == [every[0]]
    assert find_images(f"{root}/**/*") == every
    assert find_images(root / "a/1.png") == [every[1]]
    assert find_images([root / "b", str(every[0])]) == [every[3], every[0]]
    assert find_images([]) == []
    assert find_images(root / "a/notes.txt") == [root / "a/notes.txt"]  # named by hand: to be read, or to fail by name


def test_find_images_says_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: file or folder not found"):
        find_images([picture(tmp_path / "1.png"), tmp_path / "gone.png"])
    with pytest.raises(DataError, match=r"\*\.jpg: no image file matches"):
        find_images(str(tmp_path / "*.jpg"))


def test_a_hidden_root_is_a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures(tmp_path / ".cache", "car/1.png")
    assert find_images(root) == [root / "car/1.png"]
    monkeypatch.chdir(root)
    assert find_images(".") == [Path("car/1.png")]
    assert known(Observed.from_folder(".")) == {"car/1.png": {"car"}}


def test_unmerged_copies_stay_rows_of_their_own(tmp_path: Path) -> None:
    for label in ("blue", "car"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (8, 8), (0, 0, 200)).save(tmp_path / label / "one.png")
    with pytest.warns(DataWarning, match="copies"):
        assert len(Observed.from_folder(tmp_path)) == 1
    apart = Observed.from_folder(tmp_path, merge=False)
    assert apart.images == ("blue/one.png", "car/one.png")
    assert apart.values.tolist() == [[1, -1], [-1, 1]]
