"""The posterior of a mistake against the sum over all label sets and all subsets of mistakes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.review.mistaken import MOST_PICKED, MistakenLabels, Path, path_of

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("striped"),
    ]
)
FREE = LabelSpace.free(["a", "b", "c", "d", "e", "f"])
RATE = 0.07
WEIGHTS = [1.0, 2, 3, 4, 5, 6, 7]


def row(space: LabelSpace, present: str = "", absent: str = "") -> Tensor:
    out = torch.full((space.num_labels,), -1, dtype=torch.int8)
    for label in present.split():
        out[space.index(label)] = 1
    for label in absent.split():
        out[space.index(label)] = 0
    return out


def _weights(how: Annotation, size: int) -> np.ndarray:
    ready = np.asarray(how.readiness(size), float)
    return ready / ready.sum()


def pick_prob(kept: list[int], y: np.ndarray, how: Annotation) -> float:
    """p(known positives | y) where none is a mistake, from the definition of the annotation."""
    if not all(y[k] for k in kept):
        return 0.0
    if isinstance(how, UniformPositive):
        return 1 / math.comb(int(y.sum()), len(kept))
    if isinstance(how, WeightedPositive):
        weights = _weights(how, len(y))
        return float(weights[kept].sum() / weights[y == 1].sum()) if kept else 1.0
    raise AssertionError(how)


def likelihood(observed: np.ndarray, y: np.ndarray, how: Annotation, path: Path, expected: float = math.nan) -> float:
    """p(o | y) as `latentlabels.review.mistaken` states it."""
    positives, size = np.flatnonzero(observed == 1), len(y)
    value = 1.0
    for k in np.flatnonzero(observed != -1 if path is Path.ASKED else observed == 0):
        value *= 1 - RATE if observed[k] == y[k] else RATE
    if path is Path.ASKED:
        return value
    shares = _weights(how, size)
    if path is Path.REPORTED:
        rates = how.readiness(size) if isinstance(how, Scar) else np.full(size, min(len(positives) / expected, 0.99))
        for k in range(size):
            if observed[k] == 1:
                value *= (1 - RATE) * rates[k] * y[k] + RATE * len(positives) * shares[k]
            elif observed[k] == -1:
                value *= 1 - rates[k] * y[k]
        return value
    total = 0.0
    for number in range(len(positives) + 1):
        for wrong in itertools.combinations(positives, number):
            kept = [k for k in positives if k not in wrong]
            chance = RATE**number * (1 - RATE) ** len(kept) * float(np.prod(shares[list(wrong)]))
            total += chance * pick_prob(kept, y, how)
    return value * total


def enumerated(
    q: LabelVector, observed: Tensor, how: Annotation, path: Path, expected: float = math.nan
) -> tuple[float, np.ndarray]:
    sets = q.enumerate_support()
    prior = q.log_prob(sets).double().exp().numpy().reshape(len(sets))
    known = observed.numpy()
    each = np.array([likelihood(known, y.numpy().reshape(-1), how, path, expected) for y in sets]) * prior
    return math.log(each.sum()), each @ sets.reshape(len(sets), -1).double().numpy() / each.sum()


CASES = {
    "one pick": (UniformPositive(), row(SPACE, "car"), Path.PICKED),
    "one pick and absences": (UniformPositive(), row(SPACE, "red", "car striped"), Path.PICKED),
    "two picks": (UniformPositive(), row(SPACE, "red two"), Path.PICKED),
    "picks that exclude each other": (UniformPositive(), row(SPACE, "red blue"), Path.PICKED),
    "picks that contradict what is required": (UniformPositive(), row(SPACE, "bike two striped"), Path.PICKED),
    "a pick that contradicts an absence": (UniformPositive(), row(SPACE, "two", "car"), Path.PICKED),
    "weighted pick": (WeightedPositive([1.0, 2, 3, 4, 5, 6, 7.0]), row(SPACE, "four", "striped"), Path.PICKED),
    "answers": (Ignorable(), row(SPACE, "red two", "bike striped"), Path.ASKED),
    "answers that contradict each other": (Ignorable(), row(SPACE, "red blue four", "car"), Path.ASKED),
    "reports": (Scar([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]), row(SPACE, "red striped", "bike"), Path.REPORTED),
    "reports that exclude each other": (Scar(0.4), row(SPACE, "car bike"), Path.REPORTED),
    "many picks": (UniformPositive(), row(SPACE, "red blue car two striped"), Path.REPORTED),
    "nothing": (UniformPositive(), row(SPACE), Path.ASKED),
}


@pytest.mark.parametrize("case", CASES)
def test_posterior_is_the_sum_over_label_sets_and_mistakes(case: str) -> None:
    how, observed, path = CASES[case]
    assert path_of(observed[None], how) == [path]
    torch.manual_seed(len(case))
    q = LabelVector(SPACE, 1.5 * torch.randn(1, SPACE.num_logits, dtype=torch.float64))
    expected = None if isinstance(how, Scar) or path is not Path.REPORTED else q.marginals.sum(-1)
    model = MistakenLabels(how, RATE, path, expected)
    log_z, marginals = enumerated(q, observed, how, path, math.nan if expected is None else float(expected))
    assert float(q.log_marginal(observed[None], model)) == pytest.approx(log_z, abs=1e-6)
    np.testing.assert_allclose(q.condition(observed[None], model).marginals[0], marginals, atol=1e-6)


@pytest.mark.parametrize("how", [UniformPositive(), Ignorable(), Scar(0.3)])
@pytest.mark.parametrize("odds", [0.0, 0.05, 0.5])
def test_label_sets_that_are_hardly_ever_empty(how: Annotation, odds: float) -> None:
    torch.manual_seed(3)
    q = NonEmptyLabelVector(FREE, torch.randn(1, 6, dtype=torch.float64) - 2, odds)
    observed = row(FREE, "a c", "d")
    (path,) = path_of(observed[None], how)
    model = MistakenLabels(how, RATE, path)
    log_z, marginals = enumerated(q, observed, how, path)
    assert float(q.log_marginal(observed[None], model)) == pytest.approx(log_z, abs=1e-6)
    np.testing.assert_allclose(q.condition(observed[None], model).marginals[0], marginals, atol=1e-6)


@pytest.mark.parametrize("how", [UniformPositive(), WeightedPositive(WEIGHTS), PerLabelSearch(WEIGHTS)])
def test_one_pick_is_the_noise_of_the_annotation(how: Annotation) -> None:
    torch.manual_seed(0)
    q = LabelVector(SPACE, torch.randn(7, SPACE.num_logits, dtype=torch.float64))
    observed = torch.full((7, 7), -1, dtype=torch.int8).fill_diagonal_(1)
    noisy = type(how)(**{key: value for key, value in how.to_config().items() if key != "kind"}, noise=RATE)
    model = MistakenLabels(how, RATE, Path.PICKED)
    torch.testing.assert_close(q.log_marginal(observed, model), q.log_marginal(observed, noisy))
    torch.testing.assert_close(q.condition(observed, model).marginals, q.condition(observed, noisy).marginals)


def test_one_of_two_that_exclude_each_other_is_surely_wrong() -> None:
    q = LabelVector(SPACE, torch.randn(1, SPACE.num_logits, dtype=torch.float64))
    observed = row(SPACE, "blue red")
    present = q.condition(observed[None], MistakenLabels(UniformPositive(), 1e-6, Path.PICKED)).marginals[0]
    assert float(present[:2].sum()) == pytest.approx(1)


def test_paths() -> None:
    many = torch.ones(1, MOST_PICKED + 1 + 1, dtype=torch.int8)
    many[0, -1] = -1
    assert path_of(many, UniformPositive()) == [Path.REPORTED]
    assert path_of(many, Ignorable()) == [Path.ASKED]
    complete = torch.tensor([[1, 0, 1, 0]], dtype=torch.int8)
    for how in (UniformPositive(), Scar(0.5), WeightedPositive([1.0] * 4), PerLabelSearch([1.0] * 4)):
        assert path_of(complete, how) == [Path.ASKED]
    one = torch.tensor([[1, 0, -1, -1]], dtype=torch.int8)
    assert path_of(one, PerLabelSearch([1.0] * 4)) == [Path.ASKED]
    assert path_of(one, WeightedPositive([1.0] * 4)) == [Path.PICKED]
