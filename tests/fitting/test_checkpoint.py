"""Checkpoints: an interrupted fit goes on as if it had not been, bit for bit, and only with what it was begun with."""

from __future__ import annotations

import json
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MIXED, draw

from latentlabels.annotation import Scar
from latentlabels.errors import RunError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting import loop
from latentlabels.fitting.checkpoint import has_checkpoint, load_checkpoint
from latentlabels.space import LabelSpace

FREE = draw(LabelSpace.free("abcd"), 120)
PICTURES = np.random.default_rng(0).integers(0, 256, (48, 3, 32, 32), np.uint8)


class Drawn(torch.utils.data.Dataset):
    """Pictures with noise that the data set draws itself."""

    def __len__(self) -> int:
        return len(PICTURES)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(PICTURES[row]).float() / 255 * torch.rand(())


def state_of(model: LatentLabels) -> dict[str, torch.Tensor]:
    return {
        **model.model.state_dict(),
        **{f"objective.{k}": v for k, v in model.fitted_.program.objective.state_dict().items()},
    }


def assert_same(one: LatentLabels, other: LatentLabels) -> None:
    first, second = state_of(one), state_of(other)
    assert first.keys() == second.keys()
    different = [key for key in first if not torch.equal(first[key], second[key])]
    assert not different
    assert [row | {"seconds": 0} for row in one.history_] == [row | {"seconds": 0} for row in other.history_]
    assert {rule: best.epoch for rule, best in one.kept_.items()} == {rule: best.epoch for rule, best in other.kept_.items()}
    for rule, best in one.kept_.items():
        assert all(torch.equal(best.state[key], other.kept_[rule].state[key]) for key in best.state)


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "embeddings": (FREE.inputs, {"encoder": "embedding"}),
    "a mixture with a generative side": (FREE.inputs, {"encoder": "embedding", "mixture": 2, "beta": 0.1}),
    "augmented images": (PICTURES, {"encoder": "tiny", "image_size": 32}),
    "averaged weights": (PICTURES, {"encoder": "tiny", "image_size": 32, "average": 0.7}),
    "a teacher": (PICTURES, {"encoder": "tiny", "image_size": 32, "consistency": 0.5, "workers": 1}),
    "averaged weights of an objective that keeps images": (
        FREE.inputs,
        {"encoder": "embedding", "average": 2.0, "objective": "role"},
    ),
    "images of a frozen encoder": (PICTURES, {"encoder": "tiny", "image_size": 32, "frozen": True}),
    "images with dropout": (PICTURES, {"encoder": "efficientnet_b0", "image_size": 32}),
    "a Dataset that draws": (Drawn(), {"encoder": "tiny", "image_size": 32}),
    "read by other processes": (Drawn(), {"encoder": "tiny", "image_size": 32, "workers": 1}),
}


@pytest.mark.filterwarnings("ignore:the encoder .* has random weights and is frozen", "ignore:the fit predicts")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("parts", [(1, 2), (3,)], ids=["1+1+2", "3+1"])
def test_a_resumed_fit_has_the_weights_of_an_uninterrupted_one(case: str, parts: tuple[int, ...], tmp_path: Path) -> None:
    images, settings = CASES[case]
    known = FREE.observed[: len(images)]
    settings = {"batch_size": 16, "learning_rate": 0.01, "patience": 99, "seed": 3, **settings}

    def fit(epochs: int, **more: Any) -> LatentLabels:
        model = LatentLabels(FREE.space, epochs=epochs, **settings)
        return model.fit(images, known, watch=("known-map",), **more)

    whole = fit(4)
    for epochs in parts:
        fit(epochs, checkpoints=tmp_path, resume=has_checkpoint(tmp_path))
        torch.rand(7), np.random.random(3)  # what is drawn in between is not the fit's
    assert_same(fit(4, checkpoints=tmp_path, resume=True), whole)


@pytest.mark.parametrize("moment", ["in an epoch", "while writing", "after writing"])
def test_ctrl_c_leaves_the_last_whole_epoch(moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"encoder": "embedding", "batch_size": 16, "learning_rate": 0.01, "patience": 99}
    whole = LatentLabels(FREE.space, epochs=5, **settings).fit(FREE.inputs, FREE.observed)
    calls = {"steps": 0, "files": 0}
    forward, save = loop.LabelModule.forward, loop.write_checkpoint

    def step(self: Any, batch: Any) -> torch.Tensor:
        calls["steps"] += 1
        if moment == "in an epoch" and calls["steps"] == 7 * 2 + 3:  # 108 rows: seven steps an epoch
            raise KeyboardInterrupt
        return forward(self, batch)

    def write(*args: Any) -> None:
        calls["files"] += 1
        if moment == "while writing" and calls["files"] == 3:
            monkeypatch.setattr("latentlabels.fitting.checkpoint.save_file", interrupted)
        save(*args)
        if moment == "after writing" and calls["files"] == 2:
            raise KeyboardInterrupt

    def interrupted(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.LabelModule, "forward", step)
        patch.setattr(loop, "write_checkpoint", write)
        with pytest.raises(KeyboardInterrupt):
            LatentLabels(FREE.space, epochs=5, **settings).fit(FREE.inputs, FREE.observed, checkpoints=tmp_path)
    monkeypatch.undo()
    state = load_checkpoint(tmp_path)
    assert state is not None and len(state.history) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"last.safetensors", "last.json"}  # and nothing half-written
    rest = LatentLabels(FREE.space, epochs=5, **settings)
    assert_same(rest.fit(FREE.inputs, FREE.observed, checkpoints=tmp_path, resume=True), whole)


