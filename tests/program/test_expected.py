"""Expectations under posteriors: closed forms against sums over all label sets, in value and gradient."""

from __future__ import annotations

from collections.abc import Callable

import oracle
import pytest
import torch
from torch import Tensor

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels import annotation as ann
from latentlabels.program import FeatureDecoder
from latentlabels.program.expected import (
    NoClosedForm,
    expected_annotation,
    expected_log_prob,
    expected_log_prob_of_component,
    over_label_sets,
)

SPACE = LabelSpace(
    [
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        *(Free(name) for name in "abcdef"),
    ]
)
K = SPACE.num_labels
HOWS = [ann.UniformPositive(), ann.Ignorable(), ann.Scar(0.4), ann.WeightedPositive(torch.linspace(0.5, 2, K))]


def drawn(seed: int, *shape: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(*shape, SPACE.num_logits, dtype=torch.float64).requires_grad_()


def known() -> Tensor:
    observed = torch.full((3, K), -1, dtype=torch.int8)
    observed[0, 0], observed[1, 5], observed[1, 6] = 1, 1, 0
    return observed


def compare(ours: Tensor, theirs: Tensor, *given: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)
    weight = torch.linspace(0.5, 1.5, ours.numel(), dtype=torch.float64).reshape(ours.shape)
    for one, other in zip(
        torch.autograd.grad((weight * ours).sum(), given, retain_graph=True),
        torch.autograd.grad((weight * theirs).sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
        assert other.abs().max() > 1e-4


@pytest.mark.parametrize("how", HOWS, ids=repr)
def test_log_prob_of_a_target(how: ann.Annotation) -> None:
    logits, other = drawn(0, 3), drawn(1)
    target = LabelVector(SPACE, other)
    q = LabelVector(SPACE, logits).condition(known(), how)
    compare(expected_log_prob(q, target), over_label_sets(q, target.log_prob), logits, other)


@pytest.mark.parametrize("odds", [0.0, 0.2, 1.0])
def test_log_prob_of_a_target_that_weights_the_empty_set(odds: float) -> None:
    logits, other = drawn(0, 3), drawn(1)
    target = NonEmptyLabelVector(SPACE, other, odds)
    observed = known()
    observed[2, 4] = 1
    q = LabelVector(SPACE, logits).condition(observed, ann.UniformPositive())
    compare(expected_log_prob(q, target), over_label_sets(q, target.log_prob), logits, other)


def test_a_posterior_that_weights_the_empty_set_is_enumerated() -> None:
    logits, other = drawn(0, 3), drawn(1)
    q = NonEmptyLabelVector(SPACE, logits, 0.2).condition(known(), ann.UniformPositive())
    target = LabelVector(SPACE, other)
    y = q.enumerate_support()
    compare(expected_log_prob(q, target), (q.log_prob(y).exp() * target.log_prob(y)).sum(0), logits, other)


def test_log_prob_of_the_component() -> None:
    """Two components of one forest each, and a posterior of two times as many as there are nodes."""
    logits, other = drawn(0, 3, 2), drawn(1, 2)
    weights = torch.tensor([0.3, -0.4], dtype=torch.float64)
    q = LabelVector(SPACE, logits, weights).condition(known(), ann.UniformPositive())
    target = LabelVector(SPACE, other, weights)
    parts = q.logits.unflatten(-2, (2, -1)), q.log_weights.unflatten(-1, (2, -1))
    theirs = []
    for z in range(2):
        one = LabelVector(SPACE, parts[0][:, z], parts[1][:, z])
        value = over_label_sets(one, LabelVector(SPACE, other[z]).log_prob)
        theirs.append(parts[1][:, z].exp().sum(-1) * value)
    compare(expected_log_prob_of_component(q, target, 2), torch.stack(theirs).sum(0), logits, other)
    with pytest.raises(NoClosedForm):
        expected_log_prob_of_component(q, LabelVector(SPACE, drawn(2, 4), torch.zeros(4)), 2)


@pytest.mark.parametrize("how", HOWS, ids=repr)
def test_log_prob_of_the_annotation(how: ann.Annotation) -> None:
    logits, observed = drawn(0, 3), known()
    q = LabelVector(SPACE, logits).condition(observed, how)
    ours = expected_annotation(q, how, observed)
    theirs = over_label_sets(q, lambda y: how.log_prob(observed, y))
    if isinstance(how, ann.Ignorable):  # which says nothing of the labels beside their pins
        assert (ours == 0).all()
        return
    compare(ours, theirs, logits)


def test_features() -> None:
    torch.manual_seed(0)
    decoder = FeatureDecoder(SPACE, 4).double()
    torch.nn.init.normal_(decoder.weight)
    logits, features = drawn(0, 3), torch.randn(3, 4, dtype=torch.float64)
    q = LabelVector(SPACE, logits).condition(known(), ann.UniformPositive())
    site = decoder(torch.zeros(3, K, dtype=torch.float64))
    compare(
        site.expected_log_prob(features, q),
        over_label_sets(q, lambda y: site.given(y).log_prob(features)),
        logits,
        decoder.weight,
    )


@pytest.mark.parametrize("seed", range(1, 25))
def test_features_of_any_forest(seed: int) -> None:
    """Pairs of labels below the same outcomes, below different ones of one group, and below none of it."""
    space = oracle.random_space(seed, most=7)
    logits = oracle.random_logits(space, seed, 3, impossible=0.2 * (seed % 2)).requires_grad_()
    decoder, generator = FeatureDecoder(space, 4).double(), torch.manual_seed(seed)
    torch.nn.init.normal_(decoder.weight)
    features = torch.randn(3, 4, dtype=torch.float64, generator=generator)
    q = LabelVector(space, logits)
    site = decoder(torch.zeros(3, space.num_labels, dtype=torch.float64))
    compare(
        site.expected_log_prob(features, q),
        over_label_sets(q, lambda y: site.given(y).log_prob(features)),
        logits,
        decoder.weight,
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda q, how, o: expected_annotation(q, how, o),
        lambda q, how, o: expected_log_prob(q, LabelVector(q.space, torch.zeros(2, 40), torch.zeros(2))),
    ],
)
def test_too_many_label_sets(ask: Callable[..., Tensor]) -> None:
    space, how = LabelSpace.free(f"label-{k}" for k in range(40)), ann.Scar(0.5)
    observed = torch.full((2, 40), -1, dtype=torch.int8)
    q = LabelVector(space, torch.zeros(2, 40)).condition(observed, how)
    with pytest.raises(NoClosedForm):
        ask(q, how, observed)
