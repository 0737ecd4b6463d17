"""CRISP: its risk by loops, the identity behind it, and class priors that come out right on draws of a known mixture."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.errors import ConfigError
from latentlabels.objectives import make
from latentlabels.objectives.class_priors import class_prior
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["l0", "l1", "l2"])
OBSERVED = torch.tensor([[1, -1, -1], [-1, 1, -1], [1, 0, -1], [-1, -1, -1]], dtype=torch.int8)
P = [[0.6, 0.2, 0.5], [0.9, 0.7, 0.4], [0.3, 0.8, 0.1], [0.2, 0.4, 0.1]]
LOGITS = torch.tensor([[math.log(p / (1 - p)) for p in row] for row in P], dtype=torch.float64)


def test_the_risk_by_hand(ready) -> None:
    objective = ready("crisp", OBSERVED, SPACE, prevalence=torch.tensor([0.6, 0.5, 0.5]))
    first = 2 * 0.6 * ((1 - 0.6) + (1 - 0.3)) / 2 + abs(2.0 / 4 - 0.6)  # the mean over its two known positives
    second = 2 * 0.5 * (1 - 0.7) + abs(2.1 / 4 - 0.5)
    assert objective(LOGITS, OBSERVED).item() == pytest.approx(first + second, abs=1e-6)  # the third is never known


def test_a_prior_is_at_least_the_share_that_is_known(ready) -> None:
    objective = ready("crisp", OBSERVED, SPACE, prevalence=torch.tensor([0.1, 0.1, 0.1]))
    assert objective.prior.tolist() == pytest.approx([0.5, 0.25, 0.1])


def test_the_risk_of_positives_and_unlabelled_is_the_absolute_loss() -> None:
    """2 pi E[1 - p | y = 1] + E[p] - pi = E|p - y|, by enumeration of a population."""
    generator = torch.Generator().manual_seed(0)
    y = (torch.rand(200, generator=generator) < 0.3).double()
    p = torch.rand(200, generator=generator, dtype=torch.float64)
    pi = y.mean()
    risk = 2 * pi * (1 - p[y == 1]).mean() + p.mean() - pi
    assert risk.item() == pytest.approx((p - y).abs().mean().item(), abs=1e-12)


def brute(p: list[float], positive: list[bool], tau: float, delta: float) -> float:
    """Every threshold, counted by loops."""
    n, known = len(p), sum(positive)
    e = math.sqrt(math.log(4 / delta) / 2 / n) + math.sqrt(math.log(4 / delta) / 2 / known)
    best, found = math.inf, 0.0
    for z in p:
        q = sum(x >= z for x in p) / n
        r = sum(x >= z for x, yes in zip(p, positive, strict=True) if yes) / known
        if r > 0 and (q + (1 + tau) * e) / r < best:
            best, found = (q + (1 + tau) * e) / r, q / r
    return min(found, 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_the_threshold_is_that_of_a_search_over_all(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p = (torch.rand(40, generator=generator) * 10).round() / 10  # with many equal ones
    positive = torch.rand(40, generator=generator) < 0.3
    found = class_prior(p, positive, 0.01, 0.1)
    assert found == pytest.approx(brute(p.tolist(), positive.tolist(), 0.01, 0.1), abs=1e-6)


def test_without_a_known_positive_there_is_no_prior() -> None:
    assert class_prior(torch.rand(10), torch.zeros(10, dtype=torch.bool), 0.01, 0.1) == 0.0


@pytest.mark.parametrize("pi", [0.1, 0.3, 0.6])
def test_priors_of_a_separable_mixture_are_found(pi: float) -> None:
    """10,000 draws, 500 known positives at random: within 0.03, six standard deviations of the known share above z."""
    generator = torch.Generator().manual_seed(1)
    y = torch.rand(10_000, generator=generator) < pi
    p = torch.sigmoid(torch.randn(10_000, generator=generator) + 6.0 * y.float() - 3.0)
    known = torch.zeros_like(y)
    known[y.nonzero().flatten()[:500]] = True
    assert class_prior(p, known, 0.01, 0.1) == pytest.approx(pi, abs=0.03)


def test_priors_are_estimated_after_the_warm_up(ready) -> None:
    generator = torch.Generator().manual_seed(0)
    observed = torch.full((3000, 3), -1, dtype=torch.int8)
    y = torch.rand(3000, 3, generator=generator) < torch.tensor([0.2, 0.5, 0.3])
    observed[:600, :2] = torch.where(y[:600, :2], 1, -1).to(torch.int8)  # the third is never known
    objective = ready("crisp", observed, SPACE, warmup=2)
    assert [objective.looks_at_all(epoch) for epoch in range(4)] == [False, False, True, True]
    assert objective.ramp_epochs == 2
    objective.look(torch.sigmoid(8.0 * y.float() - 4 + torch.randn(3000, 3, generator=generator)))
    assert objective.prior[:2].tolist() == pytest.approx([0.2, 0.5], abs=0.05)
    assert objective.prior[2] == 0


def test_gradients(ready) -> None:
    objective = ready("crisp", OBSERVED, SPACE)
    assert torch.autograd.gradcheck(lambda x: objective(x, OBSERVED), LOGITS.clone().requires_grad_())


@pytest.mark.parametrize("options", [{"tau": 0.0}, {"delta": 0.0}, {"delta": 1.0}, {"warmup": 0}])
def test_hyperparameters_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="tau must be above 0"):
        make("crisp", SPACE, **options)
