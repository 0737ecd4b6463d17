"""`latentlabels fit` with names as evidence, from a folder with a CLIP: the run, predictions from it, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from clip import tiny_clip, write_clip
from command import Done, image_folder, latentlabels

from latentlabels import LatentLabels
from latentlabels.program import NamedHead


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip", tiny_clip())


def fit(images: Path, clip: Path, *more: str) -> Done:
    settings = ("model.names=true", "model.encoder=open_clip:own", f"model.weights={clip}", "fit.epochs=1", *more)
    return latentlabels("fit", "--images", images, *(part for one in settings for part in ("--set", one)), "--out", "run")


def test_a_run_predicts_without_the_clip(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    images = image_folder(tmp_path / "photos", **{"traffic_light": 6, "stop-sign": 6})
    done = fit(images, clip, "model.prompts=['a {} in the street', '{}']")
    assert done.code == 0, done.err
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["model"]
    assert (stored["names"], stored["prompts"], stored["frozen"]) == (True, ["a {} in the street", "{}"], True)
    model = LatentLabels.load(tmp_path / "run")
    head = model.model.amortizer.head
    assert isinstance(head, NamedHead) and (head.names.norm(dim=-1) - 1).abs().max() < 1e-5
    shutil.rmtree(clip)
    rows = latentlabels("predict", "run", images).rows
    found = np.array([[float(row[label]) for label in model.space_.labels] for row in rows])
    assert found.shape == (12, 2) and (found > 0).all() and (found < 1).all()


def test_what_is_wrong_is_one_message(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    images = image_folder(tmp_path / "photos", a=2, b=2)
    for more, said in (
        (["model.encoder=tiny"], 'model.names needs an encoder with a text side, which "tiny" does not have'),
        (["model.prompts=['no place']"], 'model.prompts: "no place" needs {} exactly once'),
        (["model.weights=nowhere"], '"nowhere" not found'),
        (["model.names=false", "model.prompts=['{}']"], "model.prompts are used only with model.names"),
    ):
        done = fit(images, clip, *more)
        assert done.code != 0
        assert said in done.err and "Traceback" not in done.err
