"""Possible mistakes from end to end on small embeddings: planted ones are found, and what cannot be judged is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from latentlabels import ConfigError, DataError, Free, LabelSpace, LatentLabels, Observed, OneOf, find_mistakes
from latentlabels.annotation import Ignorable
from latentlabels.estimator.cross_fitting import CrossFit, cross_fitted
from latentlabels.review import read_mistakes, to_frame, write_mistakes, write_table
from latentlabels.review.judging import own_errors

SPACE = LabelSpace(
    [OneOf("colour", ["blue", "red", "green"]), OneOf("vehicle", ["car", "bike", "bus"], optional=True), Free("striped")]
)


class Toy(NamedTuple):
    x: NDArray[np.float32]
    truth: NDArray[np.int8]
    observed: NDArray[np.int8]
    wrong: NDArray[np.bool_]


def toy(size: int, seed: int, mistakes: int = 0) -> Toy:
    """Embeddings that show their labels plainly; one known label each, some of them wrong."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((size, 7), np.int8)
    truth[np.arange(size), rng.integers(3, size=size)] = 1
    vehicle = rng.integers(4, size=size)
    truth[vehicle < 3, 3 + vehicle[vehicle < 3]] = 1
    truth[:, 6] = rng.random(size) < 0.3
    x = truth @ rng.normal(size=(7, 16)) + 0.15 * rng.normal(size=(size, 16))
    observed = np.full_like(truth, -1)
    for row in range(size):
        observed[row, rng.choice(np.flatnonzero(truth[row]))] = 1
    chosen = rng.choice(size, mistakes, replace=False)
    for row in chosen:
        observed[row] = -1
        observed[row, rng.choice(np.flatnonzero(truth[row] == 0))] = 1
    wrong = np.zeros(size, bool)
    wrong[chosen] = True
    return Toy(x.astype(np.float32), truth, observed, wrong)


def settings(**more: object) -> dict[str, object]:
    return {"encoder": "embedding", "learning_rate": 0.03, "epochs": 60, "batch_size": 128, "seed": 0, **more}


@pytest.fixture(scope="module")
def data() -> Toy:
    return toy(600, 0, 30)


@pytest.fixture(scope="module")
def model(data: Toy) -> LatentLabels:
    return LatentLabels(SPACE, **settings()).fit(data.x, data.observed)  # type: ignore[arg-type]


def test_planted_mistakes_are_found(data: Toy, model: LatentLabels) -> None:
    before = model.predict_proba(data.x)
    found = find_mistakes(model, data.x, data.observed)
    first = [one.row for one in found.rows[:30]]
    assert data.wrong[first].mean() >= 0.9
    assert found.low <= 30 <= found.high
    assert found.high - found.low < 25
    assert (found.num_known, found.num_judged, found.folds) == (600, 600, 2)
    for one in found.rows[:20]:
        assert data.observed[one.row, SPACE.index(one.label)] == one.value == 1
        assert one.instead_probability <= one.probability
    np.testing.assert_array_equal(model.predict_proba(data.x), before)


def test_expected_number_is_the_sum_of_the_probabilities(data: Toy, model: LatentLabels) -> None:
    found = find_mistakes(model, data.x, data.observed, at_least=0.0)
    assert len(found.rows) == 600
    assert sum(one.probability for one in found.rows) == pytest.approx(found.expected)
    assert [one.probability for one in found.rows] == sorted((one.probability for one in found.rows), reverse=True)


def test_rivals_are_true(data: Toy, model: LatentLabels) -> None:
    """Of a wrong label what is instead is in the image: another label of its group, or none of it."""
    found = [one for one in find_mistakes(model, data.x, data.observed).rows[:30] if data.wrong[one.row]]
    right = 0
    for one in found:
        group = SPACE.group_of(one.label)
        shown = [label for label in group.labels if data.truth[one.row, SPACE.index(label)]]
        right += one.instead == (shown[0] if shown else None if isinstance(group, Free) else "none")
    assert right >= 0.9 * len(found)


def test_each_part_is_predicted_by_a_fit_to_the_others(data: Toy, model: LatentLabels) -> None:
    crossed = cross_fitted(model.fitted_, data.x, data.observed, folds=3)
    (fold,) = crossed.fold
    assert np.bincount(fold).tolist() == pytest.approx([200] * 3, abs=2)
    train, left = fold != 1, fold == 1
    at_least_one = model.fitted_.head.nonempty
    alone = LatentLabels(SPACE, **settings(at_least_one=at_least_one)).fit(data.x[train], data.observed[train])  # type: ignore[arg-type]
    np.testing.assert_allclose(crossed.posterior.marginals[left], alone.predict_proba(data.x[left]), atol=1e-6)
    posterior = model.cross_posterior(data.x, data.observed, folds=3)
    np.testing.assert_array_equal(posterior.marginals, crossed.posterior.marginals)


