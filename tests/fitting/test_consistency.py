"""The averaged network as a teacher: what a step gets from it, where it is refused, and that a fit resumes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw

from latentlabels.errors import ConfigError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting import LabelModule
from latentlabels.fitting.averaging import WeightAverage
from latentlabels.fitting.consistency import RAMP_EPOCHS, Teacher, ramp
from latentlabels.fitting.stepper import Stepper
from latentlabels.inputs.batches import Batch
from latentlabels.space import LabelSpace

pytestmark = pytest.mark.filterwarnings("ignore:[Tt]he fit predicts")  # few random pictures teach nothing
FREE = draw(LabelSpace.free("abcd"), 48)
PICTURES = np.random.default_rng(0).integers(0, 256, (48, 3, 32, 32), np.uint8)
IMAGES: dict[str, Any] = {"encoder": "tiny", "image_size": 32, "batch_size": 16, "epochs": 2, "patience": 99}


def test_the_ramp_is_that_of_its_source() -> None:
    assert [ramp(epoch) for epoch in range(RAMP_EPOCHS + 2)] == pytest.approx(
        [np.exp(-5 * (1 - min(1, epoch / 5)) ** 2) for epoch in range(7)]
    )
    assert ramp(0) < 0.01 and ramp(RAMP_EPOCHS) == 1


@pytest.mark.parametrize("epoch", [0, 2, 9])
def test_a_step_gets_the_gradient_of_the_weighted_cross_entropy_and_keeps_its_value(epoch: int) -> None:
    prepared = LatentLabels(FREE.space, **IMAGES).prepare(PICTURES, FREE.observed)
    objective = prepared.fitted_.program.objective
    module = LabelModule(prepared.model, objective, 1e-3, 0.0, torch.zeros(4).bool()).train()
    torch.nn.init.normal_(prepared.model.amortizer.head.weight, std=0.3)
    average = WeightAverage(prepared.model, 1.0, 3)
    torch.nn.init.normal_(prepared.model.amortizer.head.weight, std=0.3)
    objective.on_epoch(epoch)
    inputs, other = (torch.from_numpy(PICTURES[rows]).float() / 255 for rows in (slice(0, 16), slice(16, 32)))
    batch = Batch(inputs, torch.from_numpy(FREE.observed[:16]), None, torch.arange(16), other)
    parameters = list(prepared.model.amortizer.parameters())
    plain = module(batch)
    module.teacher = Teacher(average, 0.7)
    taught = module(batch)
    assert float(taught.detach()) == pytest.approx(float(plain.detach()), abs=1e-6)
    with torch.no_grad():
        target = average.averaged.amortizer.head(average.averaged.amortizer.features(other))
    module.teacher = None
    whole = plain + 0.7 * ramp(epoch) * objective.consistency(module.logits(inputs), target, batch.observed)
    expected = torch.autograd.grad(whole, parameters)
    found = torch.autograd.grad(taught, parameters)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    assert not any(name.startswith("teacher") for name in module.state_dict())


def test_the_teacher_is_the_average_of_the_steps_whether_or_not_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Stepper] = []
    take = Stepper.take

    def noted(self: Stepper, batch: Batch, done: float) -> torch.Tensor:
        seen.append(self)
        assert batch.other is not None and not torch.equal(batch.other, batch.inputs)
        return take(self, batch, done)

    monkeypatch.setattr(Stepper, "take", noted)
    for average in (0.0, 2.0):
        settings = {**IMAGES, "average": average, "consistency": 1.0, "held_out": 0.0, "stop": "none", "accelerator": "cpu"}
        model = LatentLabels(FREE.space, **settings).fit(PICTURES, FREE.observed)
        stepper = seen[-1]
        assert stepper.average is not None and stepper.average.step == 6
        assert stepper.average.decay == pytest.approx(np.exp(-1 / (3 * (average or 1.0))))
        teacher = stepper.average.averaged.state_dict()
        measured = model.model.state_dict()
        same = all(torch.equal(measured[name], teacher[name]) for name in measured)
        assert same == (average > 0)  # without an average, what is measured are the weights of the last step


def test_it_changes_a_fit_and_no_weight_is_none() -> None:
    fits = [LatentLabels(FREE.space, **IMAGES, consistency=c).fit(PICTURES, FREE.observed) for c in (0.0, 5.0)]
    one, other = (fit.predict_proba(PICTURES) for fit in fits)
    assert np.abs(one - other).max() > 1e-6


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another objective": ({"objective": "em"}, r'fit\.consistency is 0\.5, but objective "em" .*; set fit\.consistency to 0'),
    "a mixture": ({"mixture": 2}, "needs mixture 1 and beta 0, not 2 and 0;"),
    "a generative side": ({"beta": 0.1, "at_least_one": False}, r"needs mixture 1 and beta 0, not 1 and 0\.1;"),
    "a frozen encoder": ({"frozen": True, "weights": None}, r"no second view; .*model\.frozen: false"),
    "no augmentation": ({"augment": False}, r"with fit\.augment: false both views of a picture are the same"),
    "a weight below 0": ({"consistency": -1.0}, r"consistency is -1\.0; expected a weight of at least 0"),
}


@pytest.mark.filterwarnings("ignore:the encoder .* has random weights")
@pytest.mark.parametrize("case", REFUSED)
def test_where_there_is_no_posterior_or_no_second_view_it_is_refused(case: str) -> None:
    settings, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        LatentLabels(FREE.space, **IMAGES | {"consistency": 0.5} | settings).fit(PICTURES, FREE.observed)


def test_embeddings_have_no_second_view() -> None:
    with pytest.raises(ConfigError, match="embeddings .* have no second view"):
        LatentLabels(FREE.space, encoder="embedding", consistency=0.5).fit(FREE.inputs, FREE.observed)
