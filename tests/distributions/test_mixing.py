"""Mixtures and sharpened distributions against sums over all label sets."""

from __future__ import annotations

import pytest
import torch

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels.distributions import mixed, sharpened

SPACE = LabelSpace(
    [OneOf("vehicle", ["car", "bike"], optional=True), OneOf("doors", ["two", "four"], requires="car"), Free("striped")]
)


def _drawn(number: int, odds: float | None, components: int = 1) -> list[LabelVector]:
    torch.manual_seed(number)
    out: list[LabelVector] = []
    for _ in range(number):
        logits = 2 * torch.randn(3, components, SPACE.num_logits, dtype=torch.float64)
        if odds is not None:
            out.append(NonEmptyLabelVector(SPACE, logits[:, 0], odds))
        else:
            out.append(LabelVector(SPACE, logits, torch.randn(3, components, dtype=torch.float64)))
    return out


@pytest.mark.parametrize(("odds", "components"), [(None, 1), (None, 2), (0.0, 1), (0.05, 1), (0.5, 1)])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_probabilities_of_label_sets_are_means(number: int, odds: float | None, components: int) -> None:
    each = _drawn(number, odds, components)
    sets = LabelVector(SPACE, torch.zeros(3, SPACE.num_logits)).enumerate_support()
    found = mixed(each)
    assert type(found) is type(each[0])
    expected = torch.stack([q.log_prob(sets).exp() for q in each]).mean(0)
    torch.testing.assert_close(found.log_prob(sets).exp(), expected)
    torch.testing.assert_close(found.marginals, torch.stack([q.marginals for q in each]).mean(0))
    again = mixed([found, found])  # of a mixture
    torch.testing.assert_close(again.log_prob(sets).exp(), expected)


@pytest.mark.parametrize("odds", [None, 0.0, 0.05])
def test_a_mixture_is_sharpened_component_by_component(odds: float | None) -> None:
    each = _drawn(3, odds)
    sets = LabelVector(SPACE, torch.zeros(3, SPACE.num_logits)).enumerate_support()
    expected = torch.stack([sharpened(q, 1.7).log_prob(sets).exp() for q in each]).mean(0)
    torch.testing.assert_close(sharpened(mixed(each), 1.7).log_prob(sets).exp(), expected)
    for q in each:
        same = type(q)(SPACE, q.logits[:, 0] * 1.7, **({} if odds is None else {"empty_odds": odds}))
        torch.testing.assert_close(sharpened(q, 1.7).log_prob(sets), same.log_prob(sets))