def test_repeats_are_mixed_in_equal_parts(data: Toy, model: LatentLabels) -> None:
    """With other parts each time, and the first as without repeats."""
    x, observed = data.x[:200], data.observed[:200]
    once = cross_fitted(model.fitted_, x, observed)
    both = cross_fitted(model.fitted_, x, observed, repeats=2)
    assert (both.repeats, both.folds, once.repeats) == (2, 2, 1)
    np.testing.assert_array_equal(both.fold[0], once.fold[0])
    assert (both.fold[1] != both.fold[0]).any()
    assert (both.fold[1] == both.fold[0]).any()
    second = replace(model.fitted_, params=model.fitted_.params | {"seed": 1000})
    other = cross_fitted(second, x, observed)
    np.testing.assert_array_equal(both.fold[1], other.fold[0])
    mean = (once.posterior.marginals + other.posterior.marginals) / 2
    np.testing.assert_allclose(both.posterior.marginals, mean, atol=1e-6)
    np.testing.assert_array_equal(both.first.logits, once.posterior.distribution.logits)
    found = find_mistakes(model, x, observed, repeats=2)
    assert (found.repeats, found.folds) == (2, 2)


def test_errors_of_the_fits_are_extrapolated_from_one_repeat(data: Toy, model: LatentLabels) -> None:
    x, observed = data.x[:200], data.observed[:200]
    expected = [find_mistakes(model, x, observed, repeats=number).expected for number in (1, 3)]
    crossed = cross_fitted(model.fitted_, x, observed, repeats=3, noise=0.03)
    assert own_errors(crossed, observed, expected[1]) == pytest.approx(abs(expected[0] - expected[1]) / 2)
    once = cross_fitted(model.fitted_, x, observed, noise=0.03)
    assert own_errors(once, observed, expected[0]) == 0


def test_a_label_is_judged_only_where_every_fit_was_taught_it() -> None:
    fold, taught = np.array([[0, 1], [1, 0]]), np.ones((2, 2, 3), bool)
    taught[0, 1, 2] = taught[1, 1, 0] = False
    crossed = CrossFit(None, fold, None, None, Ignorable(), taught)  # type: ignore[arg-type]
    np.testing.assert_array_equal(crossed.all_taught, [[False, True, True], [True, True, False]])


def test_noise_is_never_remembered() -> None:
    """Embeddings that say nothing: a fit remembers their labels, a fit that has not seen them cannot."""
    rng = np.random.default_rng(0)
    x, observed = rng.normal(size=(60, 300)).astype(np.float32), np.full((60, 4), -1, np.int8)
    observed[np.arange(60), rng.integers(4, size=60)] = 1
    column = observed.argmax(1)
    model = LatentLabels(LabelSpace([OneOf("kind", list("abcd"))]), **settings(stop="none")).fit(x, observed)  # type: ignore[arg-type]
    inside = model.predict_proba(x)[np.arange(60), column]
    outside = model.cross_posterior(x, observed).marginals[np.arange(60), column]
    assert inside.mean() > 0.9
    assert outside.mean() < 0.5


def test_images_that_belong_together_are_in_one_part(data: Toy, model: LatentLabels) -> None:
    together = np.arange(600) // 3
    (fold,) = cross_fitted(model.fitted_, data.x, data.observed, together=together).fold
    assert all(len(set(fold[together == group])) == 1 for group in range(200))


@pytest.mark.filterwarnings("ignore:1 label has fewer than 5:latentlabels.DataWarning")  # that is the case
def test_a_label_of_one_part_is_not_judged() -> None:
    data = toy(120, 1)
    observed = data.observed.copy()
    rows = np.flatnonzero(observed[:, 6] == 1)
    observed[rows[1:], 6] = -1  # one image is left that is known to be striped
    observed[rows[1:]] = np.where(data.truth[rows[1:]] * (np.arange(7) < 3) == 1, 1, -1)
    observed[rows[0], 3] = 0 if not data.truth[rows[0], 3] else -1
    model = LatentLabels(SPACE, **settings(epochs=10)).fit(data.x, observed)  # type: ignore[arg-type]
    found = find_mistakes(model, data.x, observed, at_least=0.0)
    assert found.num_known - found.num_judged == 1
    assert not [one for one in found.rows if one.label == "striped"]


