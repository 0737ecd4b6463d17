"""Calibration finds what was done to the logits, is held back by its prior, and leaves alone what is right."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels.decisions import Calibration, calibrate
from latentlabels.decisions.calibration import _Problem
from latentlabels.decisions.rescaling import SHIFT_PRIOR, TEMPERATURE_PRIOR, against_absence
from latentlabels.errors import DataError
from latentlabels.program import Adjustment, Amortizer, NamedHead, RegionHead
from latentlabels.program.adjustment import adjusted

GROUPED = LabelSpace(
    [
        OneOf("colour", ["blue", "red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        Free("doors", requires="car"),
        Free("striped"),
        Free("large"),
    ]
)
FREE = LabelSpace.free([f"label {k}" for k in range(6)])


def vector(space: LabelSpace):
    return lambda flat: LabelVector(space, flat, validate_args=False)


def drawn(space: LabelSpace, number: int, temperature: float, bias: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that a head gives, and complete label sets of what they should have been."""
    torch.manual_seed(seed)
    logits = 1.5 * torch.randn(number, space.num_logits, dtype=torch.double) - 0.5
    return logits, LabelVector(space, logits / temperature + bias).sample()


def test_which_logits_are_those_of_labels_that_may_be_absent() -> None:
    assert against_absence(GROUPED).tolist() == [0, 0, 0, 1, 1, 0, 1, 1, 1]
    assert against_absence(FREE).tolist() == [1] * 6


@pytest.mark.parametrize("space", [GROUPED, FREE], ids=["grouped", "free"])
def test_what_was_done_to_the_logits_is_found(space: LabelSpace) -> None:
    torch.manual_seed(5)
    own = 0.5 * torch.randn(space.num_logits, dtype=torch.double)
    logits, y = drawn(space, 4000, 2.0, own + 0.8 * against_absence(space))
    found = calibrate(vector(space), logits, y, space)
    assert found.changes
    assert found.temperature == pytest.approx(2.0, abs=0.15)
    # an exhaustive group's logits, and those of a group with "none of them", are known up to a constant
    change = torch.from_numpy(found.bias) - own - 0.8 * against_absence(space)
    if space is GROUPED:
        change[:3] -= change[:3].mean()
        change[3:6] -= change[3:6].mean()
    assert change.abs().max() < 0.25
    assert found.after < found.before - 5 * found.error
    truth = -LabelVector(space, logits / 2 + own + 0.8 * against_absence(space)).log_prob(y).mean()
    assert found.after == pytest.approx(float(truth), abs=0.02)


def penalised(problem: _Problem, values: Tensor, width: float) -> float:
    change = (-TEMPERATURE_PRIOR * values[0]).exp(), SHIFT_PRIOR * values[1] * problem.together + width * values[2:]
    return float(problem.nll(change).sum() + values.square().sum() / 2)


@pytest.mark.parametrize("number", [1, 3, 40])
def test_it_is_the_most_probable_change_and_never_worse_than_none(number: int) -> None:
    logits, y = drawn(GROUPED, number, 1.5, 0.5 * against_absence(GROUPED), seed=number)
    problem = _Problem(vector(GROUPED), logits, y, GROUPED)
    sharpness, bias = problem.fit(0.5)
    # the values behind: the shift takes its share of each bias in proportion to its variance
    together = problem.together
    shift = SHIFT_PRIOR**2 * (bias @ together) / (0.5**2 + SHIFT_PRIOR**2 * together.sum())
    values = torch.cat(
        [(-sharpness.log() / TEMPERATURE_PRIOR)[None], (shift / SHIFT_PRIOR)[None], (bias - shift * together) / 0.5]
    )
    best = penalised(problem, values, 0.5)
    assert best <= penalised(problem, torch.zeros_like(values), 0.5)
    for place in range(len(values)):
        for step in (1e-2, -1e-2):
            other = values.clone()
            other[place] += step
            assert penalised(problem, other, 0.5) > best
            slope = (penalised(problem, other, 0.5) - best) / step
            assert abs(slope) < 0.02 * (1 + number)  # flat at the top: half a step times the curvature


def test_few_images_change_little() -> None:
    bias = torch.tensor([2.0, -2.0, 1.0, -1.0, 0.0, 0.5], dtype=torch.double)
    moved = []
    for number in (5, 50, 500):
        problem = _Problem(vector(FREE), *drawn(FREE, number, 1.0, bias), FREE)
        moved.append(float(problem.fit(0.25)[1].abs().mean()))
    assert moved == sorted(moved)
    assert moved[0] < 0.5 * float(bias.abs().mean())


def test_what_is_right_is_mostly_left_alone_and_never_made_much_worse() -> None:
    changed, costs = 0, []
    for seed in range(12):
        logits, y = drawn(FREE, 60, 1.0, torch.zeros(6, dtype=torch.double), seed)
        found = calibrate(vector(FREE), logits, y, FREE)
        changed += found.changes
        # what it costs new images, in expectation: the mean divergence of the calibrated from the true distribution
        after = adjusted(logits, torch.tensor(1 / found.temperature), torch.from_numpy(found.bias))
        costs.append(float(LabelVector(FREE, logits).kl(LabelVector(FREE, after)).mean()))
        if not found.changes:
            assert (found.temperature, found.width, found.adjustment()) == (1.0, None, None)
            assert not found.bias.any()
    assert changed <= 5  # chance changes one in ten: more than five of twelve come about once in 1,800 times
    assert np.mean(costs) < 0.03  # nats, of about 2.7


