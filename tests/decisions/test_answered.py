"""Answers find the scale of the fit that has not seen them, however they were chosen, and the scale is carried over."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels.annotation import UniformPositive, WeightedPositive
from latentlabels.annotation.asked import with_answers
from latentlabels.decisions.answered import WIDTH, Answered, CarriedOver
from latentlabels.decisions.rescaling import Change, against_absence

SPACE = LabelSpace(
    [
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("striped"),
        Free("night"),
        Free("rain"),
    ]
)
FREE = LabelSpace.free([f"label {k}" for k in range(8)])
HOW = UniformPositive()


def vector(space: LabelSpace):
    return lambda flat: LabelVector(space, flat, validate_args=False)


def picked(y: Tensor) -> Tensor:
    """(N, K) one present label of each image, drawn uniformly; nothing of an image without any."""
    out = torch.full(y.shape, -1, dtype=torch.int8)
    some = y.sum(-1) > 0
    out[some] = out[some].scatter(-1, torch.multinomial(y[some], 1), 1)
    return out


def answered(y: Tensor, where: Tensor) -> Tensor:
    return torch.where(where, y.to(torch.int8), -1).to(torch.int8)


@pytest.mark.parametrize("kind", [LabelVector, NonEmptyLabelVector])
@pytest.mark.parametrize("how", [HOW, WeightedPositive([0.5, 1.0, 2.0, 1.5, 1.0, 0.7, 1.2])], ids=str)
def test_the_likelihood_of_answers_is_the_sum_over_label_sets(kind: type[LabelVector], how) -> None:
    torch.manual_seed(0)
    logits = torch.randn(60, SPACE.num_logits, dtype=torch.double)
    y = LabelVector(SPACE, logits).sample()
    y = y[y.sum(-1) > 0]
    logits = logits[: len(y)]
    before = picked(y)
    told = with_answers(before, answered(y, (torch.rand(y.shape) < 0.3) & (before == -1)))
    seen = torch.arange(len(y)) % 3 > 0
    change: Change = (torch.tensor(1.3, dtype=torch.double), 0.4 * against_absence(SPACE))
    found = Answered(lambda flat: kind(SPACE, flat, validate_args=False), logits, before, told, seen, how, SPACE)
    q = kind(SPACE, 1.3 * logits + change[1])
    sets = q.enumerate_support()  # (S, N, K)
    log_prob = q.log_prob(sets)
    picks = torch.stack([how.log_prob(before, one) for one in sets])
    known = torch.where(told == 3, 1, told)
    agrees = ((known == -1) | (known == sets)).all(-1)
    both = torch.where(agrees, log_prob + picks, -torch.inf).logsumexp(0)
    alone = (log_prob + picks).logsumexp(0)
    torch.testing.assert_close(found.nll(change), -(both - torch.where(seen, alone, 0.0)), rtol=1e-9, atol=1e-9)


def test_images_that_the_fit_has_not_seen_have_the_scale_prior() -> None:
    torch.manual_seed(1)
    logits = torch.randn(6, FREE.num_logits, dtype=torch.double) - 1
    before = torch.full((6, 8), -1, dtype=torch.int8)
    before[:, 0] = 1
    seen = torch.tensor([True, True, True, False, False, False])
    make = lambda flat: NonEmptyLabelVector(FREE, flat, 0.05, validate_args=False)  # noqa: E731
    with_prior, without = (Answered(make, logits, before, before, seen, HOW, FREE, one) for one in (0.25, 0.0))
    apart = without.nll(without.identity) - with_prior.nll(with_prior.identity)
    torch.testing.assert_close(apart, torch.where(seen, 0.0, 0.25 * make(logits).log_mass))


def some(flat: Tensor) -> LabelVector:
    """Label sets with at least one label: an image without any cannot be picked from."""
    return NonEmptyLabelVector(FREE, flat, 0.0, validate_args=False)


def world(number: int, sharpness: float, shift: float, seed: int) -> tuple[Tensor, Tensor]:
    """The logits of a head whose scale is wrong, and label sets."""
    torch.manual_seed(seed)
    right = 1.5 * torch.randn(number, 8, dtype=torch.double) - 1.0 + 0.5 * torch.randn(8, dtype=torch.double)
    return (right - shift) / sharpness, some(right).sample()


def most_uncertain(logits: Tensor, before: Tensor, number: int) -> Tensor:
    p = some(logits).condition(before, HOW).marginals
    apart = torch.where(before == -1, (p - 0.5).abs(), 9.0).flatten()
    out = torch.zeros(apart.shape, dtype=torch.bool)
    out[apart.argsort()[:number]] = True
    return out.view(p.shape)


@pytest.mark.parametrize("chosen", ["uncertain", "random", "frequent"])
def test_the_number_of_labels_is_found_however_questions_are_chosen(chosen: str) -> None:
    """Of the true number, before and after: the mean of three worlds, each with its own noise."""
    before_all, found_all = [], []
    for seed in (2, 5, 6):
        logits, y = world(2000, 1.5, 1.2, seed)
        before = picked(y)
        if chosen == "uncertain":
            where = most_uncertain(logits, before, 500)
        elif chosen == "random":
            where = (torch.rand(y.shape) < 500 / y.numel()) & (before == -1)
        else:  # about two labels alone
            where = torch.zeros(y.shape, dtype=torch.bool)
            where[-250:, y.sum(0).topk(2).indices] = True
            where &= before == -1
        told = with_answers(before, answered(y, where))
        problem = Answered(some, logits, before, told, torch.arange(len(y)) >= 300, HOW, FREE)
        true = float(y.sum(-1).mean())
        before_all.append(float(problem.changed(problem.identity).marginals.sum(-1).mean()) / true)
        found_all.append(float(problem.changed(problem.fit(WIDTH)).marginals.sum(-1).mean()) / true)
    assert max(before_all) < 0.8
    assert found_all == pytest.approx([1.0] * 3, abs=0.17)
    assert sum(found_all) / 3 == pytest.approx(1.0, abs=0.07)


def test_answers_to_the_most_uncertain_questions_leave_a_right_scale_alone() -> None:
    """Images that the fit has not seen say how sharp it is: the most uncertain answers alone would not."""
    logits, y = world(2000, 1.0, 0.0, seed=3)
    before = picked(y)
    told = with_answers(before, answered(y, most_uncertain(logits, before, 300)))
    problem = Answered(some, logits, before, told, torch.arange(len(y)) >= 300, HOW, FREE)
    change = problem.fit(WIDTH)
    assert float(change[0]) == pytest.approx(1.0, abs=0.25)
    truth = -some(logits).log_prob(y).mean()
    assert -problem.changed(change).log_prob(y).mean() == pytest.approx(float(truth), abs=0.06)


def test_the_scale_is_carried_over_to_other_logits() -> None:
    right, y = world(1500, 1.0, 0.0, seed=4)
    posterior = some(right).condition(picked(y), HOW)
    wrong = (right - 0.8) / 2
    found = CarriedOver(some, wrong, posterior, FREE)
    sharpness, bias = found.fit(WIDTH)
    assert float(sharpness) == pytest.approx(2.0, abs=0.1)
    torch.testing.assert_close(bias, torch.full((8,), 0.8).double(), rtol=0.0, atol=0.15)
