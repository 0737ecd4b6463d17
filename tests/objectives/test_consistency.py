"""Consistency between views: the cross-entropy by brute force over all label sets, its gradient, and who learns from it."""

from __future__ import annotations

import pytest
import torch
from conftest import MIXED

from latentlabels import objectives
from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.distributions import NonEmptyLabelVector
from latentlabels.objectives.collapsed import Collapsed
from latentlabels.program import Amortizer, LabelGuide, LabelModel
from latentlabels.space import LabelSpace

FREE = LabelSpace.free("abcd")
ANNOTATIONS: dict[str, Annotation] = {
    "uniform": UniformPositive(),
    "uniform with mistakes": UniformPositive(noise=0.1),
    "weighted": WeightedPositive([0.3, 1.0, 2.0, 0.5, 1.0, 3.0, 0.2, 1.5]),
    "weighted free": WeightedPositive([0.3, 1.0, 2.0, 0.5]),
    "scar": Scar(0.4),
    "asked": Ignorable(),
    "searched": PerLabelSearch(),
}
CASES = [
    *((MIXED, name, nonempty) for name in ("uniform", "uniform with mistakes", "weighted", "scar", "asked", "searched")
      for nonempty in (False,)),
    *((FREE, name, nonempty) for name in ("uniform", "weighted free", "asked") for nonempty in (False, True)),
]  # fmt: skip


def objective(space: LabelSpace, how: Annotation, nonempty: bool) -> Collapsed:
    amortizer = Amortizer(space, torch.nn.Identity(), 3, nonempty=nonempty)
    found = Collapsed(space)
    found.attach(LabelModel(amortizer, how), LabelGuide(amortizer, how))
    return found


def known(space: LabelSpace, one_each: bool) -> torch.Tensor:
    """One present label in each row; nothing known, and an absence, where the annotation allows it."""
    rows = torch.full((4, space.num_labels), -1, dtype=torch.int8)
    rows[0, 0], rows[1, 1], rows[2, -1], rows[3, 2] = 1, 1, 1, 1
    if not one_each:
        rows[3] = -1
        rows[2, 0] = 0
    return rows


def odds_direction(space: LabelSpace) -> torch.Tensor:
    """Of the logits, those that a common factor of the odds moves; declared by hand for the two spaces of these tests."""
    if space is FREE:
        return torch.ones(4, dtype=torch.double)
    # blue, red, green; car, bike, none; 2-doors, 4-doors; striped
    return torch.tensor([0, 0, 0, 1, 1, 0, 0, 0, 1], dtype=torch.double)