def test_folds_are_left_out() -> None:
    logits, y = drawn(FREE, 12, 1.0, torch.zeros(6, dtype=torch.double))
    problem = _Problem(vector(FREE), logits, y, FREE)
    got = problem.left_out(1.0, 3)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    for held in order.tensor_split(10):
        kept = torch.tensor([row for row in range(12) if row not in held.tolist()])
        expected = problem.nll(problem.fit(1.0, kept), held)
        torch.testing.assert_close(got[held], expected.detach())
    # of an image that is read, the likelihood is higher on average
    assert float(problem.nll(problem.fit(1.0)).mean()) < float(got.mean())


def test_labels_that_no_image_shows() -> None:
    rare = torch.tensor([1.0, -1, 0.5, 0, 0, 0], dtype=torch.double)
    logits, y = drawn(FREE, 100, 1.0, rare)
    logits[:, 3] -= 5  # one image of 150 shows it
    y[:, 3] = 0
    found = calibrate(vector(FREE), logits, y, FREE)
    assert found.changes and found.unseen == (3,)
    assert abs(found.bias[3]) < 2  # none of a hundred says little, and the prior holds it
    logits[:, 3] += 5  # a third should show it, and none does: that is said, and stays finite
    found = calibrate(vector(FREE), logits, y, FREE)
    assert -8 < found.bias[3] < -2


def test_groups_hold_afterwards() -> None:
    logits, y = drawn(GROUPED, 50, 1.0, torch.full((9,), 1.0, dtype=torch.double))
    found = calibrate(vector(GROUPED), logits, y, GROUPED)
    after = LabelVector(GROUPED, adjusted(logits, torch.tensor(1 / found.temperature), torch.from_numpy(found.bias)))
    sets = after.enumerate_support()
    torch.testing.assert_close(after.log_prob(sets).exp().sum(0), torch.ones(50, dtype=torch.double))


def test_an_empty_set_that_counts_little() -> None:
    torch.manual_seed(1)
    logits = torch.randn(300, 6, dtype=torch.double) - 2
    y = NonEmptyLabelVector(FREE, logits + 1, 0.05).sample()
    found = calibrate(lambda flat: NonEmptyLabelVector(FREE, flat, 0.05, validate_args=False), logits, y, FREE)
    assert found.changes
    assert found.bias.mean() == pytest.approx(1.0, abs=0.3)


def test_mixtures_keep_their_weights() -> None:
    torch.manual_seed(0)
    amortizer = Amortizer(FREE, torch.nn.Identity(), 4, mixture=3)
    flat = torch.randn(7, 3 * 6 + 3)
    bias = torch.randn(6)
    amortizer.adjustment = Adjustment(2.0, bias)
    before, after = amortizer.unadjusted(flat), amortizer.vector(flat)
    torch.testing.assert_close(after.logits, before.logits / 2 + bias)
    torch.testing.assert_close(after.mixture_logits, before.mixture_logits)
    assert "adjustment.bias" not in amortizer.state_dict()
    y = amortizer.unadjusted(flat * 1.0).sample()
    found = calibrate(amortizer.unadjusted, flat.detach(), y, FREE)
    assert math.isfinite(found.after)


@pytest.mark.parametrize("kind", ["linear", "regions", "names"])
def test_every_head_is_calibrated_by_its_logits(kind: str) -> None:
    torch.manual_seed(0)
    size = 4 if kind != "regions" else 4 + 2 * 9
    heads = {
        "linear": lambda: None,
        "regions": lambda: RegionHead(4, (2, 3, 3), 9),
        "names": lambda: NamedHead(torch.nn.functional.normalize(torch.randn(9, 4), dim=-1)),
    }
    amortizer = Amortizer(GROUPED, torch.nn.Identity(), size, head=heads[kind]())
    features = torch.randn(200, size)
    with torch.no_grad():
        flat = amortizer.head(features)
        y = LabelVector(GROUPED, flat + 1.5 * against_absence(GROUPED)).sample()
        found = calibrate(amortizer.unadjusted, flat, y, GROUPED)
        amortizer.adjustment = found.adjustment()
        expected = LabelVector(GROUPED, flat / found.temperature + torch.from_numpy(found.bias).float())
        torch.testing.assert_close(amortizer(features).marginals, expected.marginals)
    assert found.changes and found.after < found.before


@pytest.mark.parametrize("number", [1, 2, 9])
def test_few_images_change_nothing(number: int) -> None:
    logits, y = drawn(FREE, number, 1.0, 2 * torch.ones(6, dtype=torch.double))
    found = calibrate(vector(FREE), logits, y, FREE)
    assert (found.changes, found.num_images, found.before) == (False, number, found.after)
    logits, y = drawn(FREE, 10, 1.0, 2 * torch.ones(6, dtype=torch.double))
    assert calibrate(vector(FREE), logits, y, FREE).changes


def test_what_cannot_be_used() -> None:
    logits, y = drawn(GROUPED, 3, 1.0, torch.zeros(9, dtype=torch.double))
    with pytest.raises(DataError, match="at least one image"):
        calibrate(vector(GROUPED), logits[:0], y[:0], GROUPED)
    y[1, :2] = 1
    with pytest.raises(DataError, match="complete image 1 impossible"):
        calibrate(vector(GROUPED), logits, y, GROUPED)


def test_it_is_json_and_back() -> None:
    logits, y = drawn(FREE, 30, 1.0, torch.ones(6, dtype=torch.double))
    found = calibrate(vector(FREE), logits, y, FREE)
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert again.to_dict() == found.to_dict()
    assert calibrate(vector(FREE), logits, y, FREE).to_dict() == found.to_dict()  # the same folds
