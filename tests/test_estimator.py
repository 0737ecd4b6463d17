"""`LatentLabels` in scikit-learn's manners, on every kind of input, and its posteriors against sums by hand."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch
from conftest import MIXED, draw
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch.utils.data import Dataset

import latentlabels as ll
from latentlabels.config import FitConfig, ModelConfig
from latentlabels.distributions.nonempty import EMPTY_ODDS
from latentlabels.errors import AnchorWarning, ConfigError, DataError, DataWarning, LabelSpaceError, ObservationError, RunError
from latentlabels.fitting.run_folder import write_manifest
from latentlabels.inputs import PixelFormat
from latentlabels.objectives import OBJECTIVES


@pytest.fixture(scope="module")
def fitted(mixed) -> ll.LatentLabels:
    return ll.LatentLabels(MIXED, encoder="embedding", epochs=8, learning_rate=0.02).fit(mixed.inputs, mixed.observed)


# --- manners ------------------------------------------------------------------------------------------------


def test_every_key_of_the_config_is_an_argument():
    keys = ll.LatentLabels().get_params()
    for section in (ModelConfig, FitConfig):
        for name, field in section.model_fields.items():
            assert name in keys
            assert keys[name] == field.get_default()


def test_a_clone_has_the_parameters_and_nothing_learned(fitted, mixed):
    copy = clone(fitted)
    assert copy.get_params()["learning_rate"] == 0.02
    with pytest.raises(NotFittedError, match="call fit"):
        copy.predict_proba(mixed.inputs)


def test_set_params_and_repr(fitted):
    copy = clone(fitted).set_params(epochs=3)
    assert copy.epochs == 3 and "epochs=3" in repr(copy)


def test_fit_gives_itself_and_the_pyro_program(fitted):
    from latentlabels.program import CollapsedELBO, LabelGuide, LabelModel

    assert isinstance(fitted.model, LabelModel) and isinstance(fitted.guide, LabelGuide)
    assert isinstance(fitted.elbo, CollapsedELBO)


def test_a_loop_of_one_s_own_with_svi(mixed):
    pyro.clear_param_store()
    m = ll.LatentLabels(MIXED, encoder="embedding").prepare(mixed.inputs, mixed.observed)
    svi = pyro.infer.SVI(m.model, m.guide, pyro.optim.Adam({"lr": 0.02}), loss=m.elbo)
    x, o = torch.from_numpy(mixed.inputs), torch.from_numpy(mixed.observed)
    losses = [svi.step(x, o) for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]
    assert m.posterior(mixed.inputs).log_prob(mixed.truth).mean() > -3


# --- kinds of input -----------------------------------------------------------------------------------------


def pictures(count: int, size: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Images that are red or blue, bright or dark, and one known label each."""
    rng = np.random.default_rng(0)
    truth = np.zeros((count, 3), np.int8)
    red = rng.random(count) < 0.5
    truth[np.arange(count), np.where(red, 0, 1)] = 1
    truth[:, 2] = rng.random(count) < 0.5
    images = np.zeros((count, 3, size, size), np.uint8)
    for row in range(count):
        images[row, 0 if red[row] else 2] = 165 if truth[row, 2] else 60
    return images + rng.integers(0, 90, images.shape, np.uint8), truth  # no two are equal


SPACE = ll.LabelSpace([ll.OneOf("colour", ["red", "blue"]), ll.Free("bright")])


def one_known(truth: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    observed = np.full(truth.shape, -1, np.int8)
    observed[np.arange(len(truth)), (truth * rng.random(truth.shape)).argmax(1)] = 1
    return observed


class Pictures(Dataset):
    def __init__(self, images: np.ndarray):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int):
        return torch.from_numpy(self.images[row]).float() / 255, "what else a dataset gives"


