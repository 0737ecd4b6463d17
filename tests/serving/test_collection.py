"""The images that the service shows are those that the fit knows, so that every answer is about one of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from command import TINY, image_folder, latentlabels

from latentlabels import LatentLabels
from latentlabels.serving.collection import open_collection


def test_copies_and_ignored_folders_are_not_shown(tmp_path: Path) -> None:
    photos = image_folder(tmp_path / "photos", red=6, blue=6, other=3)
    shutil.copy(photos / "blue" / "0.png", photos / "red" / "a copy.png")
    fit = ("fit", "--images", photos, "--ignore", "other", *TINY)
    assert latentlabels(*fit, "--out", tmp_path / "run").code == 0
    model = LatentLabels.load(tmp_path / "run")
    found = open_collection(tmp_path / "run", model)
    assert sorted(found.names) == sorted(f"{label}/{number}.png" for label in ("blue", "red") for number in range(6))
    both = found.names.index("blue/0.png")
    assert found.known.sum(1).tolist().count(2) == 1 and found.known[both].tolist() == [1, 1]
    block = found.stream.block(np.array([both]))
    assert block.names == (str(photos / "blue" / "0.png"),)
    answers = tmp_path / "answers.csv"
    answers.write_text("image,label,value\n" + "".join(f"{name},red,1\n" for name in found.names))
    done = latentlabels(*fit, "--answers", answers, "--out", tmp_path / "second")
    assert "answers           12 labels of 12 images, known by an answer" in done.out, done.err
