"""What is found of images, against slow computations of the same; each picture is of the image whose figures stand by it."""

from __future__ import annotations

import contextlib
import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from latentlabels import LatentLabels
from latentlabels.annotation import Ignorable
from latentlabels.checks import suspect_labels
from latentlabels.errors import DataError, DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.report.prediction_summary import find, worst_errors
from latentlabels.report.stored_predictions import StoredPredictions
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), OneOf("vehicle", ["car", "bike"], optional=True), Free("striped")])
K = SPACE.num_labels


def _tables(number: int, seed: int = 0) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Complete labels of the space, and one known label of each image; some are known to be absent."""
    rng = np.random.default_rng(seed)
    q = SPACE.distribution(torch.zeros(number, SPACE.num_logits))
    torch.manual_seed(seed)
    truth = q.sample().numpy().astype(np.int8)
    observed = np.full_like(truth, -1)
    for row in range(number):
        observed[row, rng.choice(np.flatnonzero(truth[row]))] = 1
    observed[::5, 4] = truth[::5, 4]
    return truth, observed


def _colours(number: int) -> NDArray[np.uint8]:
    """(N, 3, 32, 32) images of one colour each, by which they are recognised."""
    rows = np.arange(number)
    colours = np.stack([40 + rows % 200, 255 - rows % 50, (37 * rows) % 256], 1).astype(np.uint8)
    return np.broadcast_to(colours[:, :, None, None], (number, 3, 32, 32)).copy()


def _fitted(**settings: Any) -> LatentLabels:
    given: dict[str, Any] = {"encoder": "tiny", "image_size": 32, "epochs": 2, "learning_rate": 3e-3, **settings}
    truth, observed = _tables(60, 9)
    inputs = np.random.default_rng(9).integers(0, 255, (60, 3, 32, 32), dtype=np.uint8)
    model = LatentLabels(SPACE, **given)
    return model.fit(inputs if given["encoder"] == "tiny" else truth @ np.eye(K, 7, dtype=np.float32), observed, truth=truth)


@pytest.fixture(scope="module")
def model() -> LatentLabels:
    return _fitted()


def _colour_of(picture: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(picture)[:, 48, 48].astype(int)


def _check_pictures(found: StoredPredictions, model: LatentLabels, images: Any, tolerance: int = 1) -> None:
    """The picture at each row is that of the one image whose marginals stand at the row."""
    marginals = model.predict_proba(images)
    colours = images[:, :, 0, 0].astype(int)
    assert len(found.pictures) == len(found.marginals) == len(found.observed)
    for picture, p in zip(found.pictures, found.marginals, strict=True):
        row = int(np.abs(colours - _colour_of(picture)).sum(1).argmin())
        assert np.abs(colours[row] - _colour_of(picture)).max() <= tolerance
        np.testing.assert_allclose(p, marginals[row], atol=1e-5)


def test_every_figure_is_what_a_slow_computation_gives(model: LatentLabels) -> None:
    truth, observed = _tables(30)
    images = _colours(30)
    found = find(model, images, observed, truth)
    posterior, p = model.posterior(images, observed), model.predict_proba(images)
    assert found.num_images.tolist() == [30, 30]
    assert found.num_known.tolist() == [(observed != -1).sum()] * 2
    assert found.num_parts.tolist() == [30, 30]
    assert str(found.source) == ""
    np.testing.assert_allclose(found.prevalence, posterior.marginals.mean(0), atol=1e-5)
    # by enumeration: every label set of the space, weighted by its posterior probability
    sets = SPACE.distribution(torch.zeros(SPACE.num_logits)).enumerate_support(expand=False).numpy()
    weights = np.stack([np.exp(posterior.log_prob(np.tile(y, (30, 1)))) for y in sets], 1)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-4)
    counts = [weights[:, sets.sum(1) == n].sum(1).mean() for n in range(len(found.count_probs))]
    np.testing.assert_allclose(found.count_probs, counts, atol=1e-5)
    np.testing.assert_array_equal(found.together_labels, np.arange(K))
    np.testing.assert_allclose(found.together, np.einsum("ns,sk,sl->kl", weights, sets, sets) / 30, atol=1e-5)
    np.testing.assert_allclose(found.together, posterior.co_occurrence(), atol=1e-6)
    np.testing.assert_allclose(np.diag(found.together), found.prevalence, atol=1e-5)
    np.testing.assert_allclose(found.sheet_shares, p[:, found.sheet_labels].mean(0), atol=1e-5)
    np.testing.assert_allclose(found.truth_prevalence, truth.mean(0))
    np.testing.assert_allclose(found.truth_counts, [(truth.sum(1) == n).mean() for n in range(truth.sum(1).max() + 1)])
    _check_pictures(found, model, images)


def test_suspects_are_those_of_the_same_rows(model: LatentLabels) -> None:
    _, observed = _tables(40, 1)
    images = _colours(40)
    found = find(model, images, observed)
    expected = suspect_labels(observed, model.predict_proba(images), SPACE, limit=12)
    assert len(found.suspect_rows) == len(expected) == 12
    np.testing.assert_allclose(found.suspect_probabilities, [one.probability for one in expected], atol=1e-5)
    assert [SPACE.labels[k] for k in found.suspect_labels] == [one.label for one in expected]
    assert found.suspect_values.tolist() == [one.value for one in expected]
    assert found.suspect_images.tolist() == [str(one.row) for one in expected]
    assert [None if k < 0 else SPACE.labels[k] for k in found.suspect_instead] == [one.instead for one in expected]
    for row, one in zip(found.suspect_rows, expected, strict=True):
        np.testing.assert_array_equal(found.observed[row], observed[one.row])
        np.testing.assert_allclose(_colour_of(found.pictures[row]), images[one.row, :, 0, 0], atol=1)


def test_the_sheet_holds_the_most_probable_images_of_each_label(model: LatentLabels) -> None:
    images = _colours(50)
    found, p = find(model, images), model.predict_proba(images)
    for k in found.sheet_labels:
        best = np.sort(p[:, k])[-7:]
        np.testing.assert_allclose(np.sort(found.marginals[found.sheet][:, k])[-7:], best, atol=1e-5)


def test_of_more_images_than_are_looked_at_the_names_stay_their_own(model: LatentLabels) -> None:
    truth, observed = _tables(95, 2)
    images = _colours(95)
    found = find(model, images, observed, truth, limit=20)
    assert found.num_images.tolist() == [20, 95]
    rows = np.unique(np.linspace(0, 94, 20).round().astype(int))
    np.testing.assert_allclose(found.prevalence, model.posterior(images[rows], observed[rows]).marginals.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.truth_prevalence, truth[rows].mean(0))
    _check_pictures(found, model, images)
    for place, name in zip(found.suspect_rows, found.suspect_images, strict=True):
        assert int(name) in rows
        np.testing.assert_array_equal(found.observed[place], observed[int(name)])
        np.testing.assert_allclose(_colour_of(found.pictures[place]), images[int(name), :, 0, 0], atol=1)
    named = find(model, images, Observed.from_array(observed, SPACE, [f"image-{row}.jpg" for row in range(95)]), limit=20)
    assert named.suspect_images.tolist() == [f"image-{name}.jpg" for name in found.suspect_images]


def test_very_many_labels_are_counted_in_fewer_images(model: LatentLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, observed = _tables(30)
    images = _colours(30)
    monkeypatch.setattr("latentlabels.report.prediction_summary._COUNTS_WORK", 10 * K**2)
    monkeypatch.setattr("latentlabels.report.prediction_summary._PAIRS_WORK", 6 * K)
    found = find(model, images, observed, truth)
    assert found.num_parts.tolist() == [10, 6]
    counted, paired = (np.linspace(0, 29, size).round().astype(int) for size in (10, 6))
    posterior = model.posterior(images, observed)
    np.testing.assert_allclose(found.count_probs, posterior.count_probs()[counted].mean(0), atol=1e-5)
    part = model.posterior(images[paired], observed[paired])
    np.testing.assert_allclose(found.together, part.co_occurrence(), atol=1e-5)
    np.testing.assert_allclose(found.prevalence, posterior.marginals.mean(0), atol=1e-5)
    counts = truth[counted].sum(1)
    np.testing.assert_allclose(found.truth_counts, [(counts == n).mean() for n in range(counts.max() + 1)])


def test_files_that_cannot_be_read_move_no_row(model: LatentLabels, tmp_path: Path) -> None:
    truth, observed = _tables(25, 3)
    images = _colours(25)
    files = [tmp_path / f"{row:02d} 图.png" for row in range(25)]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(file)
    bad = [0, 7, 8, 24]
    for row in bad:
        files[row].write_bytes(b"no image")
    good = np.setdiff1d(np.arange(25), bad)
    found = find(model, files, observed, truth)  # of which nothing is said: the fit has said it
    assert found.num_images.tolist() == [21, 25]
    np.testing.assert_allclose(found.prevalence, model.posterior(images[good], observed[good]).marginals.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.truth_prevalence, truth[good].mean(0))
    _check_pictures(found, model, images)
    for place, name in zip(found.suspect_rows, found.suspect_images, strict=True):
        np.testing.assert_array_equal(found.observed[place], observed[files.index(Path(str(name)))])


def test_files_are_upright_and_in_colour(model: LatentLabels, tmp_path: Path) -> None:
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, :40] = (255, 0, 0)  # turned by the tag, red is above
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(wide).save(tmp_path / "0.png", exif=exif)
    Image.fromarray(np.full((50, 50), 90, np.uint8)).save(tmp_path / "1.png")
    Image.fromarray(np.dstack([np.zeros((30, 30, 3), np.uint8), np.zeros((30, 30), np.uint8)])).save(tmp_path / "2.png")
    found = find(model, [tmp_path / f"{row}.png" for row in range(3)])
    turned, grey, clear = found.pictures
    assert turned[:, 20, 48].tolist() == [255, 0, 0]
    assert turned[:, 76, 48].tolist() == [0, 0, 0]
    assert turned[:, 48, 2].tolist() == [255, 255, 255]  # padded at the sides
    assert _colour_of(grey).tolist() == [90, 90, 90]
    assert _colour_of(clear).tolist() == [255, 255, 255]  # transparent: the white behind


class _Items(Dataset[Any]):
    def __init__(self, images: NDArray[np.uint8], kind: str):
        self.images, self.kind = images, kind

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Any:
        pixels = torch.from_numpy(self.images[row])
        if self.kind == "pair":
            return pixels, 3
        return pixels if self.kind == "uint8" else pixels.float() / 255


@pytest.mark.parametrize("kind", ["float", "NHWC", "tensor", "pair", "uint8", "Dataset of floats", "list"])
def test_images_of_every_kind(model: LatentLabels, kind: str) -> None:
    _, observed = _tables(16, 4)
    images = _colours(16)
    given: Any = {
        "float": lambda: images.astype(np.float32) / 255,
        "NHWC": lambda: images.transpose(0, 2, 3, 1),
        "tensor": lambda: torch.from_numpy(images),
        "pair": lambda: _Items(images, "pair"),
        "uint8": lambda: _Items(images, "uint8"),
        "Dataset of floats": lambda: _Items(images, "float"),
        "list": lambda: list(images),
    }[kind]()
    found = find(model, given, torch.from_numpy(observed) if kind == "tensor" else observed, limit=10)
    np.testing.assert_array_equal(found.num_images, [10, 16])
    _check_pictures(found, model, images)


def test_of_embeddings_there_are_no_pictures() -> None:
    model = _fitted(encoder="embedding")
    truth, observed = _tables(20)
    vectors = truth @ np.eye(K, 7, dtype=np.float32)
    found = find(model, vectors, observed)
    assert found.pictures.shape == (0, 3, 96, 96)
    np.testing.assert_allclose(found.prevalence, model.posterior(vectors, observed).marginals.mean(0), atol=1e-5)
    assert len(found.suspect_rows) == 12


def test_one_image_two_images_and_none(model: LatentLabels) -> None:
    for number in (1, 2):
        found = find(model, _colours(number))
        assert found.num_images.tolist() == [number, number]
        assert found.num_known.tolist() == [0, 0]
        assert found.examples.tolist() == list(range(number))
        assert len(found.suspect_rows) == 0
        assert found.truth.shape == (0, K)
    with pytest.raises(DataError, match="no images: the array has shape"):
        find(model, _colours(0))
    with pytest.raises(DataError, match=r"images must be an array \(N, 3, H, W\) or \(N, H, W, 3\), not of shape \(0,\)"):
        find(model, [])


def test_what_does_not_fit_is_refused(model: LatentLabels) -> None:
    with pytest.raises(DataError, match="4 images, but known labels of 3; give one row for each image"):
        find(model, _colours(4), np.full((3, K), -1))
    with pytest.raises(DataError, match="photos: file or folder not found"):
        find(model, "photos")


def test_one_label_and_labels_that_are_never_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for space in (LabelSpace.free(["x"]), LabelSpace.free(["x", "never"])):
        observed = np.full((40, space.num_labels), -1, np.int8)
        observed[:, 0] = rng.random(40) < 0.5
        model = LatentLabels(space, Ignorable(), encoder="embedding", epochs=1)
        if space.num_labels == 2:
            with pytest.warns(DataWarning, match="never known"):
                model.fit(rng.normal(size=(40, 3)), observed)
        else:
            model.fit(rng.normal(size=(40, 3)), observed)
        found = find(model, rng.normal(size=(40, 3)), observed)
        assert found.together.shape == (space.num_labels,) * 2
        assert found.prevalence[0] == pytest.approx((observed[:, 0] == 1).mean(), abs=1e-5)  # all is known of it
        StoredPredictions.read(found.write(tmp_path / "f.npz"), space.num_labels)


@pytest.mark.parametrize("objective", ["revealed-group", "unknown-class", "assume-negative", "em", "mixture"])
def test_other_objectives_and_mixtures(objective: str) -> None:
    settings = {"mixture": 2} if objective == "mixture" else {"objective": objective}
    model = _fitted(epochs=1, **settings)
    truth, observed = _tables(20)
    images = _colours(20)
    found = find(model, images, observed, truth)
    assert found.num_known[1] in (0, found.num_known[0])
    given = model.posterior(images, observed) if found.num_known[1] else model.posterior(images)
    np.testing.assert_allclose(found.prevalence, given.marginals.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.count_probs, given.count_probs().mean(0), atol=1e-5)
    np.testing.assert_allclose(found.count_probs.sum(), 1, atol=1e-4)
    np.testing.assert_allclose(found.together, given.co_occurrence(), atol=1e-5)


def test_known_labels_that_the_space_contradicts_are_refused(model: LatentLabels) -> None:
    observed = np.full((6, K), -1, np.int8)
    observed[2, :2] = 1  # red and blue at once
    with pytest.raises(ObservationError, match='row 2: "red" and "blue"'):
        find(model, _colours(6), observed)


def _some(model: LatentLabels) -> StoredPredictions:
    truth, observed = _tables(12)
    return find(model, _colours(12), Observed.from_array(observed, SPACE, [f"图 <b> {row}" for row in range(12)]), truth)


def test_what_is_written_is_read(model: LatentLabels, tmp_path: Path) -> None:
    found = dataclasses.replace(_some(model), source=np.array("new photos"))
    path = found.write(tmp_path / "findings.npz")
    again = StoredPredictions.read(path, K)
    for field in dataclasses.fields(found):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(found, field.name))
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == len(dataclasses.fields(found))
    with np.load(path, allow_pickle=False) as arrays:
        assert not any(arrays[name].dtype.hasobject for name in arrays.files)


def test_files_of_other_labels_and_pickles_are_refused(model: LatentLabels, tmp_path: Path) -> None:
    found = _some(model)
    path = found.write(tmp_path / "findings.npz")
    with pytest.raises(DataError, match=r"findings.npz could not be read: it is about 5 labels, but the run has 6"):
        StoredPredictions.read(path, 6)
    arrays = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    strange: dict[str, Any] = {
        "suspect_images": np.array([{"a": 1}], dtype=object), "marginals": found.marginals[:, :3], "examples": np.array([99]),
        "pictures": found.pictures[1:], "together_labels": np.array([-1]), "sheet": np.array([0.5]),
        "prevalence": found.prevalence * 3, "suspect_instead": np.full(len(found.suspect_rows), K), "count_probs": np.eye(2),
        "truth": found.truth[1:], "num_images": np.array([3]), "prior": None,
    }  # fmt: skip
    for name, value in strange.items():
        np.savez(path, **({**arrays, name: value} if value is not None else {"prevalence": found.prevalence}))
        with pytest.raises(DataError, match="findings.npz could not be read"):
            StoredPredictions.read(path, K)


def test_damage_is_an_error_that_names_the_file(model: LatentLabels, tmp_path: Path) -> None:
    path = _some(model).write(tmp_path / "findings.npz")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for content in (b"", b"no archive", whole[:50], whole[: len(whole) // 2], b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="findings.npz could not be read"):
            StoredPredictions.read(path, K)
    for place in rng.integers(0, len(whole), 150):  # a byte that is wrong: refused, or of no account
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            StoredPredictions.read(path, K)


def test_places_are_kept_of_a_model_with_regions_alone(model: LatentLabels, tmp_path: Path) -> None:
    images = _colours(40)
    plain = find(model, images)
    assert not len(plain.place_rows)
    regions = _fitted(regions=True)
    found = find(regions, images)
    assert len(found.place_rows) == 12  # two labels of each of six images
    posterior = regions.posterior(images)
    for row, k, heat, shape in zip(found.place_rows, found.place_labels, found.place_heat, found.place_shapes, strict=True):
        number = _row_of(found.pictures[row], images)
        np.testing.assert_allclose(heat, posterior[[number]].where(SPACE.labels[k])[0], atol=1e-5)
        assert k in np.argsort(-posterior.marginals[number])[:2] and shape.tolist() == [32, 32]
    again = StoredPredictions.read(found.write(tmp_path / "found.npz"), K)
    np.testing.assert_array_equal(again.place_heat, found.place_heat)


def _row_of(picture: NDArray[np.uint8], images: NDArray[np.uint8]) -> int:
    """Which of the images of one colour a thumbnail shows."""
    return int(np.abs(images[:, :, 0, 0].astype(int) - picture[:, 48, 48]).sum(1).argmin())


def test_files_of_earlier_versions_have_no_places(model: LatentLabels, tmp_path: Path) -> None:
    path = find(model, _colours(10)).write(tmp_path / "found.npz")
    with np.load(path) as arrays:
        old = {name: arrays[name] for name in arrays.files if not name.startswith("place_")}
    np.savez(path, **old)
    assert not len(StoredPredictions.read(path, K).place_rows)


# --- worst errors ---------------------------------------------------------------------------------------


def test_the_worst_errors_by_hand() -> None:
    truth = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 1]])
    p = np.array([[0.9, 0.8, 0.9], [0.6, 0.1, 0.2], [0.7, 0.95, 0.3], [0.45, 0.5, 0.9]])
    # absent: .95 (2, 1), .9 (0, 0), .6 (1, 0); the .8 and .7 are of images that are there already. .5 is no decision
    # present: .1 (1, 1), .45 (3, 0); the .2 is of the same image
    assert worst_errors(truth, p) == [(2, 1), (0, 0), (1, 0), (1, 1), (3, 0)]
    assert worst_errors(truth, p, limit=1) == [(2, 1), (1, 1)]
    assert worst_errors(truth, truth.astype(float)) == []
    many = worst_errors(np.zeros((9, 1)), np.linspace(0.6, 0.9, 9)[:, None])
    assert many == [(8, 0), (7, 0)]  # a label is shown twice at most


def test_worst_errors_are_kept_with_their_names_and_pictures(model: LatentLabels, tmp_path: Path) -> None:
    truth, _ = _tables(40, 3)
    images = _colours(40)
    found = find(model, images, truth=truth)
    p = model.predict_proba(images)
    expected = worst_errors(truth, p)
    assert len(found.error_rows) == len(expected) > 0
    for place, (row, k) in enumerate(expected):
        assert found.error_labels[place] == k
        assert found.names[found.error_rows[place]] == str(row)
        np.testing.assert_allclose(found.marginals[found.error_rows[place]], p[row], atol=1e-5)
        np.testing.assert_array_equal(found.truth[found.error_rows[place]], truth[row])
    _check_pictures(found, model, images)
    again = StoredPredictions.read(found.write(tmp_path / "found.npz"), K)
    np.testing.assert_array_equal(again.error_rows, found.error_rows)
    assert not len(find(model, images).error_rows)


def test_files_from_before_the_errors_can_be_read(model: LatentLabels, tmp_path: Path) -> None:
    truth, _ = _tables(20, 3)
    path = find(model, _colours(20), truth=truth).write(tmp_path / "new.npz")
    with np.load(path) as stored:
        np.savez(tmp_path / "old.npz", **{key: stored[key] for key in stored.files if not key.startswith("error")})
    old = StoredPredictions.read(tmp_path / "old.npz", K)
    assert len(old.error_rows) == len(old.error_labels) == 0