@pytest.mark.parametrize("kind", ["uint8", "float", "channels-last", "dataset", "frozen"])
def test_images_of_every_kind(kind: str):
    images, truth = pictures(120)
    given = {
        "uint8": images,
        "float": images.astype(np.float32) / 255,
        "channels-last": images.transpose(0, 2, 3, 1),
        "dataset": Pictures(images),
        "frozen": images,
    }[kind]
    m = ll.LatentLabels(SPACE, encoder="tiny", epochs=6, batch_size=16, learning_rate=3e-3, frozen=kind == "frozen", patience=9)
    if kind == "frozen":
        with pytest.warns(DataWarning, match="random weights and is frozen"):
            m.fit(given, one_known(truth))
    else:
        m.fit(given, one_known(truth))
    found = m.predict_proba(given)
    assert found.shape == (120, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, :2].sum(1), 1, atol=1e-5)
    assert ((found[:, 0] > 0.5) == truth[:, 0]).mean() > 0.95


def test_a_folder_of_folders(tmp_path: Path):
    images, truth = pictures(80)
    observed = one_known(truth)
    for row, column in enumerate(observed.argmax(1)):
        folder = tmp_path / SPACE.labels[column]
        folder.mkdir(exist_ok=True)
        # pixels that differ: equal files would be one image
        Image.fromarray(np.ascontiguousarray(images[row].transpose(1, 2, 0))).resize((20 + row, 24)).save(folder / f"{row}.png")
    (tmp_path / "red" / "broken.png").write_bytes(b"no picture")
    m = ll.LatentLabels(SPACE, encoder="tiny", image_size=24, epochs=3, batch_size=16)
    with pytest.warns(DataWarning, match=r"1 of 81 images cannot be read.*broken\.png"):
        m.fit(tmp_path)
    (tmp_path / "red" / "broken.png").unlink()
    post = m.posterior(tmp_path / "red")
    assert len(post) == sum(observed[:, 0] == 1)
    assert post.to_frame().index.name == "image" and all("red" in name for name in post.images)
    free = ll.LatentLabels(encoder="tiny", image_size=24, epochs=1, batch_size=16)
    free.fit(str(tmp_path))
    assert free.space is None and set(free.space_.labels) == {"red", "blue", "bright"}


def test_an_image_found_twice_is_two_rows_where_images_were_searched_label_by_label(tmp_path: Path):
    images, truth = pictures(40)
    observed = one_known(truth)
    for row, column in enumerate(observed.argmax(1)):
        for label in {SPACE.labels[column], "bright"} if row < 3 else {SPACE.labels[column]}:
            (tmp_path / label).mkdir(exist_ok=True)
            image = Image.fromarray(np.ascontiguousarray(images[row].transpose(1, 2, 0)))
            image.resize((20 + row, 24)).save(tmp_path / label / f"{row}.png")
    twice = len({tuple(path.parts[-1:]) for path in tmp_path.rglob("*.png")})
    m = ll.LatentLabels(SPACE, ll.annotation.PerLabelSearch(), "tiny", image_size=24, epochs=1, batch_size=16)
    m.fit(tmp_path)
    assert m.diagnostics_["num_images"] == len(list(tmp_path.rglob("*.png"))) >= twice == 40


@pytest.mark.parametrize(
    ("images", "observed", "message"),
    [
        (np.zeros((4, 3), np.float32), np.full((5, 8), -1), "4 images, but known labels of 5"),
        (np.zeros((4, 3, 8, 8), np.uint8), np.full((4, 8), -1), r"embeddings \(N, D\), not an array of shape \(4, 3, 8, 8\)"),
        (np.full((4, 3), np.nan, np.float32), np.full((4, 8), -1), "4 of 4 embeddings hold NaN or infinity"),
        (np.zeros((4, 3), np.float32), np.full((4, 7), -1), r"shape \(4, 7\), but the label space has 8 labels"),
        (np.zeros((1, 3), np.float32), np.full((1, 8), -1), "a fit needs at least two images, not 1"),
        ("nowhere", None, r"takes an array of embeddings \(N, D\), not image files"),
    ],
)
def test_what_does_not_fit_is_named(images, observed, message: str):
    with pytest.raises((DataError, ObservationError), match=message):
        ll.LatentLabels(MIXED, encoder="embedding").fit(images, observed)