def test_known_absences_are_judged() -> None:
    data = toy(500, 2)
    observed = np.where(np.random.default_rng(0).random(data.truth.shape) < 0.4, data.truth, -1).astype(np.int8)
    observed[:, 0] = data.truth[:, 0]
    flipped = np.arange(0, 500, 25)
    observed[flipped, 0] = 1 - observed[flipped, 0]
    for row in flipped:  # nothing else is known of these, so that they contradict nothing
        observed[row, 1:] = -1
    model = LatentLabels(SPACE, Ignorable(), **settings()).fit(data.x, observed)  # type: ignore[arg-type]
    found = find_mistakes(model, data.x, observed)
    first = found.rows[:20]
    assert sum(one.row in flipped and one.label == "blue" for one in first) >= 18
    assert {one.value for one in first} == {0, 1}
    assert all(one.instead == "blue" for one in first if one.value == 0 and one.label == "blue")


def test_nothing_known_and_too_few(data: Toy, model: LatentLabels) -> None:
    with pytest.raises(DataError, match="no label of these images is known"):
        find_mistakes(model, data.x[:20], np.full((20, 7), -1, np.int8))
    with pytest.raises(DataError, match="observed is missing"):
        find_mistakes(model, data.x)
    with pytest.raises(ConfigError, match="at_least is nan"):
        find_mistakes(model, data.x, data.observed, at_least=float("nan"))
    with pytest.raises(ConfigError, match="folds is None"):
        find_mistakes(model, data.x, data.observed, folds=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"model is 'run', not a LatentLabels; .* LatentLabels.load"):
        find_mistakes("run", data.x, data.observed)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="30 folds .* or fewer folds"):
        find_mistakes(model, data.x[:12], data.observed[:12], folds=30)
    with pytest.raises(ConfigError, match="repeats is 0"):
        model.cross_posterior(data.x, data.observed, repeats=0)
    with pytest.raises(ConfigError, match="folds is 1"):
        model.cross_posterior(data.x, data.observed, folds=1)
    one = np.full((4, 7), -1, np.int8)
    one[0, 0] = 1
    with pytest.raises(DataError, match="4 images cannot be parted into 2 folds"):
        find_mistakes(model, data.x[:4], one)
    with pytest.raises(NotFittedError):
        find_mistakes(LatentLabels(SPACE, **settings()), data.x, data.observed)  # type: ignore[arg-type]


def test_what_a_run_keeps(data: Toy, model: LatentLabels, tmp_path: Path) -> None:
    run = model.save(tmp_path / "run")
    assert read_mistakes(run) is None
    names = [f"image {row}" for row in range(600)]
    found = find_mistakes(model, data.x, Observed.from_array(data.observed, SPACE, images=names))
    write_mistakes(run, found)
    assert read_mistakes(run) == found
    assert found.rows[0].image == f"image {found.rows[0].row}"
    frame = to_frame(found)
    assert len(frame) == len(found.rows)
    assert frame.probability_wrong.is_monotonic_decreasing
    lines = write_table(tmp_path / "m.csv", found).read_text().splitlines()
    assert lines[0] == "image,label,known,probability_wrong,instead,instead_probability"
    assert lines[1].startswith(f"image {found.rows[0].row},{found.rows[0].label},present,")
    other = LatentLabels(SPACE, **settings(epochs=1)).fit(data.x, data.observed)  # type: ignore[arg-type]
    other.save(run)
    assert read_mistakes(run) is None  # they are of other weights
    model.save(run)
    (run / "mistakes.npz").write_bytes(b"PK" + bytes(20))
    with pytest.raises(DataError, match="mistakes"):
        read_mistakes(run)


def test_vectors_that_say_nothing_cannot_tell() -> None:
    rng = np.random.default_rng(3)
    x, observed = rng.normal(size=(120, 40)).astype(np.float32), np.full((120, 4), -1, np.int8)
    observed[np.arange(120), rng.integers(4, size=120)] = 1
    model = LatentLabels(LabelSpace([OneOf("kind", list("abcd"))]), **settings(stop="none")).fit(x, observed)  # type: ignore[arg-type]
    found = find_mistakes(model, x, observed)
    assert not found.can_tell
    assert (found.low, found.high) == (0, 120)


def test_runs_again_alike(data: Toy, model: LatentLabels) -> None:
    torch.manual_seed(1)
    first = find_mistakes(model, data.x[:200], data.observed[:200])
    torch.manual_seed(2)
    assert find_mistakes(model, data.x[:200], data.observed[:200]) == first
