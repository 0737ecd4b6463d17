"""The prediction without the image against enumeration and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import oracle
import pytest
import torch

from latentlabels.annotation import Ignorable, Scar, UniformPositive
from latentlabels.checks.prevalence_baseline import (
    chance_of_ranking,
    expected_precision,
    known_log_likelihood,
    prevalence_prediction,
    without_image,
)
from latentlabels.metrics import map_known
from latentlabels.program.starting_point import derive_prior
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), OneOf("vehicle", ["car", "bike"], optional=True), Free("striped")])
PREVALENCE = np.array([0.6, 0.4, 0.3, 0.2, 0.25])


def _truth(number: int, seed: int = 0) -> np.ndarray:
    q = prevalence_prediction(SPACE, PREVALENCE)
    torch.manual_seed(seed)
    return q.sample((number,)).numpy().astype(np.int8)


def test_its_marginals_are_the_prevalences() -> None:
    np.testing.assert_allclose(prevalence_prediction(SPACE, PREVALENCE).marginals.numpy(), PREVALENCE, atol=1e-6)


def test_metrics_are_those_of_a_constant() -> None:
    space = LabelSpace.free("abc")
    p = np.array([0.5, 0.2, 0.1])
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]], np.int8)
    found = without_image(truth, space, p)
    table = {y: math.prod(q if on else 1 - q for q, on in zip(p, y, strict=True)) for y in itertools.product((0, 1), repeat=3)}
    assert sum(table.values()) == pytest.approx(1)
    assert found.nll == pytest.approx(-np.mean([math.log(table[tuple(y)]) for y in truth.tolist()]))
    assert found.brier == pytest.approx(np.mean((truth - p) ** 2))
    assert found.map == pytest.approx(truth.mean(0).mean())  # all scores equal: precision is prevalence
    assert found.count_error == pytest.approx(np.abs(truth.sum(1) - 0.8).mean())


def test_the_empty_set_may_count_little() -> None:
    q = prevalence_prediction(LabelSpace.free("ab"), [0.5, 0.5], nonempty=True)
    weights = torch.tensor([0.05, 1.0, 1.0, 1.0], dtype=torch.float64) / 4
    y = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    torch.testing.assert_close(q.expand([4]).log_prob(y).exp(), weights / weights.sum(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("how", [Ignorable(), Scar(0.4), UniformPositive()], ids=lambda how: how.kind)
def test_known_labels_by_enumeration(how: object) -> None:
    truth = torch.from_numpy(_truth(60)).float()
    torch.manual_seed(1)
    observed = how.sample(truth).numpy()  # type: ignore[attr-defined]
    observed[::7] = -1
    observed[3::5, 0] = np.where(truth[3::5, 0] == 0, 0, observed[3::5, 0])  # some known absences: no shares to compare with
    held = np.arange(0, 60, 2)
    anchor = derive_prior(SPACE, observed, how)  # type: ignore[arg-type]
    found = known_log_likelihood(observed, held, SPACE, how, anchor)  # type: ignore[arg-type]
    assert found is not None
    kept = [row for row in held if (observed[row] != -1).any()]
    prior = oracle.table(SPACE, prevalence_prediction(SPACE, anchor.prevalence).logits[0])
    values = [float(oracle.condition(prior, torch.from_numpy(observed[row]), how)[0]) for row in kept]  # type: ignore[arg-type]
    assert found.num_images == len(kept)
    assert found.log_likelihood == pytest.approx(float(np.mean(values)), abs=1e-6)


def test_shares_of_known_labels_are_the_best_that_is_the_same_for_every_image() -> None:
    space = LabelSpace.free("abc")
    observed = np.full((90, 3), -1, np.int8)
    observed[np.arange(90), np.repeat([0, 1, 2], [60, 20, 10])] = 1
    held = np.arange(0, 90, 3)
    found = known_log_likelihood(observed, held, space, UniformPositive(), derive_prior(space, observed, UniformPositive()))
    assert found is not None
    trained = np.delete(observed, held, 0)
    shares = ((trained == 1).sum(0) + 0.5) / ((trained == 1).sum(0) + 0.5).sum()
    best = float((np.log(shares) * (observed[held] == 1).sum(0)).sum() / len(held))
    assert found.log_likelihood == pytest.approx(best)
    nothing = np.full((90, 3), -1, np.int8)
    nothing[1] = observed[1]
    anchor = derive_prior(space, nothing, UniformPositive())
    assert known_log_likelihood(nothing, held, space, UniformPositive(), anchor) is None


@pytest.mark.parametrize(("positives", "total"), [(1, 1), (1, 4), (2, 5), (3, 6), (6, 6)])
def test_expected_precision_is_the_mean_over_all_orders(positives: int, total: int) -> None:
    values = []
    for ranks in itertools.combinations(range(1, total + 1), positives):
        values.append(np.mean([(number + 1) / rank for number, rank in enumerate(ranks)]))
    assert expected_precision(positives, total) == pytest.approx(float(np.mean(values)))


def test_rankings_by_chance_are_those_of_map_known() -> None:
    rng = np.random.default_rng(0)
    observed = np.full((40, 6), -1, np.int8)
    observed[np.arange(40), rng.choice(6, 40, p=[0.4, 0.3, 0.1, 0.1, 0.1, 0.0])] = 1
    found = chance_of_ranking(observed)
    assert found is not None
    mean, largest = found
    drawn = [map_known(observed, rng.random((40, 6))) for _ in range(300)]
    assert mean == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / math.sqrt(300))
    assert np.mean(np.array(drawn) > largest) <= 0.01  # 0.001 expected; more than 3 of 300 with probability 4e-4
    assert chance_of_ranking(np.full((4, 2), -1)) is None
