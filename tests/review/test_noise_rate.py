"""The rate of mistakes and the number of them, by simulation from the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels.annotation import Annotation, Ignorable, UniformPositive
from latentlabels.distributions import sharpened
from latentlabels.review.counting import interval
from latentlabels.review.judging import COVERAGE, judge
from latentlabels.review.mistaken import MistakenLabels, Path
from latentlabels.review.noise_rate import KnownLabels
from latentlabels.review.results import Setting

SPACE = LabelSpace(
    [OneOf("colour", ["blue", "red", "green"]), OneOf("kind", ["car", "bike", "bus"], optional=True), Free("striped")]
)
FREE = LabelSpace.free("abcdef")


def simulated(
    seed: int, rate: float, how: Annotation, space: LabelSpace = SPACE, size: int = 300
) -> tuple[LabelVector, np.ndarray, np.ndarray]:
    """Predictions, known labels, and which entries are wrong, all drawn from the model."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    logits = 2.5 * torch.randn(size, space.num_logits, generator=generator)
    q = LabelVector(space, logits) if space is SPACE else NonEmptyLabelVector(space, logits - 1.5, 0.05)
    y = q.sample()
    observed = how.sample(y, generator)
    careless = torch.rand(size, generator=generator) < rate
    if isinstance(how, UniformPositive):
        named = torch.randint(space.num_labels, (size,), generator=generator)
        observed[careless] = -1
        observed[careless, named[careless]] = 1
    else:
        known = observed != -1
        observed = torch.where(known & careless[:, None], 1 - observed, observed)
    wrong = (observed != -1) & (observed != y)
    return q, observed.to(torch.int8).numpy(), wrong.numpy()


@pytest.mark.parametrize("how", [UniformPositive(), Ignorable()], ids=["picked", "asked"])
@pytest.mark.parametrize("rate", [0.0, 0.04, 0.15])
def test_interval_covers_as_often_as_it_says(how: Annotation, rate: float) -> None:
    """The threshold is the 0.1 % quantile of a coverage of 95 %."""
    rounds = 40 if isinstance(how, UniformPositive) else 12
    covered, expected, true = 0, 0.0, 0
    for seed in range(rounds):
        q, observed, wrong = simulated(seed, rate, how, SPACE if seed % 2 else FREE, 150)
        found = judge(q, observed, how)
        low, high = interval(found.numbers, COVERAGE)
        covered += low <= wrong.sum() <= high
        wide = found.interval()
        assert not found.gain.clear or (wide[0] <= low and high <= wide[1])
        expected, true = expected + found.expected, true + int(wrong.sum())
    assert covered >= stats.binom.ppf(0.001, rounds, 0.95)
    # the prior of the rate is flat and its mode is near 0, so the mean of its posterior is too high by a few mistakes a round
    assert expected == pytest.approx(true, rel=0.25, abs=3 * rounds)


def test_probabilities_are_frequencies() -> None:
    q, observed, wrong = simulated(5, 0.1, UniformPositive(), size=4000)
    found = judge(q, observed, UniformPositive())
    truth = wrong[found.rows, found.columns]
    for low, high in ((0.05, 0.3), (0.3, 0.7), (0.7, 1.0)):
        some = (found.wrong >= low) & (found.wrong < high)
        spread = np.sqrt((found.wrong[some] * (1 - found.wrong[some])).sum())
        assert abs(truth[some].sum() - found.wrong[some].sum()) < 4 * spread
    assert found.rate[1] < 0.1 < found.rate[2]


def test_sharpness_is_found() -> None:
    q, observed, wrong = simulated(6, 0.05, UniformPositive(), size=4000)
    found = judge(sharpened(q, 1 / 1.25), observed, UniformPositive())
    assert found.sharpness == pytest.approx(1.25, abs=0.1)
    low, high = found.interval()
    assert low <= wrong.sum() <= high


@pytest.mark.parametrize("how", [UniformPositive(), Ignorable()], ids=["picked", "asked"])
def test_one_pick_is_worked_out_in_the_short_way_as_in_the_long_one(how: Annotation) -> None:
    q, observed, _ = simulated(7, 0.1, how, size=30)
    observed[:5] = -1  # nothing known
    observed[5, :2] = 1  # two picks that exclude each other
    known = KnownLabels(q, observed, how)
    here = known.at(0.1)
    wrong = here.wrong(0.07).either
    assert not wrong[:5].any()
    rows = torch.arange(5, 30)
    present = here.present(Setting(0.07, 1.0, 1.0), rows)
    told = observed[5:]
    np.testing.assert_allclose(wrong[5:], np.where(told == 1, 1 - present, np.where(told == 0, present, 0)), atol=2e-5)


def test_nothing_known() -> None:
    q, observed, _ = simulated(8, 0.0, UniformPositive(), size=10)
    found = judge(q, np.full_like(observed, -1), UniformPositive())
    assert (found.expected, found.interval(), len(found.rows)) == (0.0, (0, 0), 0)
    assert np.isnan(found.rate).all()


@pytest.mark.parametrize("how", [UniformPositive(), Ignorable()], ids=["picked", "asked"])
def test_predictions_of_other_images_cannot_tell(how: Annotation) -> None:
    """Sure and wrong: each known label looks like a mistake. The threshold is the 0.1 % quantile of a false alarm of 2.3 %."""
    told, false, setting = 0, 0, Setting(0.02, 1.0, 1.0)
    for seed in range(20):
        q, observed, _ = simulated(seed, 0.0, how, SPACE if seed % 2 else FREE, 200)
        other = q.take(torch.roll(torch.arange(200), 1))
        told += KnownLabels(q, observed, how).gain(setting).clear
        false += KnownLabels(other, observed, how).gain(setting).clear
    assert told == 20
    assert false <= stats.binom.ppf(0.999, 20, 0.023)
    found = judge(other, observed, how)
    assert found.interval() == (0, len(found.rows))


def test_gain_is_that_of_the_mean_over_other_images() -> None:
    """With three images, the others are all others; against the sum by hand."""
    how = UniformPositive()
    q, observed, _ = simulated(3, 0.0, how, size=3)
    known = KnownLabels(q, observed, how)
    found = known.gain(Setting(0.1, 1.0, 1.0))
    model = MistakenLabels(how, 0.1, Path.PICKED)
    rows = torch.from_numpy(observed)
    p = torch.stack([q.log_marginal(row.expand(3, -1), model).exp() for row in rows]).double()  # (known labels, images)
    own = p.diagonal()
    difference = own.log() - ((p.sum(1) - own) / 2).log()
    assert found.mean == pytest.approx(float(difference.mean()), abs=1e-5)
    assert found.error == pytest.approx(float(difference.std()) / 3**0.5, abs=1e-5)


def test_one_image_has_nothing_to_be_compared_with() -> None:
    q, observed, _ = simulated(3, 0.0, UniformPositive(), size=1)
    found = judge(q, observed, UniformPositive())
    assert not found.gain.clear
    assert found.interval() == (0, 1)