OTHERS: dict[str, Any] = {
    "known labels": lambda data, settings: data.observed.__setitem__((0, slice(None)), -1),
    "settings": lambda data, settings: settings.update(learning_rate=0.02),
    "settings ": lambda data, settings: settings.update(annotation=Scar(0.5)),
    "settings  ": lambda data, settings: settings.update(stop="known-map"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_fit_goes_on_with_what_it_was_begun_with_alone(what: str, tmp_path: Path) -> None:
    data = draw(LabelSpace.free("abcd"), 60)
    settings: dict[str, Any] = {"encoder": "embedding", "epochs": 1}
    LatentLabels(data.space, **settings).fit(data.inputs, data.observed, checkpoints=tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    OTHERS[what](data, settings)
    with pytest.raises(
        RunError, match=f"started with other {what.strip()} .*; resume with the config and data of the first start"
    ):
        LatentLabels(data.space, **settings | {"epochs": 2}).fit(data.inputs, data.observed, checkpoints=tmp_path, resume=True)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_other_images_and_labels_are_told_apart(tmp_path: Path) -> None:
    data = draw(LabelSpace.free("abcd"), 60)
    LatentLabels(data.space, encoder="embedding", epochs=1).fit(data.inputs, data.observed, checkpoints=tmp_path)
    renamed, fewer = LabelSpace.free("abce"), slice(0, 50)
    with pytest.raises(RunError, match="started with other label space"):
        LatentLabels(renamed, encoder="embedding", epochs=2).fit(data.inputs, data.observed, checkpoints=tmp_path, resume=True)
    with pytest.raises(RunError, match="started with other images and other known labels and other embeddings"):
        model = LatentLabels(data.space, encoder="embedding", epochs=2)
        model.fit(data.inputs[fewer], data.observed[fewer], checkpoints=tmp_path, resume=True)
    more = LatentLabels(data.space, encoder="embedding", epochs=3, patience=2)  # how long it lasts may change
    more.fit(data.inputs, data.observed, checkpoints=tmp_path, resume=True)
    assert len(more.history_) == 3


@pytest.mark.parametrize("damage", ["empty", "half", "no header", "older"])
def test_a_damaged_checkpoint_says_so(damage: str, mixed, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    LatentLabels(MIXED, encoder="embedding", epochs=1).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path)
    file = tmp_path / "last.safetensors"
    content = file.read_bytes()
    if damage in ("empty", "half"):
        file.write_bytes(content[: 0 if damage == "empty" else len(content) // 2])
    else:
        save_file(load_file(file), file, metadata={"checkpoint": json.dumps({"format": 1})} if damage == "older" else None)
    with pytest.raises(RunError, match=r"last\.safetensors: damaged, or written by another version .*fit again into a new"):
        LatentLabels(MIXED, encoder="embedding", epochs=2).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path, resume=True)


def test_resuming_from_nothing_begins(mixed, tmp_path: Path) -> None:
    one = LatentLabels(MIXED, encoder="embedding", epochs=2).fit(mixed.inputs, mixed.observed)
    other = LatentLabels(MIXED, encoder="embedding", epochs=2)
    assert_same(other.fit(mixed.inputs, mixed.observed, checkpoints=tmp_path / "new", resume=True), one)


def test_a_checkpoint_holds_no_pickle(mixed, tmp_path: Path) -> None:
    LatentLabels(MIXED, encoder="embedding", epochs=1).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path)
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=r".*"):
            list(pickletools.genops(path.read_bytes()))
    state = load_checkpoint(tmp_path)
    assert state is not None
    assert {*state.identity} == {*("images", "embeddings", "known labels", "label space", "held-out images", "settings")}


def by_two(epochs: int, strategy: str, **more: Any) -> LatentLabels:
    settings = {"encoder": "embedding", "learning_rate": 0.01, "accelerator": "cpu", "devices": 2, "strategy": strategy}
    return LatentLabels(MIXED, epochs=epochs, batch_size=24, **settings).fit(PAIR.inputs, PAIR.observed, **more)


PAIR = draw(MIXED, 160)


@pytest.mark.slow
def test_two_processes_fit_and_resume(tmp_path: Path) -> None:
    """Two of them take the steps of batches twice as large, of other rows: the weights differ, what they are worth does not."""
    whole = by_two(2, "ddp_spawn")
    assert len(whole.history_) == 2
    by_two(1, "ddp_spawn", checkpoints=tmp_path)
    assert_same(by_two(2, "ddp_spawn", checkpoints=tmp_path, resume=True), whole)
    alone = LatentLabels(MIXED, encoder="embedding", epochs=2, learning_rate=0.01, batch_size=48)
    alone.fit(PAIR.inputs, PAIR.observed)
    start = LatentLabels(MIXED, encoder="embedding").prepare(PAIR.inputs, PAIR.observed)
    worth = [m.posterior(PAIR.inputs).log_prob(PAIR.truth).mean() for m in (start, alone, whole)]
    assert worth[1] > worth[0] + 0.5 and abs(worth[2] - worth[1]) < 0.1 * (worth[1] - worth[0])


@pytest.mark.slow
def test_processes_that_are_spawned_get_all_that_they_need() -> None:
    """By pickle: no function of a function, no lambda; and two such fits come to the same."""
    one, other = by_two(1, "ddp_spawn"), by_two(1, "ddp_spawn")
    assert len(one.history_) == 1
    # their sums may be split between other numbers of threads
    np.testing.assert_allclose(one.predict_proba(PAIR.inputs), other.predict_proba(PAIR.inputs), atol=1e-5)
