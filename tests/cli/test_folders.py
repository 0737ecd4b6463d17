"""Folders of images on the command line: what may be no label is asked about, and flags answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import TINY, latentlabels, picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two labels, images that nobody sorted, and some to test with."""
    root = tmp_path / "photos"
    for number, folder in enumerate(("blue", "red", "unsorted", "test")):
        for image in range(4):
            picture(root / folder / f"{image}.png", 10 * number + image)
    return root


def test_inspect_and_fit_ask_and_take_the_answer(photos: Path, tmp_path: Path) -> None:
    for verb in (("inspect", photos), ("fit", "--images", photos, *TINY, "--out", tmp_path / "run")):
        done = latentlabels(*verb)
        assert done.code == 2 and "2 folders that may be labels or not: test, unsorted" in done.err
        assert "give --unlabelled unsorted --ignore test (" in done.err and "data.unlabelled" in done.err
        assert latentlabels(*verb, "--unlabelled", "unsorted", "--ignore", "test").code == 0
    found = latentlabels("inspect", photos, "--unlabelled", photos / "unsorted", "--ignore", "test", "--json").document
    assert (found["num_images"], found["images_without_known_label"], found["num_labels"]) == (12, 4, 2)
    assert found["remarks"] == []


def test_a_config_answers_as_well(photos: Path, tmp_path: Path) -> None:
    config = tmp_path / "photos.yaml"
    config.write_text(f"data:\n  images: {photos}\n  unlabelled: unsorted\n  ignore: [test]\n")
    assert latentlabels("inspect", config, "--json").document["num_images"] == 12


def test_a_label_space_says_that_they_are_no_labels(photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text("- blue\n- red\n")
    found = latentlabels("inspect", photos, "--labels", labels, "--json").document
    assert (found["num_images"], found["images_without_known_label"]) == (12, 4)
    assert any("2 folders that the label space does not declare" in remark for remark in found["remarks"])


def test_parts_of_a_split(tmp_path: Path) -> None:
    for number, name in enumerate(("train/blue", "train/red", "val/blue", "val/red")):
        picture(tmp_path / name / "1.png", number)
    done = latentlabels("inspect", tmp_path)
    assert done.code == 1 and f"give {tmp_path}/train as the folder of images (--images {tmp_path}/train)" in done.err


def test_names_that_are_not_utf8_go_from_folder_to_report(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    strange = b"caf\xe9".decode("utf-8", "surrogateescape")
    try:
        for number, name in enumerate(("blue", strange)):
            for image in range(6):
                picture(root / name / f"{image}{strange}.png", 10 * number + image)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    done = latentlabels("fit", "--images", root, *TINY, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    again = latentlabels("fit", "--images", root, *TINY, "--out", tmp_path / "run", "--resume")
    assert again.code == 0, again.err
    rows = latentlabels("predict", tmp_path / "run", root).rows
    assert len(rows) == 12 and {r"caf\xe9", "blue"} < rows[0].keys()
    assert latentlabels("report", tmp_path / "run", "--images", root).code == 0


def test_contradictions_name_the_flag_that_settles_them(tmp_path: Path) -> None:
    root, labels = tmp_path / "photos", tmp_path / "labels.yaml"
    for folder in ("blue", "red"):
        picture(root / folder / "0.png", 1)  # the same picture
        picture(root / folder / "1.png", len(folder))
    labels.write_text("- {name: colour, one_of: [blue, red]}\n")
    fit = ("fit", "--images", root, "--labels", labels, *TINY, "--out", tmp_path / "run")
    done = latentlabels(*fit)
    assert done.code == 1
    assert "or give --contradictions unknown (" in done.err and 'contradictions="' not in done.err
    assert latentlabels(*fit, "--contradictions", "unknown").code == 0