def test_an_array_without_a_space_has_no_names(mixed):
    with pytest.raises(DataError, match="its labels have no names"):
        ll.LatentLabels(encoder="embedding").fit(mixed.inputs, mixed.observed)


def test_a_table_of_another_space_is_refused(mixed):
    table = ll.Observed.from_array(mixed.observed, MIXED)
    with pytest.raises(ObservationError, match="read the table with this space"):
        ll.LatentLabels(ll.LabelSpace.free("abcdefgh"), encoder="embedding").fit(mixed.inputs, table)


def test_contradictions_are_named(mixed):
    observed = mixed.observed.copy()
    observed[3] = [1, 1, -1, -1, -1, -1, -1, -1]
    with pytest.raises(ObservationError, match=r'3: "blue" and "red" exclude each other \(group "colour"\)'):
        ll.LatentLabels(MIXED, encoder="embedding").fit(mixed.inputs, observed)


# --- objectives ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective_fits_and_answers(objective: str, mixed, tmp_path: Path):
    m = ll.LatentLabels(MIXED, encoder="embedding", objective=objective, epochs=2, learning_rate=0.02)
    m.fit(mixed.inputs, mixed.observed, truth=mixed.truth)
    found = m.predict_proba(mixed.inputs)
    assert found.shape == mixed.truth.shape and np.isfinite(found).all()
    np.testing.assert_array_equal(ll.LatentLabels.load(m.save(tmp_path / "run")).predict_proba(mixed.inputs), found)


def test_a_ceiling_needs_the_truth(mixed):
    with pytest.raises(ConfigError, match="needs complete labels"):
        ll.LatentLabels(MIXED, encoder="embedding", objective="full-labels").fit(mixed.inputs, mixed.observed)


def test_the_generative_side_fits(mixed):
    m = ll.LatentLabels(MIXED, encoder="embedding", beta=0.1, mixture=2, epochs=4, learning_rate=0.02)
    m.fit(mixed.inputs, mixed.observed)
    assert m.posterior(mixed.inputs).log_prob(mixed.truth).mean() > -4
    assert any(name.startswith("prior") for name in m.model.state_dict())


# --- at least one label -------------------------------------------------------------------------------------

FREE = draw(ll.LabelSpace.free("abcd"), 300)
WEIGHTS = [1.0, 2.0, 3.0, 4.0]


def decided(data=FREE, how=None, observed=None, **settings) -> bool:
    m = ll.LatentLabels(data.space, how, encoder="embedding", **settings)
    m.prepare(data.inputs, data.observed if observed is None else observed)
    assert m.model.amortizer.nonempty == (m.model.scale_prior > 0) == m.fitted_.head.nonempty
    assert m.posterior(data.inputs[:2]).distribution.nonempty == m.fitted_.head.nonempty
    return m.fitted_.head.nonempty


def test_it_is_seen_from_the_data_whether_images_have_a_label(mixed):
    kinds = ll.annotation
    for how in (None, kinds.UniformPositive(), kinds.UniformPositive(noise=0.1), kinds.WeightedPositive(WEIGHTS)):
        assert decided(how=how)
        assert not decided(how=how, at_least_one=False)
    for how in (kinds.Scar(0.5), kinds.Ignorable(), kinds.PerLabelSearch(WEIGHTS)):
        assert not decided(how=how)
        assert decided(how=how, at_least_one=True)
    some = FREE.observed.copy()
    some[7] = -1
    assert not decided(observed=some) and decided(observed=some, at_least_one=True)
    some[7, 0] = 0  # an absence says nothing of it
    assert not decided(observed=some)
    assert not decided(mixed) and not decided(mixed, at_least_one=True)  # a colour each: no set is empty
    assert not decided(mixture=2) and not decided(beta=0.1) and not decided(objective="assume-negative")


