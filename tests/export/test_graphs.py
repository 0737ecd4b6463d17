"""What is exported says what the model says: the fixed sequence of operations against enumeration and against `condition`."""

from __future__ import annotations

import oracle
import pytest
import torch
from torch import Tensor, nn

from latentlabels import annotation as ann
from latentlabels.errors import ObservationError
from latentlabels.export.graphs import KnownGraph, LabelGraph
from latentlabels.program import Amortizer
from latentlabels.space import Free, LabelSpace, OneOf

HEADS = {"plain": {}, "not empty": {"nonempty": True}, "mixture": {"mixture": 3}}
FEATURES = 5


def amortizer(space: LabelSpace, seed: int = 0, **head: object) -> Amortizer:
    """An encoder that leaves embeddings as they are, and a head of random weights."""
    torch.manual_seed(seed)
    made = Amortizer(space, nn.Identity(), FEATURES, **head).eval().requires_grad_(False)  # type: ignore[arg-type]
    made.head.weight.normal_(std=0.7)
    return made


def observations(space: LabelSpace, seed: int, how: ann.Annotation) -> Tensor:
    """What may be known of random valid label sets: (8, K)."""
    flat = oracle.table(space, torch.zeros(space.num_logits, dtype=oracle.DTYPE))
    rows = []
    for row, (known, absent) in enumerate(oracle.OBSERVATIONS):
        known = min(known, 1) if how.one_positive else known
        rows.append(oracle.random_observed(flat, seed + row, known, absent))
    return torch.stack(rows)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("seed", range(1, 7))
def test_known_labels_enter_as_enumeration_says(seed: int, kind: str, noise: float) -> None:
    space = oracle.random_space(seed)
    how = oracle.annotations(space.num_labels, noise)[kind]
    known = observations(space, seed, how)
    for head in ({}, {"mixture": 3}):
        model = amortizer(space, seed, **head)
        inputs = torch.randn(len(known), FEATURES)
        found = KnownGraph(model, how)(inputs, known)
        q = model.labels(inputs)
        for row in range(len(known)):
            weights = q.mixture_logits.expand(len(known), -1)[row].double() if q.num_components > 1 else None
            logits = q.logits[row].double()
            prior = oracle.table(space, logits[0] if weights is None else logits, weights)
            _, wanted = oracle.condition(prior, known[row], how)
            assert torch.allclose(found[row].double(), wanted.marginals, atol=3e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_every_head_and_annotation_is_that_of_the_model(head: str, kind: str, noise: float) -> None:
    for seed in range(20, 28):
        space = oracle.random_space(seed)
        how, model = oracle.annotations(space.num_labels, noise)[kind], amortizer(space, seed, **HEADS[head])
        known = observations(space, seed, how)
        inputs = torch.randn(len(known), FEATURES) * 3
        wanted = model.labels(inputs)
        assert torch.equal(LabelGraph(model)(inputs), wanted.marginals.clamp(0, 1))
        found = KnownGraph(model, how)(inputs, known)
        assert torch.allclose(found, wanted.condition(known, how).marginals, atol=3e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", oracle.KINDS)
def test_what_cannot_be_known_gives_nan_in_its_rows_alone(head: str, kind: str) -> None:
    """Every table of two labels of a group, one below it, and a free one: NaN where `condition` raises, and nowhere else."""
    space = LabelSpace([OneOf("a", ["x", "y"]), OneOf("b", ["z"], requires="x"), Free("w")])
    how, model = oracle.annotations(space.num_labels)[kind], amortizer(space, **HEADS[head])
    known = torch.cartesian_prod(*[torch.tensor([-1, 0, 1], dtype=torch.int8)] * space.num_labels)
    inputs = torch.randn(len(known), FEATURES)
    found = KnownGraph(model, how)(inputs, known)
    impossible = 0
    for row, one in enumerate(known):
        try:
            wanted = model.labels(inputs[row : row + 1]).condition(one[None], how).marginals
        except ObservationError:
            impossible += 1
            assert torch.isnan(found[row]).all(), one
        else:
            assert torch.allclose(found[row], wanted, atol=3e-6), one
    assert 0 < impossible < len(known)
    odd = torch.tensor([[2, -1, -1, -1], [-1, -1, -2, -1], [-1, -1, -1, -1]], dtype=torch.int8)
    assert torch.isnan(KnownGraph(model, how)(inputs[:3], odd)).all(1).tolist() == [True, True, False]


@pytest.mark.parametrize("known", [0, 1, 2, 20, 119])
def test_many_labels_of_which_any_number_is_known(known: int) -> None:
    space = LabelSpace.free([f"label {k}" for k in range(240)])
    model, how = amortizer(space), ann.UniformPositive()
    inputs = torch.randn(4, FEATURES)
    observed = torch.full((4, 240), -1, dtype=torch.int8)
    observed[:, :known] = 1
    observed[:, known : 2 * known : 3] = 0
    wanted = model.labels(inputs).condition(observed, how).marginals
    assert torch.allclose(KnownGraph(model, how)(inputs, observed), wanted, atol=5e-6)


def test_no_images_give_no_probabilities() -> None:
    space = oracle.random_space(3)
    model = amortizer(space)
    none = torch.zeros(0, FEATURES), torch.zeros(0, space.num_labels, dtype=torch.int8)
    assert LabelGraph(model)(none[0]).shape == (0, space.num_labels)
    assert KnownGraph(model, ann.UniformPositive())(*none).shape == (0, space.num_labels)
