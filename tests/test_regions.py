"""`regions=True` from fit to `Posterior.where`: frozen and trained encoders, the cache, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import latentlabels as ll
from latentlabels.encoders import RegionFeatures, TinyCNN
from latentlabels.errors import ConfigError, DataError, LabelSpaceError
from latentlabels.inputs.feature_source import Featured
from latentlabels.space import Free, LabelSpace, OneOf

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*fewer than 5 training images", "ignore:.*has random weights and is frozen", "ignore:.*no exhaustive group"
)
SPACE = LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True), Free("striped")])
SETTINGS: dict[str, Any] = {
    "encoder": "tiny", "image_size": [48, 32], "regions": True, "epochs": 2, "batch_size": 16, "accelerator": "cpu"
}  # fmt: skip


def _data(number: int = 40) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    images = np.random.default_rng(3).integers(0, 255, (number, 3, 48, 32), dtype=np.uint8)
    observed = np.full((number, 3), -1, np.int8)
    observed[np.arange(number), np.arange(number) % 3] = 1
    return images, observed


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    torch.save(TinyCNN().state_dict(), path)
    return str(path)


@pytest.fixture(scope="module", params=["trained", "frozen", "published"])
def model(request: pytest.FixtureRequest, weights: str) -> ll.LatentLabels:
    """Trained from pixels; frozen at random weights, from features in memory; frozen at weights of a file, from the cache."""
    given = weights if request.param == "published" else None
    found = ll.LatentLabels(SPACE, frozen=request.param != "trained", weights=given, **SETTINGS)
    return found.fit(*_data())


def _by_hand(model: ll.LatentLabels, images: NDArray[np.uint8], label: str) -> NDArray[np.float32]:
    """The softmax over places of the label's scores, from the network's own maps."""
    encoder, head = model.model.amortizer.encoder.eval(), model.model.amortizer.head
    pixels = torch.from_numpy(images).float() / 255
    row = {"car": 0, "bike": 1, "striped": 3}[label]  # logit 2 is "no vehicle"
    with torch.no_grad():
        scores = head.scores(encoder(pixels))[:, row]
        return (5.0 * scores.flatten(1)).softmax(1).view_as(scores).numpy()


def test_where_is_the_posterior_of_the_place(model: ll.LatentLabels) -> None:
    images, _ = _data()
    posterior = model.posterior(images)
    for label in SPACE.labels:
        found = posterior.where(label)
        assert found.shape == (40, 3, 2) and found.dtype == np.float32
        np.testing.assert_allclose(found.sum((1, 2)), 1, atol=1e-5)
        assert found.min() >= 0 and found.max() <= 1
        np.testing.assert_allclose(found, _by_hand(model, images, label), atol=2e-3)  # the cache rounds to half precision
    assert not np.allclose(posterior.where("car"), posterior.where("bike"))


def test_conditioning_leaves_places_as_they_are(model: ll.LatentLabels) -> None:
    """By enumeration of p(y, z) = p(y) p(z of "car"): given any labels that allow a car, its place has the same posterior."""
    images, observed = _data()
    posterior = model.posterior(images)
    place = posterior.where("car").reshape(40, -1)
    sets = np.array(list(SPACE.label_sets()))
    p = np.exp([posterior.log_prob(np.tile(y, (40, 1)).astype(np.int8)) for y in sets])  # (sets, N)
    joint = p[:, :, None] * place[None]  # p(y, z); z of "car" says nothing about y
    for known in ({"present": ["striped"]}, {"absent": ["striped"]}):
        value = 1 if "present" in known else 0
        kept = (sets[:, 2] == value) & (sets[:, 0] == 1)
        expected = joint[kept].sum(0) / joint[kept].sum((0, 2))[:, None]
        np.testing.assert_allclose(posterior.given(**known).where("car").reshape(40, -1), expected, atol=1e-5)
    np.testing.assert_array_equal(model.posterior(images, observed).where("car"), posterior.where("car"))


def test_some_images_have_the_places_of_all(model: ll.LatentLabels) -> None:
    posterior = model.posterior(_data()[0])
    rows = [7, 3, 30]
    before = posterior[rows].where("bike")
    expected = posterior.where("bike")
    np.testing.assert_allclose(before, expected[rows], atol=1e-6)
    np.testing.assert_allclose(posterior[rows].where("bike"), expected[rows], atol=1e-6)
    assert posterior[:0].where("bike").shape == (0, 3, 2)
    found = posterior.where("bike")
    found[:] = 0  # a copy of the caller's own
    np.testing.assert_allclose(posterior.where("bike"), expected)


def test_very_many_labels_are_computed_one_by_one(model: ll.LatentLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = _data()
    expected = {label: model.posterior(images).where(label) for label in SPACE.labels}
    monkeypatch.setattr("latentlabels.fitting.places._ALL_AT_ONCE", 0)
    for label, places in expected.items():
        np.testing.assert_allclose(model.posterior(images).where(label), places, atol=1e-6)


def test_a_run_folder_keeps_them(model: ll.LatentLabels, tmp_path: Path) -> None:
    images, _ = _data()
    again = ll.LatentLabels.load(model.save(tmp_path / "run"))
    np.testing.assert_allclose(again.predict_proba(images), model.predict_proba(images), atol=1e-6)
    np.testing.assert_allclose(again.posterior(images).where("bike"), model.posterior(images).where("bike"), atol=1e-6)


def test_unknown_labels_and_models_without_regions_are_told(model: ll.LatentLabels) -> None:
    images, observed = _data()
    with pytest.raises(LabelSpaceError, match='"bike"'):
        model.posterior(images).where("bikes")
    plain = ll.LatentLabels(SPACE, **{**SETTINGS, "regions": False}).fit(images, observed)
    with pytest.raises(DataError, match="regions=True"):
        plain.posterior(images).where("bike")


def test_a_posterior_of_a_model_that_was_changed_since_says_so() -> None:
    images, observed = _data()
    model = ll.LatentLabels(SPACE, **SETTINGS).fit(images, observed)
    posterior = model.posterior(images)
    with torch.no_grad():
        model.model.amortizer.head.weight.mul_(2)
    with pytest.raises(DataError, match="changed after this posterior"):
        posterior.where("car")
    assert model.posterior(images).where("car").shape == (40, 3, 2)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"mixture": 2}, "mixture 1 and beta 0, not 2 and 0"),
        ({"beta": 0.5}, "mixture 1 and beta 0, not 1 and 0.5"),
        ({"encoder": "embedding"}, "embeddings have no places"),
        ({"windows": True}, "not in two windows"),
    ],
)
def test_what_regions_do_not_go_with_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ll.LatentLabels(SPACE, **{**SETTINGS, **settings}).fit(*_data())


def test_embeddings_have_no_regions() -> None:
    with pytest.raises(ConfigError, match="embeddings have no places"):
        ll.LatentLabels(SPACE, regions=True).fit(np.ones((40, 5), np.float32), _data()[1])


@pytest.mark.parametrize("objective", ["assume-negative", "unknown-class", "role", "full-labels"])
def test_published_losses_have_regions_too(objective: str) -> None:
    images, observed = _data()
    truth = (observed == 1).astype(np.int8)
    model = ll.LatentLabels(SPACE, objective=objective, **SETTINGS).fit(images, observed, truth=truth)
    assert model.posterior(images).where("striped").shape == (40, 3, 2)


def test_files_are_cached_with_their_maps(weights: str, tmp_path: Path) -> None:
    """The second fit computes nothing; it, and a model that is loaded, find what the first has kept."""
    images, observed = _data()
    folder = tmp_path / "images"
    folder.mkdir()
    for row, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{row:02d}.png")
    files = sorted(folder.iterdir())
    settings = {**SETTINGS, "frozen": True, "weights": weights, "cache": str(tmp_path / "cache")}
    first = ll.LatentLabels(SPACE, **settings).fit(files, observed)
    assert first.fitted_.features.at((48, 32)).computed == 40
    second = ll.LatentLabels(SPACE, **settings).fit(files, observed)
    assert second.fitted_.features.at((48, 32)).computed == 0
    np.testing.assert_allclose(second.predict_proba(files), first.predict_proba(files), atol=1e-6)
    loaded = ll.LatentLabels.load(first.save(tmp_path / "run"))
    np.testing.assert_allclose(loaded.posterior(files).where("car"), first.posterior(files).where("car"), atol=1e-6)
    assert loaded.fitted_.features.at((48, 32)).computed == 0
    inputs = loaded.read(files)
    assert isinstance(inputs.items, Featured)
    module = loaded.model.amortizer.encoder.module
    assert isinstance(module, RegionFeatures)
    assert inputs.items.inputs(torch.arange(3)).shape == (3, module.num_features)
    third = ll.LatentLabels(SPACE, **{**settings, "cache": "none"}).fit(inputs, observed)
    np.testing.assert_allclose(third.predict_proba(files), first.predict_proba(files), atol=1e-3)


def test_a_fit_begins_with_one_that_had_regions(weights: str, tmp_path: Path) -> None:
    images, observed = _data()
    before = ll.LatentLabels(SPACE, frozen=True, weights=weights, **SETTINGS).fit(images, observed)
    run = before.save(tmp_path / "run")
    for frozen in (True, False):
        after = ll.LatentLabels(SPACE, frozen=frozen, init_from=run, weights=weights, **SETTINGS).prepare(images, observed)
        after.model.eval()
        np.testing.assert_allclose(after.predict_proba(images), before.predict_proba(images), atol=1e-3)
    assert after.fit(images, observed).posterior(images).where("car").shape == (40, 3, 2)


def _squares(number: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.float64]]:
    """Noise with one coloured square of 24 of 64 px somewhere: images, labels, and left and top of the squares in pixels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(60, 190, (number, 3, 64, 64)).astype(np.uint8)
    labels = np.zeros((number, 3), np.int8)
    corners = rng.integers(0, 41, (number, 2))
    for row, (left, top) in enumerate(corners):
        colour = int(rng.integers(3))
        labels[row, colour] = 1
        images[row, :, top : top + 24, left : left + 24] = 20
        images[row, colour, top : top + 24, left : left + 24] = 240
    return images, labels, corners.astype(float)