@pytest.mark.parametrize("setting", [{"mixture": 2}, {"beta": 0.1}, {"objective": "assume-negative"}])
def test_at_least_one_goes_with_the_plain_model(setting):
    with pytest.raises(ConfigError, match="needs objective collapsed, mixture 1 and beta 0.*leave it out"):
        ll.LatentLabels(FREE.space, encoder="embedding", at_least_one=True, **setting).fit(FREE.inputs, FREE.observed)


@pytest.mark.parametrize("one", [None, True, False])
def test_a_run_keeps_what_was_decided(tmp_path: Path, one):
    settings = {"encoder": "embedding", "epochs": 2, "at_least_one": one}
    m = ll.LatentLabels(FREE.space, **settings).fit(FREE.inputs, FREE.observed)
    again = ll.LatentLabels.load(m.save(tmp_path / "run"))
    assert m.at_least_one is one and again.fitted_.head == m.fitted_.head
    assert again.at_least_one is m.fitted_.head.nonempty is (one is not False)
    np.testing.assert_array_equal(again.predict_proba(FREE.inputs), m.predict_proba(FREE.inputs))
    post, other = m.posterior(FREE.inputs), again.posterior(FREE.inputs)
    np.testing.assert_array_equal(post.count_probs(), other.count_probs())
    assert clone(m).at_least_one is one


def test_a_run_of_before_loads_without_the_weight(tmp_path: Path):
    m = ll.LatentLabels(FREE.space, encoder="embedding", epochs=1, at_least_one=False).fit(FREE.inputs, FREE.observed)
    file = m.save(tmp_path / "run") / "config.yaml"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if "at_least_one" not in line))
    write_manifest(tmp_path / "run")
    again = ll.LatentLabels.load(tmp_path / "run")
    assert again.at_least_one is None and not again.fitted_.head.nonempty
    np.testing.assert_array_equal(again.predict_proba(FREE.inputs), m.predict_proba(FREE.inputs))


def test_predictions_hold_at_least_one_label_as_a_rule():
    m = ll.LatentLabels(FREE.space, encoder="embedding", epochs=2).fit(FREE.inputs, FREE.observed)
    post = m.posterior(np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32) * 5)
    none = post.count_probs()[:, 0]
    empty = post.distribution.log_empty.exp().detach().numpy()
    np.testing.assert_allclose(none, EMPTY_ODDS * empty / (1 - (1 - EMPTY_ODDS) * empty), rtol=1e-3, atol=1e-6)
    assert empty.max() > 0.15 and (post.marginals.sum(1) >= 1 - none - 1e-5).all()


@pytest.mark.parametrize("seed", range(3))
def test_it_helps_where_each_image_has_one_of_several_labels(seed: int):
    """Features that leave open which one: "a or b, not both, not none" is what independent labels cannot say."""
    rng = np.random.default_rng(seed)
    truth = np.eye(4, dtype=np.int8)[rng.integers(4, size=1500)]
    inputs = truth @ np.random.default_rng(7).normal(size=(4, 8)) + 1.5 * rng.normal(size=(1500, 8))
    observed, inputs = np.where(truth == 1, 1, -1).astype(np.int8), inputs.astype(np.float32)
    count, log_prob = [], []
    for one in (None, False):
        m = ll.LatentLabels(FREE.space, encoder="embedding", epochs=10, learning_rate=0.01, seed=seed, at_least_one=one)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AnchorWarning)
            m.fit(inputs[:1000], observed[:1000])
        count.append(m.predict_proba(inputs[1000:]).sum(1).mean())
        log_prob.append(m.posterior(inputs[1000:]).log_prob(truth[1000:]).mean())
    assert 1 < count[0] < count[1] - 0.05
    assert log_prob[0] > log_prob[1] + 0.25


# --- posteriors ---------------------------------------------------------------------------------------------


def by_hand(q, keep) -> np.ndarray:
    """Marginals given a condition on label sets, by enumeration."""
    sets = torch.tensor(list(q.space.label_sets()), dtype=torch.float32)
    weights = torch.stack([q.log_prob(y.expand(*q.batch_shape, -1)) for y in sets]).exp().double()
    weights = weights * torch.tensor([bool(keep(y)) for y in sets]).double().unsqueeze(-1)
    return ((weights / weights.sum(0)).T @ sets.double()).numpy()


