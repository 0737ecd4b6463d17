"""`latentlabels inspect`: what the data hold and what the assumptions imply, without a fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Done, image_folder, latentlabels

from latentlabels import Observed, annotation
from latentlabels.datasets.street_scenes import TOY_SPACE
from latentlabels.program.starting_point import derive_prior


def inspect(scenes: Path, *args: object) -> Done:
    return latentlabels("inspect", scenes / "images-by-label", "--labels", scenes / "labels.yaml", *args)


def test_json_agrees_with_what_a_fit_starts_from(scenes: Path) -> None:
    found = inspect(scenes, "--json").document
    observed = Observed.from_folder(scenes / "images-by-label", TOY_SPACE)
    anchor = derive_prior(TOY_SPACE, observed.values, annotation.UniformPositive())
    assert (found["num_images"], found["num_labels"], found["known_present"], found["known_absent"]) == (60, 21, 60, 0)
    assert found["expected_labels"] == pytest.approx(anchor.expected_labels)
    assert found["expected_labels_identified"]
    assert 'exhaustive group "colour"' in found["expected_labels_source"]
    assert [row["label"] for row in found["labels"]] == list(TOY_SPACE.labels)
    assert [row["prevalence"] for row in found["labels"]] == pytest.approx(anchor.prevalence.tolist())
    assert [row["known_present"] for row in found["labels"]] == [observed.counts()[label][0] for label in TOY_SPACE.labels]
    groups = {group["group"]: group for group in found["groups"]}
    assert (groups["colour"]["kind"], groups["colour"]["applies"]) == ("exactly one of them", pytest.approx(1))
    assert (groups["vehicle"]["kind"], groups["doors"]["requires"]) == ("one of them, or none", "car")
    assert found["annotation"]["kind"] == "uniform-positive"
    assert found["unreadable"] == []


def test_text(scenes: Path) -> None:
    done = inspect(scenes)
    assert done.code == 0, done.err
    text = done.out
    assert text.splitlines()[0].split()[:3] == ["read", "as", "folders;"]
    assert "images" in text.splitlines()[1]
    assert "21, 6 free, 15 in 4 groups" in text
    assert "expected (derived from the share of known labels in the exhaustive group" in text
    assert "a missing label says nothing" in text
    assert "is a guess" not in text  # the group colour fixes the scale
    assert f"next: latentlabels fit --images {scenes / 'images-by-label'} --labels {scenes / 'labels.yaml'}" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["colour", "exactly", "one", "of", "them", "6"] in [line[:6] for line in lines]
    assert all(any(line[:1] == [label] for line in lines) for label in TOY_SPACE.labels)


def test_nothing_is_fitted_or_written(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("latentlabels.estimator.LatentLabels.fit", lambda *args, **more: pytest.fail("it fits"))
    assert inspect(scenes).code == 0
    assert not list(tmp_path.iterdir())


def test_a_scale_that_nothing_fixes_is_said_to_be_a_guess(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "animals", cat=3, dog=2)
    done = latentlabels("inspect", root)
    assert "2, all free" in done.out
    assert "1.50 expected (the default, since no group is exhaustive" in done.out
    assert "The number of labels per image is a guess" in done.out
    done = latentlabels("inspect", root, "--set", "model.expected_labels=1.2")
    assert "1.20 expected (set by expected_labels)" in done.out
    assert "is a guess" not in done.out


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "animals", cat=3, dog=2, owl=0)
    (root / "cat" / "broken.jpg").write_bytes(b"no picture")
    (root / "cat" / "notes.txt").write_text("mine")
    shutil.copy(root / "cat" / "0.png", root / "dog" / "copy.png")
    done = latentlabels("inspect", root, "--json")
    found = done.document
    assert [item["image"] for item in found["unreadable"]] == [str(root / "cat" / "broken.jpg")]
    assert found["never_known"] == ["owl"]
    remarks = "\n".join(found["remarks"])
    assert "notes.txt" in remarks
    assert "1 file merged with the image of the same content: dog/copy.png = cat/0.png" in remarks
    assert "1 label folder without images: owl" in remarks
    text = latentlabels("inspect", root).out
    assert "1 image; a fit leaves them out: " in text
    assert "owl: a fit cannot learn these labels" in text
    assert "note: " in text
    done = latentlabels("inspect", root, "--strict")
    assert (done.code, done.out) == (1, "")
    assert "4 problems (strict)" in done.err
    assert "broken.jpg" in done.err


def test_configs_run_folders_and_embeddings(run: Path, scenes: Path, vectors: Path, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(f"data: {{images: {scenes / 'images-by-label'}}}\nlabels: {scenes / 'labels.yaml'}\n")
    expected = inspect(scenes, "--json").document
    for source in (tmp_path / "toy.yaml", run):
        found = latentlabels("inspect", source, "--json").document
        assert found["labels"] == expected["labels"]
    assert found["next"].startswith("latentlabels fit ")
    found = latentlabels("inspect", vectors, "--json").document
    assert (found["kind"], found["num_images"], found["embedding_size"], found["has_truth"]) == ("embeddings", 40, 6, True)
    assert found["next"] == f"latentlabels fit --embeddings {vectors}"
    assert "40 of 6 numbers" in latentlabels("inspect", vectors).out


def test_tables(scenes: Path, tmp_path: Path) -> None:
    args = ("inspect", scenes / "images-by-label", "--observed", tmp_path / "known.csv")
    names = [f"{path.parent.name}/{path.name}" for path in (scenes / "images-by-label").rglob("*.png")]
    rows = [*(f"{name},1,0" for name in names[:9]), f"{names[9]},,"]
    (tmp_path / "known.csv").write_text("\n".join(["image,car,night", *rows]))
    found = latentlabels(*args, "--set", "annotation.kind=ignorable", "--json").document
    assert (found["num_images"], found["known_present"], found["known_absent"]) == (10, 9, 9)
    assert found["images_without_known_label"] == 1
    assert found["expected_labels_source"] == "known presences and absences"
    assert "50 images not in observed, so not used" in found["remarks"][0]
    text = latentlabels(*args).out
    assert "known absent" in text
    assert "1 image without known labels" in text
    assert f"next: latentlabels fit --images {scenes / 'images-by-label'} --observed {tmp_path / 'known.csv'}" in text


def test_many_labels_are_cut_unless_all_are_asked_for(tmp_path: Path) -> None:
    labels = [f"label-{number:02d}" for number in range(40)]
    observed = np.eye(40, dtype=np.int8) * 2 - 1
    np.savez(tmp_path / "many.npz", embeddings=np.ones((40, 2)), observed=np.minimum(observed, 1), labels=np.array(labels))
    text = latentlabels("inspect", tmp_path / "many.npz").out
    assert "(the 20 most and the 10 least often known labels; --all lists 10 more)" in text
    text = latentlabels("inspect", tmp_path / "many.npz", "--all").out
    assert all(f"\n{label} " in text for label in labels)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--set", "annotation.kind=scar"), 2, 'annotation.rates: "scar" needs rates'),
        (
            ("--set", "model.expected_labels=100"),
            2,
            "expected_labels is 100.0, but must be above 0 and at most 2, the number of labels",
        ),
        (("--labels", "nowhere.yaml"), 2, "nowhere.yaml not found; give the path of a labels.yaml"),
        (("--observed", "nowhere.csv"), 2, "nowhere.csv not found"),
    ],
)
def test_what_cannot_be_looked_at(tmp_path: Path, args: tuple[str, ...], code: int, said: str) -> None:
    root = image_folder(tmp_path / "animals", cat=1, dog=1)
    done = latentlabels("inspect", root, *args)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
