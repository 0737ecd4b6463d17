"""Arrays, Datasets and files are one thing to a model, and each file is read once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import latentlabels as ll
from latentlabels.cli.app import main
from latentlabels.errors import DataError
from latentlabels.inputs import Inputs, Levels
from latentlabels.kind import Kind

SPACE = ll.LabelSpace([ll.OneOf("colour", ["red", "blue"]), ll.Free("striped")])


def scenes(number: int, side: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Pictures, and one known label each."""
    images, known, _ = drawn(number, side, seed)
    return images, known


def drawn(number: int, side: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.int8]]:
    """Red or blue squares on grey, some with stripes; one known label each, and all of them."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((number, 3), np.int8)
    images = rng.integers(90, 140, (number, 3, side, side), np.uint8)
    for row in range(number):
        colour, striped = row % 2, rng.integers(2)
        truth[row, colour], truth[row, 2] = 1, striped
        at, size = rng.integers(side // 8, side // 2), side // 3
        images[row, :, at : at + size, at : at + size] = np.array([[220, 20, 20], [20, 20, 220]][colour])[:, None, None]
        if striped:
            images[row, :, :: side // 8] = 250
    known = np.full(truth.shape, -1, np.int8)
    known[np.arange(number), (truth * rng.random(truth.shape)).argmax(1)] = 1
    return images, known, truth


def saved(images: NDArray[np.uint8], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{row:03d}.png" for row in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(file)
    return files


class Items(Dataset[Any]):
    def __init__(self, items: list[Any]):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        return self.items[row]


def every_kind(images: NDArray[np.uint8], folder: Path) -> dict[str, Any]:
    """The same pictures in everything that a user may have them in."""
    files = saved(images, folder)
    channels_last = images.transpose(0, 2, 3, 1)
    return {
        "files": files,
        "folder": folder,
        "glob": f"{folder}/*.png",
        "uint8": images,
        "float": images.astype(np.float32) / 255,
        "channels last": channels_last,
        "float tensor, channels last": torch.from_numpy(channels_last.copy()).double() / 255,
        "Dataset of uint8": TensorDataset(torch.from_numpy(images)),
        "Dataset of floats": Items([torch.from_numpy(one).float() / 255 for one in images]),
        "Dataset of channels last": Items([*channels_last]),
        "Dataset of Pillow's": Items([Image.open(file).convert("RGB") for file in files]),
    }


@pytest.fixture(scope="module")
def fitted() -> ll.LatentLabels:
    torch.manual_seed(0)
    images, known = scenes(48, 32)
    return ll.LatentLabels(SPACE, encoder="tiny", epochs=2, batch_size=16, learning_rate=3e-3).fit(images, known)


@pytest.mark.parametrize("side", [32, 64, 24])
def test_pictures_of_any_size_and_kind_have_the_same_probabilities(fitted: ll.LatentLabels, tmp_path: Path, side: int) -> None:
    images, _ = scenes(6, side, seed=1)
    found = {name: fitted.predict_proba(given) for name, given in every_kind(images, tmp_path / "p").items()}
    for name, marginals in found.items():
        np.testing.assert_array_equal(marginals, found["files"], err_msg=name)
    assert np.ptp(found["files"], axis=0).max() > 0.01  # they are not all alike


@pytest.mark.parametrize("image_size", [24, None])
def test_a_fit_is_the_same_whatever_the_pictures_come_in(tmp_path: Path, image_size: int | None) -> None:
    images, known = scenes(20, 32)
    settings = {"encoder": "tiny", "epochs": 2, "batch_size": 8, "seed": 1}
    found = {}
    for name, given in every_kind(images, tmp_path / "p").items():
        size = 32 if image_size is None and name in ("files", "folder", "glob") else image_size  # files: 224 otherwise
        m = ll.LatentLabels(SPACE, image_size=size, **settings).fit(given, known)
        assert m.fitted_.image_size == (image_size or 32,) * 2
        found[name] = m.predict_proba(images[:5])
    for name, marginals in found.items():
        np.testing.assert_allclose(marginals, found["files"], atol=1e-6, err_msg=name)


def test_augmentation_is_one_setting_for_all_kinds(tmp_path: Path) -> None:
    images, known = scenes(20, 32)
    given = every_kind(images, tmp_path / "p")
    for augment in (True, False):
        settings = {"encoder": "tiny", "epochs": 1, "batch_size": 8, "image_size": 32, "augment": augment}
        files, array, dataset = (
            ll.LatentLabels(SPACE, **settings).fit(given[kind], known).model.state_dict()
            for kind in ("files", "uint8", "Dataset of floats")
        )
        for key, value in files.items():
            torch.testing.assert_close(array[key], value)
            torch.testing.assert_close(dataset[key], value)
    other = ll.LatentLabels(SPACE, **(settings | {"augment": True})).fit(images, known).model.state_dict()
    assert any(not torch.equal(value, other[key]) for key, value in files.items())


@pytest.mark.filterwarnings("ignore:.* fewer than 5 training images")  # six pictures
def test_pictures_of_differing_sizes_in_a_dataset(fitted: ll.LatentLabels, tmp_path: Path) -> None:
    parts = [scenes(2, side, seed=side)[0] for side in (32, 48, 20)]
    items = Items([torch.from_numpy(one) for part in parts for one in part])
    expected = np.concatenate([fitted.predict_proba(part) for part in parts])
    np.testing.assert_array_equal(fitted.predict_proba(items), expected)
    known = scenes(6, 32)[1]
    m = ll.LatentLabels(SPACE, encoder="tiny", epochs=1).fit(items, known)
    assert m.fitted_.image_size == (224, 224)  # that of the encoder: the pictures have none in common


def test_a_loaded_run_reads_as_the_fit_did(fitted: ll.LatentLabels, tmp_path: Path) -> None:
    images, _ = scenes(5, 50, seed=2)
    again = ll.LatentLabels.load(fitted.save(tmp_path / "run"))
    assert again.fitted_.pixels == fitted.fitted_.pixels
    assert again.fitted_.image_size == (32, 32)
    np.testing.assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))


@pytest.mark.parametrize("factor", [1, 255])
def test_a_dataset_that_is_not_in_range_is_refused_when_it_is_asked_about(fitted: ll.LatentLabels, factor: float) -> None:
    images = torch.from_numpy(scenes(6, 32)[0]).float() / 255
    items = Items([*((images - 0.5) / 0.25 if factor == 1 else images * factor)])
    with pytest.raises(DataError, match="item 0 of the Dataset: values from .* leave out Normalize"):
        fitted.predict_proba(items)
    late = Items([*images[:5], images[5] * 9])  # only the last one is wrong, and it is seen as well
    with pytest.raises(DataError, match="item 5 of the Dataset"):
        fitted.predict_proba(late)


# --- each file once -----------------------------------------------------------------------------------------------------


class Counted:
    """How often each file was opened by Pillow and each folder was listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.opened: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()
        for module, name, counter in ((Image, "open", self.opened), (os, "scandir", self.listed), (os, "listdir", self.listed)):
            monkeypatch.setattr(module, name, self._counting(getattr(module, name), counter))

    def _counting(self, original: Any, counter: Counter[str]) -> Any:
        def counted(path: Any = ".", *args: Any, **more: Any) -> Any:
            if isinstance(path, str | os.PathLike):
                counter[os.fspath(path)] += 1
            return original(path, *args, **more)

        return counted

    def below(self, folder: Path) -> tuple[set[int], set[int]]:
        return tuple(  # type: ignore[return-value]
            {times for path, times in counter.items() if path.startswith(str(folder))} for counter in (self.opened, self.listed)
        )