def test_the_posterior_given_what_a_user_knows(fitted, mixed):
    post = fitted.posterior(mixed.inputs[:7])
    car, striped = MIXED.index("car"), MIXED.index("striped")
    given = post.given(present=["car"], absent=["striped"])
    np.testing.assert_allclose(given.marginals, by_hand(post.distribution, lambda y: y[car] and not y[striped]), atol=1e-5)
    np.testing.assert_allclose(post.marginals, by_hand(post.distribution, lambda y: True), atol=1e-5)
    twice = post.given(present=["car"]).given(absent=["striped"])
    np.testing.assert_allclose(twice.marginals, given.marginals, atol=1e-5)
    assert (given.sample(20)[..., car] == 1).all() and (given.mode()[:, striped] == 0).all()
    np.testing.assert_allclose(given.count_probs().sum(1), 1, atol=1e-5)
    assert (given.entropy() <= post.entropy() + 10).all() and given.entropy().shape == (7,)


def test_the_posterior_under_the_annotation_counts_the_pick(fitted, mixed):
    """Known under a uniform pick, a label tells of fewer other labels than the same label looked up by a user."""
    post = fitted.posterior(mixed.inputs[:50])
    observed = np.full((50, 8), -1, np.int8)
    observed[:, 0] = 1
    picked = fitted.posterior(mixed.inputs[:50], observed).marginals
    looked_up = post.given(present=["blue"]).marginals
    assert picked[:, 1:].sum() < looked_up[:, 1:].sum()
    q, how = post.distribution, ll.annotation.UniformPositive()
    sets = torch.tensor(list(MIXED.label_sets()), dtype=torch.float32)
    o = torch.from_numpy(observed)
    joint = torch.stack([q.log_prob(y.expand(50, -1)) + how.log_prob(o, y.expand(50, -1)) for y in sets]).exp()
    np.testing.assert_allclose(picked, ((joint / joint.sum(0)).T @ sets).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("present", "absent", "error", "message"),
    [
        (["cat"], [], LabelSpaceError, 'no label "cat"; did you mean "car"'),
        (["car"], ["car"], ObservationError, "present and as absent"),
        (["blue", "red"], [], ObservationError, "blue, red: impossible together, because .* exclude each other"),
        (["2-doors"], ["car"], ObservationError, "not car"),
        ("car", [], LabelSpaceError, "lists of labels"),
    ],
)
def test_what_cannot_be_given(fitted, mixed, present, absent, error, message):
    with pytest.raises(error, match=message):
        fitted.posterior(mixed.inputs[:2]).given(present=present, absent=absent)


def test_the_frame_has_images_and_labels(fitted, mixed):
    frame = fitted.posterior(mixed.inputs[:3]).to_frame()
    assert list(frame.columns) == list(MIXED.labels) and list(frame.index) == ["0", "1", "2"]
    groups = fitted.posterior(mixed.inputs[:3]).group_probs()
    np.testing.assert_allclose(groups["colour"], 1, atol=1e-5)