def test_the_most_probable_place_is_the_object() -> None:
    """Of 100 squares it hits at least 60; a place at random hits one in seven (on average 2.25 of 16 middles are inside)."""
    images, labels, _ = _squares(240, 0)
    space = LabelSpace([OneOf("colour", ["red", "green", "blue"])])
    model = ll.LatentLabels(space, encoder="tiny", regions=True, epochs=8, batch_size=24, augment=False, accelerator="cpu")
    model.fit(images, labels)
    images, labels, corners = _squares(100, 1)
    posterior = model.posterior(images)
    assert (posterior.marginals.argmax(1) == labels.argmax(1)).mean() > 0.9
    heat = np.stack([posterior.where(label) for label in space.labels])[labels.argmax(1), np.arange(100)]
    assert heat.shape == (100, 4, 4)
    row, column = np.divmod(heat.reshape(100, -1).argmax(1), 4)
    middle = np.stack([column, row], 1) * 16 + 8
    hits = ((middle >= corners) & (middle <= corners + 24)).all(1)
    assert hits.sum() >= 60
    other = heat[:, :, ::-1].reshape(100, -1).argmax(1)  # mirrored: it would point elsewhere
    mirrored = np.stack([other % 4, other // 4], 1) * 16 + 8
    assert ((mirrored >= corners) & (mirrored <= corners + 24)).all(1).sum() < 40