def at_scale_of(space: LabelSpace, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Multiply the odds of each image so that their geometric mean is that of the target."""
    direction = odds_direction(space)

    def mean_log_odds(values: torch.Tensor) -> torch.Tensor:
        odds = values[:, :4] if space is FREE else torch.stack(
            [values[:, 3] - values[:, 5], values[:, 4] - values[:, 5], values[:, 8]], 1
        )  # fmt: skip
        return odds.mean(1, keepdim=True)

    return logits + (mean_log_odds(target) - mean_log_odds(logits)) * direction


def by_brute_force(found: Collapsed, logits: torch.Tensor, target: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    sets = torch.tensor(list(found.space.label_sets()), dtype=logits.dtype)
    teacher, student = found._vector(target), found._vector(at_scale_of(found.space, logits, target))
    total = torch.zeros((), dtype=logits.dtype)
    for row in range(len(observed)):
        prior = teacher.log_prob(sets.unsqueeze(1).expand(-1, len(observed), -1))[:, row]
        evidence = found.annotation.log_prob(observed[row].expand(len(sets), -1), sets).to(prior.dtype)
        q = torch.softmax(prior + evidence, 0)
        log_p = student.log_prob(sets.unsqueeze(1).expand(-1, len(observed), -1))[:, row]
        total = total - torch.where(q > 0, q * log_p, 0.0).sum()
    return total / len(observed)


@pytest.mark.parametrize("one_each", [True, False], ids=["one known", "some unknown"])
@pytest.mark.parametrize(("space", "name", "nonempty"), CASES)
def test_it_is_the_sum_over_all_label_sets(space: LabelSpace, name: str, nonempty: bool, one_each: bool) -> None:
    how = ANNOTATIONS[name]
    found, observed = objective(space, how, nonempty), known(space, one_each or name.startswith("weighted"))
    logits, target = torch.randn(2, 4, space.num_logits, dtype=torch.double)
    expected = by_brute_force(found, logits, target, observed)
    assert float(found.consistency(logits, target, observed)) == pytest.approx(float(expected), rel=1e-6)
    if nonempty:  # else the case is one of those without
        assert isinstance(found._vector(logits), NonEmptyLabelVector)


@pytest.mark.parametrize(("space", "name", "nonempty"), CASES)
def test_its_gradient_is_that_of_finite_differences_and_not_the_teachers(space: LabelSpace, name: str, nonempty: bool) -> None:
    how = ANNOTATIONS[name]
    found, observed = objective(space, how, nonempty), known(space, name.startswith("weighted"))
    logits, target = torch.randn(2, 4, space.num_logits, dtype=torch.double)
    logits.requires_grad_(True)
    target.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: found.consistency(values, target.detach(), observed), logits)
    value = found.consistency(logits, target, observed)
    mine, theirs = torch.autograd.grad(value, (logits, target), allow_unused=True)
    assert mine.abs().sum() > 0
    assert theirs is None


@pytest.mark.parametrize("nonempty", [False, True])
def test_it_is_lowest_where_the_student_says_what_the_teacher_knows(nonempty: bool) -> None:
    """With everything known the target is one label set; with nothing known it is what the teacher says."""
    found = objective(FREE, Ignorable(), nonempty)
    target = torch.randn(2, 4, dtype=torch.double)
    observed = torch.tensor([[1, 0, 1, 0], [-1, -1, -1, -1]], dtype=torch.int8)
    logits = torch.zeros(2, 4, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], lr=1.0, max_iter=300, tolerance_change=1e-14)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = found.consistency(logits, target, observed)
        value.backward()
        return value

    optimizer.step(closure)
    learned = at_scale_of(FREE, logits.detach(), target)
    p = found._vector(learned).marginals
    assert (p[0] - observed[0]).abs().max() < (found._vector(target).marginals[0] - observed[0]).abs().max()
    torch.testing.assert_close(p[1], found._vector(target).marginals[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("space", [FREE, MIXED], ids=["free", "mixed"])
def test_how_many_labels_is_not_learned_from_another_view(space: LabelSpace) -> None:
    """A common factor of the odds changes nothing, and has no gradient; a factor of one label's does."""
    found, observed = objective(space, UniformPositive(), space is FREE), known(space, True)
    logits, target = torch.randn(2, 4, space.num_logits, dtype=torch.double)
    logits.requires_grad_(True)
    value = found.consistency(logits, target, observed)
    direction = odds_direction(space)
    assert direction.sum() > 0
    assert float(found.consistency(logits + 1.7 * direction, target, observed).detach()) == pytest.approx(float(value.detach()))
    (gradient,) = torch.autograd.grad(value, logits)
    assert (gradient @ direction).abs().max() < 1e-9 < gradient.abs().max()
    one = torch.zeros_like(direction)
    one[int(direction.nonzero()[0])] = 1.7
    assert float(found.consistency(logits + one, target, observed).detach()) != pytest.approx(float(value.detach()))


def test_an_empty_batch_gives_nothing() -> None:
    found = objective(FREE, UniformPositive(), True)
    logits = torch.zeros(0, 4, requires_grad=True)
    value = found.consistency(logits, torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.int8))
    assert float(value.detach()) == 0


def test_only_what_has_a_posterior_takes_views() -> None:
    taking = [name for name in objectives.NAMES if objectives.find(name).takes_views]
    assert taking == ["collapsed"]
    with pytest.raises(NotImplementedError, match='"em" has no posterior'):
        objectives.make("em", FREE).consistency(torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1, 4))