def test_calibration_on_data_from_the_model_itself():
    """Labels and features drawn from one model: probabilities come true at their rates, within 4 standard errors."""
    train, test = draw(MIXED, 6000, seed=3, noise=1.5), draw(MIXED, 4000, seed=4, noise=1.5)
    m = ll.LatentLabels(MIXED, encoder="embedding", epochs=25, learning_rate=0.01, patience=3).fit(train.inputs, train.observed)
    found = m.predict_proba(test.inputs).astype(float)
    for low in np.arange(0, 1, 0.2):
        inside = (found >= low) & (found < low + 0.2)
        # 0.04 for what a linear head and 6,000 single labels leave, beside chance
        error = abs(found[inside].mean() - test.truth[inside].mean())
        assert error < 0.04 + 4 * 0.5 / np.sqrt(inside.sum())


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40)])
def test_files_are_read_at_the_size_of_the_arrays_that_were_fitted(tmp_path: Path, height: int, width: int):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 3, height // 8, width // 8), np.uint8)
    images = coarse.repeat(8, axis=2).repeat(8, axis=3)
    observed = np.full((40, 2), -1, np.int8)
    observed[np.arange(40), rng.integers(2, size=40)] = 1
    m = ll.LatentLabels(ll.LabelSpace.free("ab"), encoder="tiny", epochs=1).fit(images, observed)
    file = tmp_path / "image.png"
    Image.fromarray(images[3].transpose(1, 2, 0)).save(file)
    wanted = m.predict_proba(images[3:4])
    np.testing.assert_allclose(m.predict_proba([file]), wanted, atol=1e-5)
    assert m.get_params()["image_size"] is None  # what the user gave stays
    assert m.fitted_.image_size == (height, width)
    again = ll.LatentLabels.load(m.save(tmp_path / "run"))
    np.testing.assert_allclose(again.predict_proba([file]), wanted, atol=1e-5)
    assert again.image_size == (height if height == width else [height, width])


def test_a_run_of_before_has_the_normalisation_of_before(tmp_path: Path):
    """Version 0.1 took ImageNet's for every network, and did not write it down."""
    images, known = np.random.default_rng(0).integers(0, 256, (12, 3, 64, 64), np.uint8), np.array([[1, -1], [-1, 1]] * 6)
    m = ll.LatentLabels(ll.LabelSpace.free("ab"), encoder="resnet18", epochs=1, batch_size=3).fit(images, known)
    run = m.save(tmp_path / "run")
    about = json.loads((run / "environment.json").read_text())

    def rewrite() -> None:
        (run / "environment.json").write_text(json.dumps(about))
        write_manifest(run)

    assert about["pixels"] == m.fitted_.pixels.to_config()
    found = ll.LatentLabels.load(run)
    np.testing.assert_array_equal(found.predict_proba(images), m.predict_proba(images))
    about["pixels"]["mean"] = [0.5, 0.5, 0.5]  # what a run says is what its encoder does
    rewrite()
    assert np.abs(ll.LatentLabels.load(run).predict_proba(images) - m.predict_proba(images)).max() > 1e-4
    del about["pixels"]
    rewrite()
    old = ll.LatentLabels.load(run)
    assert old.fitted_.pixels == PixelFormat()
    np.testing.assert_array_equal(old.predict_proba(images), m.predict_proba(images))
    about["pixels"] = {"size": [64, 64]}
    rewrite()
    with pytest.raises(RunError, match="do not match"):
        ll.LatentLabels.load(run)


def test_what_is_kept_of_a_fit_survives_the_run_folder(tmp_path: Path, mixed):
    m = ll.LatentLabels(MIXED, encoder="embedding", epochs=2).fit(mixed.inputs, mixed.observed)
    again = ll.LatentLabels.load(m.save(tmp_path / "run"))
    for name in ("space", "annotation", "kind", "head", "num_features", "history", "data_hash", "image_size", "pixels"):
        assert getattr(again.fitted_, name) == getattr(m.fitted_, name), name
    with pytest.raises(DataError, match="the embeddings have 5 numbers each, but the run was fitted on 16"):
        again.predict_proba(np.zeros((2, 5)))
    assert m.names_ == tuple(map(str, range(len(mixed.inputs)))) and again.names_ == ()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("image_size", "32", "at least 8"),
        ("image_size", [32], "at least 8"),
        ("image_size", 0, "at least 8"),
        ("image_size", 4, "at least 8"),
        ("augment", "no", "true, false or strong"),
        ("frozen", "x", "true or false"),
    ],
)
def test_sizes_and_flags_that_mean_nothing_are_refused(key: str, value: object, expected: str) -> None:
    images = np.zeros((6, 3, 16, 16), np.uint8)
    m = ll.LatentLabels(ll.LabelSpace.free("ab"), encoder="tiny", **{key: value})
    with pytest.raises(ll.ConfigError, match=f"{key} is .*{expected}"):
        m.fit(images, np.array([[1, -1], [-1, 1]] * 3))
