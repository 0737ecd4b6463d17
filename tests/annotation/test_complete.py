"""Images of which every label is known, among others: they are asked for, not picked."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import torch
from torch import Tensor

import latentlabels.annotation as ann
from latentlabels import LabelVector, ObservationError
from latentlabels.exact import compile_forest
from latentlabels.observed.known_table import table_of
from latentlabels.space import LabelSpace

KINDS, NOISES = oracle.KINDS, [0.0, 0.15]


def mixed(seed: int, kind: str, noise: float, mixture: int | None) -> tuple[ann.Annotation, LabelVector, list, Tensor]:
    """Six images: complete, one known positive, complete, nothing known, a known absence, complete."""
    space = oracle.random_space(seed, 6)
    how = oracle.annotations(space.num_labels, noise)[kind]
    logits = oracle.random_logits(space, seed, *([6, mixture] if mixture else [6]))
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(6, mixture, generator=generator, dtype=oracle.DTYPE) if mixture else None
    tables = [oracle.table(space, logits[r], None if weights is None else weights[r]) for r in range(6)]
    rng = np.random.default_rng(seed)
    rows = []
    for number, table in enumerate(tables):
        sets = table.y[~torch.isneginf(table.log_p)]
        y = sets[int(rng.integers(len(sets)))].to(torch.int8)
        row = torch.full_like(y, -1)
        if number in (0, 2, 5):
            row = y
        elif number == 1 and bool(y.any()):
            row[int(y.nonzero()[0])] = 1
        elif number == 4 and not bool(y.all()):
            row[int((y == 0).nonzero()[0])] = 0
        rows.append(row)
    q = LabelVector(space, logits) if weights is None else LabelVector(space, logits, weights)
    return how, q, tables, torch.stack(rows)


@pytest.mark.parametrize("mixture", [None, 2])
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_sums_and_posteriors_equal_enumeration(seed: int, kind: str, noise: float, mixture: int | None) -> None:
    how, q, tables, observed = mixed(seed, kind, noise, mixture)
    truth = [oracle.condition(table, o, how) for table, o in zip(tables, observed, strict=True)]
    posterior = q.condition(observed, how)
    torch.testing.assert_close(posterior.given.log_marginal, torch.stack([z for z, _ in truth]), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(posterior.marginals, torch.stack([t.marginals for _, t in truth]), rtol=1e-8, atol=1e-8)
    for row in (0, 2, 5):
        if bool(how.complete(observed[row])):
            torch.testing.assert_close(posterior.marginals[row], observed[row].double(), rtol=0, atol=1e-12)
            stated = q.take(torch.tensor([row])).log_prob(observed[row].double())
            torch.testing.assert_close(posterior.given.log_marginal[row], stated.squeeze())


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_sum_is_the_same(kind: str, noise: float) -> None:
    how, q, _, observed = mixed(3, kind, noise, None)
    forest = compile_forest(q.space)
    evidence = how.evidence_of_any(q.space.num_labels, forest.max_count)(observed)

    class Fixed(type(how)):  # type: ignore[misc]
        def evidence(self, *given: object) -> object:
            return evidence

    other = Fixed(**{key: value for key, value in how.to_config().items() if key != "kind"})
    found, expected = q.log_marginal(observed, other), q.log_marginal(observed, how)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str) -> None:
    how, q, _, observed = mixed(1, kind, 0.15, None)

    def value(logits: Tensor) -> Tensor:
        return LabelVector(q.space, logits, validate_args=False).log_marginal(observed, how)

    assert torch.autograd.gradcheck(value, q.logits.squeeze(-2).clone().requires_grad_(), atol=1e-5)


def test_what_picks_one_takes_complete_rows_and_refuses_two_of_three() -> None:
    how, q = ann.WeightedPositive([1.0, 2.0, 3.0]), LabelVector(LabelSpace.free("abc"), torch.zeros(2, 3))
    assert q.log_marginal(torch.tensor([[1, 1, 0], [-1, 1, -1]], dtype=torch.int8), how).isfinite().all()
    with pytest.raises(ObservationError, match="one known positive per image"):
        q.log_marginal(torch.tensor([[1, 1, -1], [-1, 1, -1]], dtype=torch.int8), how)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3])
def test_rows_of_a_table_are_those_of_tensors(kind: str, size: int) -> None:
    how = oracle.annotations(size)[kind]
    every = np.array(np.meshgrid(*[[-1, 0, 1]] * size)).reshape(size, -1).T.astype(np.int8)
    found = how.complete(torch.from_numpy(every)).numpy().nonzero()[0]
    assert found.tolist() == [row for row, o in enumerate(every) if oracle.is_complete(how, torch.from_numpy(o))]
    told = [row for row, o in enumerate(every) if (o != -1).all()]  # where others are complete, so is a row of presences
    np.testing.assert_array_equal(how.complete_rows(table_of(every)), told)
    alone = np.ones((2, size), np.int8)
    assert len(how.complete_rows(table_of(alone))) == (2 if kind in oracle.ONE_POSITIVE and size > 1 else 0)
