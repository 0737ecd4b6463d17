"""Numbers of an annotation are learned from complete images: recovered, with intervals that hold, or refused."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from numpy.typing import NDArray
from pyro import poutine
from scipy import stats

import latentlabels.annotation as ann
from latentlabels import ConfigError
from latentlabels.annotation.learned import COVERS, Learned
from latentlabels.annotation.learning import WIDTH, AnnotationModel, KnownShares, fit_laplace, learn
from latentlabels.observed.known_table import table_of
from latentlabels.space import LabelSpace, OneOf

FREE = LabelSpace.free([f"l{k}" for k in range(8)])
Table = NDArray[np.int8]


def images(number: int, rng: np.random.Generator, size: int = 8) -> Table:
    """Label sets of correlated labels, from frequent ones to rare ones; none is empty."""
    base = np.linspace(1.0, -1.5, size)
    y = (base + rng.normal(size=(number, 1)) + rng.logistic(size=(number, size)) > 0).astype(np.int8)
    y[np.arange(number), rng.integers(size, size=number)] = 1
    return y


def picked(y: Table, weights: NDArray[np.float64], rng: np.random.Generator) -> Table:
    """One present label of each, in proportion to the weights."""
    share = y * weights / (y * weights).sum(1, keepdims=True)
    column = (share.cumsum(1) > rng.random((len(y), 1))).argmax(1)
    out = np.full(y.shape, -1, np.int8)
    out[np.arange(len(y)), column] = 1
    return out


def table(seed: int, kind: str, num_complete: int, number: int = 3000) -> tuple[Table, NDArray[np.float64]]:
    """Known labels of `number` images and `num_complete` complete ones, and the numbers by which they became known."""
    rng = np.random.default_rng(seed)
    y, complete = images(number, rng), images(num_complete, rng)
    if kind == "weighted-positive":
        true = np.exp(WIDTH * rng.normal(size=8))
        known = picked(y, true, rng)
    elif kind == "per-label-search":
        true = np.exp(WIDTH * rng.normal(size=8))
        y, complete = (some[rng.random(len(some)) < (some * true).sum(1) / true.sum()] for some in (y, complete))
        known = picked(y, true, rng)
    else:
        true = 1 / (1 + np.exp(-WIDTH * rng.normal(size=8)))
        known = np.where((y == 1) & (rng.random(y.shape) < true), 1, -1).astype(np.int8)
    return np.concatenate([known, complete]), true


MAKE = {
    "weighted-positive": lambda: ann.WeightedPositive("learn"),
    "per-label-search": lambda: ann.PerLabelSearch("learn"),
    "scar": lambda: ann.Scar("learn"),
}


def learned(kind: str, values: Table) -> Learned:
    found = learn(MAKE[kind](), table_of(values), FREE).learned
    return next(iter(found.values()))


@pytest.mark.parametrize("kind", MAKE)
def test_intervals_hold_the_numbers_as_often_as_they_say(kind: str) -> None:
    """Over draws of images, picks and numbers from their prior; labels of one draw depend on each other."""
    inside = []
    for seed in range(30):
        values, true = table(seed, kind, 150)
        found = learned(kind, values)
        if kind != "scar":
            true = true / np.exp(np.log(true).mean())
        inside.append(np.mean((np.array(found.low) <= true) & (true <= np.array(found.high))))
    error = np.std(inside, ddof=1) / np.sqrt(len(inside))
    assert np.mean(inside) > COVERS - 4 * error - 0.02  # Laplace's approximation, and n' images
    assert np.mean(inside) < 0.99  # averaging over widths makes them wider, not useless


def test_weights_that_are_alike_are_found_to_be() -> None:
    """Learning what need not be learned costs little."""
    rng = np.random.default_rng(0)
    y, complete = images(3000, rng), images(100, rng)
    found = learned("weighted-positive", np.concatenate([picked(y, np.ones(8), rng), complete]))
    assert np.abs(np.log(found.estimate)).max() < 0.25 and found.factor < 1.7


@pytest.mark.parametrize("kind", MAKE)
def test_many_images_give_the_numbers(kind: str) -> None:
    values, true = table(3, kind, 6000, 20_000)
    found = learned(kind, values)
    if kind != "scar":
        true = true / np.exp(np.log(true).mean())
    np.testing.assert_allclose(np.log(found.estimate), np.log(true), atol=0.25)
    assert found.factor < learned(kind, table(3, kind, 100)[0]).factor


def test_the_mode_is_that_of_a_grid() -> None:
    """Two labels: the posterior of log w1 - log w2 has one dimension that matters, by quadrature."""
    space, rng = LabelSpace.free("ab"), np.random.default_rng(0)
    y = np.array([[1, 1]] * 20 + [[1, 0]] * 15 + [[0, 1]] * 25, np.int8)
    known = picked(np.repeat(y, 10, 0), np.array([3.0, 1.0]), rng)
    values = np.concatenate([known, y])
    annotation = ann.WeightedPositive("learn")
    model = AnnotationModel(annotation, KnownShares.of(table_of(values), space, annotation))
    counts = (known == 1).sum(0)

    def log_posterior(gap: float) -> float:
        share = (15 + 20 / (1 + np.exp(-gap)) + 0.5) / 61
        data = model.effective * (counts[0] * np.log(share) + counts[1] * np.log1p(-share)) / counts.sum()
        return float(data - gap**2 / (4 * WIDTH**2))  # log w1 - log w2 has twice the variance of one

    grid = np.linspace(-4, 6, 20_001)
    value = np.array([log_posterior(gap) for gap in grid])
    mode, covariance, _ = fit_laplace(model)
    assert float(mode[0] - mode[1]) == pytest.approx(grid[value.argmax()], abs=1e-3)
    best = float(mode[0] - mode[1])
    curvature = -(log_posterior(best + 0.01) - 2 * log_posterior(best) + log_posterior(best - 0.01)) / 1e-4
    laplace = np.sqrt(float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]))
    assert laplace == pytest.approx(curvature**-0.5, rel=1e-3)


def test_its_sites_are_a_program_that_pyro_runs() -> None:
    values, _ = table(0, "scar", 50, 200)
    annotation = ann.Scar("learn")
    model = AnnotationModel(annotation, KnownShares.of(table_of(values), FREE, annotation))
    trace = poutine.trace(model).get_trace()
    latent = {
        name: site["value"].numel()
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site["is_observed"]
    }
    assert latent == model.sites == {"logit_rate": 1, "logit_rates": 8, "logit_prevalence": 8}
    pyro.set_rng_seed(0)
    kernel = pyro.infer.NUTS(model, jit_compile=False)
    mcmc = pyro.infer.MCMC(kernel, num_samples=200, warmup_steps=100, disable_progbar=True)
    mcmc.run()
    draws = mcmc.get_samples()["logit_rates"]
    mode, covariance, _ = fit_laplace(model)
    z = (draws.mean(0) - mode[1:9]) / covariance.diagonal()[1:9].sqrt()
    assert float(z.abs().max()) < 1.0  # the mean is not the mode, but no deviation away


def test_mistakes_are_estimated() -> None:
    rng = np.random.default_rng(1)
    y, complete = images(20_000, rng), images(3000, rng)
    known = picked(np.where(rng.random((len(y), 1)) < 0.2, 1, y).astype(np.int8), np.ones(8), rng)
    found = learn(ann.UniformPositive(noise="learn"), table_of(np.concatenate([known, complete])), FREE)
    noise = found.learned["noise"]
    assert noise.low[0] < 0.2 < noise.high[0] and noise.high[0] - noise.low[0] < 0.15
    assert found.noise == noise.estimate[0]


GROUPS = LabelSpace([OneOf("colour", ["blue", "red"]), OneOf("shape", ["round", "square", "long"])])


@pytest.mark.parametrize(("annotation", "parameter"), [(MAKE["weighted-positive"](), "weights"), (MAKE["scar"](), "rates")])
def test_exhaustive_groups_tell_how_readily_each_of_them_is_named(annotation: ann.Annotation, parameter: str) -> None:
    rng = np.random.default_rng(0)
    y = np.zeros((4000, 5), np.int8)
    y[np.arange(4000), rng.integers(2, size=4000)] = 1
    y[np.arange(4000), 2 + rng.integers(3, size=4000)] = 1
    true = np.array([0.6, 0.6, 0.2, 0.2, 0.2])
    if parameter == "weights":
        known = picked(y, true, rng)
    else:
        known = np.where((y == 1) & (rng.random(y.shape) < true), 1, -1).astype(np.int8)
    found = learn(annotation, table_of(known), GROUPS).learned[parameter]
    assert found.groups == ("colour", "shape") and found.num_complete == 0
    own = np.array(found.estimate)
    assert own[0] == own[1] and own[2] == own[4]
    if parameter == "weights":
        assert own[0] / own[2] == pytest.approx(3, rel=0.1)
    else:
        np.testing.assert_allclose(own, true, rtol=0.1)


@pytest.mark.parametrize(
    ("annotation", "values", "message"),
    [
        (ann.WeightedPositive("learn"), [[1, -1], [-1, 1]], r"annotation\.weights: learn: .*no complete image.*no group is"),
        (ann.PerLabelSearch("learn"), [[1, -1], [-1, 1]], "sample-complete"),
        (ann.Scar("learn"), [[1, -1], [-1, 1]], r"annotation\.rates: learn: .*or state the numbers"),
        (ann.UniformPositive(noise="learn"), [[1, -1], [-1, 1]], r"annotation\.noise: learn"),
        (ann.WeightedPositive("learn"), [[1, -1], [0, 0], [0, 0]], "none of the 2 complete images shows a label"),
        (ann.WeightedPositive("learn"), [[1, 0], [0, 1]], "only complete images have known labels"),
        (ann.WeightedPositive("learn", noise="learn"), [[1, -1], [0, 1]], "cannot both be learned"),
    ],
)
def test_what_nothing_identifies_is_refused(annotation: ann.Annotation, values: list[list[int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        learn(annotation, table_of(np.array(values, np.int8)), LabelSpace.free("ab"))


def test_a_label_that_no_complete_image_shows_keeps_to_its_prior() -> None:
    rng = np.random.default_rng(2)
    y, complete = images(3000, rng), images(80, rng)
    complete[:, 7] = 0
    complete[complete.sum(1) == 0, 0] = 1
    weights = np.exp(WIDTH * rng.normal(size=8))
    found = learned("weighted-positive", np.concatenate([picked(y, weights, rng), complete]))
    wide = np.array(found.high) / np.array(found.low)
    assert wide[7] == wide.max() > 2 * np.sort(wide)[-2]
    assert np.isfinite(found.estimate).all() and max(found.estimate) < np.exp(3 * WIDTH)


@pytest.mark.parametrize(
    "annotation", [ann.WeightedPositive("learn"), ann.Scar("learn"), ann.UniformPositive(noise="learn")], ids=repr
)
def test_nothing_is_summed_before_the_numbers_are_known(annotation: ann.Annotation) -> None:
    observed, y = torch.tensor([1, -1], dtype=torch.int8), torch.ones(2)
    for call in (
        lambda: annotation.log_prob(observed, y),
        lambda: annotation.sample(y),
        lambda: annotation.evidence(observed, lambda: None, torch.float32),  # type: ignore[arg-type, return-value]
    ):
        with pytest.raises(ConfigError, match=r"must learn its (weights|rates|noise) first"):
            call()
    again = ann.from_config(annotation.to_config(), LabelSpace.free("ab"))
    assert again == annotation and again.learns == annotation.learns


def test_learned_numbers_are_stored_as_they_are() -> None:
    found = learned("scar", table(0, "scar", 30, 100)[0])
    assert Learned.from_dict(found.to_dict()) == found
    assert stats.norm.cdf(1.6449) == pytest.approx((1 + COVERS) / 2, abs=1e-4)