def image_folder(root: Path) -> Path:
    images, known = scenes(24, 32)
    for row, image in enumerate(images):
        folder = root / SPACE.labels[known[row].argmax()]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{row}.png")
    Image.fromarray(images[0].transpose(1, 2, 0)).save(next(root.iterdir()) / "copy.png")  # files of one size are compared
    return root


TINY = ["--set", "model.encoder=tiny", "--set", "model.image_size=32", "--set", "fit.epochs=1"]


def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.yaml"
    path.write_text("- {name: colour, one_of: [red, blue]}\n- {name: striped}\n")
    return path


def test_a_fit_decodes_each_file_once_and_lists_each_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report, its pictures included, is part of the fit."""
    root, run = image_folder(tmp_path / "photos"), tmp_path / "run"
    counted = Counted(monkeypatch)
    assert main(["fit", "--images", str(root), "--labels", str(labels(tmp_path)), "--out", str(run), *TINY]) == 0
    assert counted.below(root) == ({1}, {1})
    assert len([path for path in counted.opened if path.startswith(str(root))]) in (24, 25)
    assert b"data:image" in (run / "report.html").read_bytes()
    for verb in (["predict", str(run), str(root), "-o", str(tmp_path / "p.csv")], ["report", str(run), "--images", str(root)]):
        counted.opened.clear()
        counted.listed.clear()
        assert main(verb) == 0
        assert counted.below(root)[0] == {1}, verb


def test_a_fit_on_a_table_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, known, truth = drawn(12, 32)
    names = [file.name for file in saved(images, tmp_path / "photos")]
    table = ll.Observed.from_array(known, SPACE, names).write(tmp_path / "known.csv")
    whole = ll.Observed.from_array(truth, SPACE, names).write(tmp_path / "truth.csv")
    counted, run = Counted(monkeypatch), str(tmp_path / "run")
    data = ["--images", str(tmp_path / "photos"), "--labels", str(labels(tmp_path)), "--observed", str(table)]
    for verb in (
        ["fit", *data, "--unlisted", "unknown", "--out", run, *TINY],
        [
            "complete",
            run,
            "--observed",
            str(table),
            "--unlisted",
            "unknown",
            "--images",
            str(tmp_path / "photos"),
            "-o",
            str(tmp_path / "c.csv"),
        ],
        ["evaluate", run, "--images", str(tmp_path / "photos"), "--truth", str(whole)],
    ):
        counted.opened.clear()
        counted.listed.clear()
        assert main(verb) == 0
        # an evaluation goes through the images block by block, and opens those again that its report shows
        assert counted.below(tmp_path / "photos")[0] <= ({1, 2} if verb[0] == "evaluate" else {1}), verb
        assert counted.below(tmp_path / "photos")[1] <= {1}, verb


def test_inputs_are_read_once_for_several_questions(
    fitted: ll.LatentLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, known = scenes(6, 40, seed=3)
    files = saved(images, tmp_path / "p")
    counted = Counted(monkeypatch)
    inputs = fitted.read(files, known)
    assert isinstance(inputs, Inputs)
    assert (inputs.kind, inputs.size, inputs.levels, len(inputs)) == (Kind.IMAGES, (32, 32), Levels(), 6)
    assert inputs.observed is not None and inputs.observed.values.tolist() == known.tolist()
    assert fitted.posterior(inputs).images == tuple(map(str, files))
    given = fitted.posterior(inputs, inputs.observed)
    fitted.predict(inputs.take([3, 1]))
    assert set(counted.opened.values()) == {1}
    monkeypatch.undo()
    np.testing.assert_array_equal(given.marginals, fitted.posterior(files, known).marginals)
    assert inputs.take([3, 1]).rows.tolist() == [3, 1]
    assert inputs.take([3, 1]).picture(0).size == (32, 32)
