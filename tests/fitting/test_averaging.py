"""The average of the weights: its closed form, what it covers, and that it is what is measured, kept and resumed."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MIXED, draw

from latentlabels.errors import ConfigError, RunError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting.averaging import WeightAverage
from latentlabels.fitting.schedule import SCHEDULES, WARM_UP
from latentlabels.fitting.stepper import Stepper
from latentlabels.space import LabelSpace

pytestmark = pytest.mark.filterwarnings("ignore:[Tt]he fit predicts")  # few random pictures teach nothing
FREE = draw(LabelSpace.free("abcd"), 120)
PICTURES = np.random.default_rng(0).integers(0, 256, (48, 3, 32, 32), np.uint8)
IMAGES: dict[str, Any] = {"encoder": "tiny", "image_size": 32, "batch_size": 16, "learning_rate": 0.01, "patience": 99}


def prepared() -> LatentLabels:
    return LatentLabels(FREE.space, **IMAGES).prepare(PICTURES, FREE.observed[:48])


def test_the_average_is_the_weighted_sum_of_the_weights_of_all_steps() -> None:
    model = prepared().model
    start = model.amortizer.head.bias.detach().clone().double()
    average = WeightAverage(model, epochs=0.5, steps=20)
    assert average.decay == pytest.approx(math.exp(-1 / 10))
    values = torch.randn(60, len(start))
    for value in values:
        with torch.no_grad():
            model.amortizer.head.bias.copy_(value)
        average.update()
    decays = torch.tensor([min(math.exp(-0.1), (1 + t) / (10 + t)) for t in range(60)], dtype=torch.float64)
    assert decays.unique().numel() > 2  # the warm-up is in it, and its end
    after = torch.cat([decays.flip(0).cumprod(0).flip(0)[1:], torch.ones(1, dtype=torch.float64)])
    shares = (1 - decays) * after  # of step t, what the later ones leave
    expected = decays.prod() * start + shares @ values.double()
    torch.testing.assert_close(average.averaged.amortizer.head.bias.double(), expected, rtol=1e-5, atol=1e-6)


def test_running_statistics_are_averaged_and_whole_numbers_copied() -> None:
    model = prepared().model
    average = WeightAverage(model, epochs=1, steps=1000)
    norm = next(part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d))
    with torch.no_grad():
        norm.running_mean.fill_(1.0)
        norm.num_batches_tracked.fill_(7)
    average.update()  # a tenth of what was, 0
    own = next(part for part in average.averaged.modules() if isinstance(part, torch.nn.BatchNorm2d))
    torch.testing.assert_close(own.running_mean, torch.full_like(own.running_mean, 0.9))
    assert int(own.num_batches_tracked) == 7


def test_the_average_is_in_place_within_the_context_alone_and_requires_no_gradient() -> None:
    model = prepared().model
    average = WeightAverage(model, epochs=1, steps=10)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    average.update()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    averages = {name: value.clone() for name, value in average.averaged.state_dict().items()}
    assert any(not torch.equal(before[name], averages[name]) for name in before)
    with pytest.raises(KeyboardInterrupt), average.in_place():
        assert all(torch.equal(value, averages[name]) for name, value in model.state_dict().items())
        raise KeyboardInterrupt
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in average.averaged.parameters())


def test_weights_that_are_not_trained_are_shared() -> None:
    found = LatentLabels(FREE.space, encoder="tiny", frozen=True, weights=None, image_size=32)
    with pytest.warns(UserWarning, match="random weights"):
        model = found.prepare(PICTURES, FREE.observed[:48]).model
    average = WeightAverage(model, epochs=1, steps=10)
    mine, theirs = dict(average.averaged.named_parameters()), dict(model.named_parameters())
    assert {name for name in mine if mine[name] is theirs[name]} == {name for name in mine if ".encoder." in name}
    assert not any(".encoder." in name and ".stages." in name and name.endswith("weight") for name in average.state())


def followed(monkeypatch: pytest.MonkeyPatch, images: Any, data: Any, **settings: Any) -> tuple[LatentLabels, dict[str, Any]]:
    """A fit, and what the weights of all its steps come to when they are averaged here."""
    seen: dict[str, Any] = {"mean": None, "steps": 0}
    take = Stepper.take

    def noted(self: Stepper, batch: Any, done: float) -> torch.Tensor:
        names = {name: value for name, value in self.module.model.named_parameters() if value.requires_grad}
        names |= {name: value for name, value in self.module.model.named_buffers() if value.is_floating_point()}
        if seen["mean"] is None:
            seen["mean"] = {name: value.detach().clone() for name, value in names.items()}
        out = take(self, batch, done)
        decay = min(math.exp(-1 / (settings["average"] * seen["of"])), (1 + seen["steps"]) / (10 + seen["steps"]))
        for name, value in names.items():
            seen["mean"][name] = decay * seen["mean"][name] + (1 - decay) * value.detach()
        seen["steps"] += 1
        return out

    rows = len(images)
    seen["of"] = -(-rows // settings["batch_size"])
    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "take", noted)
        model = LatentLabels(data.space, held_out=0.0, stop="none", **settings).fit(
            images, data.observed[:rows], data.truth[:rows]
        )
    return model, seen


OBJECTIVES = ("collapsed", "assume-negative", "role", "em-apl", "ll-cp", "gr", "vat", "full-labels")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_fit_ends_with_the_average_whatever_the_objective(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**IMAGES, "objective": objective, "average": 1.0, "epochs": 3, "accelerator": "cpu"}
    model, seen = followed(monkeypatch, PICTURES, FREE, **settings)
    assert seen["steps"] == 9
    own = dict(model.model.named_parameters()) | dict(model.model.named_buffers())
    for name, value in seen["mean"].items():
        torch.testing.assert_close(own[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "more",
    [{"regions": True}, {"mixture": 2, "beta": 0.1, "at_least_one": False}, {"expected_labels": 1.5, "start": "own"}],
    ids=["regions", "a mixture with a generative side", "a stated number"],
)
def test_every_part_of_a_model_is_averaged(more: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**IMAGES, "average": 1.0, "epochs": 2, "accelerator": "cpu", **more}
    model, seen = followed(monkeypatch, PICTURES, FREE, **settings)
    own = dict(model.model.named_parameters()) | dict(model.model.named_buffers())
    assert seen["mean"].keys() >= {name for name, value in model.model.named_parameters() if value.requires_grad}
    for name, value in seen["mean"].items():
        torch.testing.assert_close(own[name], value, rtol=1e-4, atol=1e-6)


def test_what_is_measured_is_what_is_kept() -> None:
    data = draw(MIXED, 300)
    known = data.observed
    model = LatentLabels(MIXED, encoder="embedding", epochs=5, average=2.0, learning_rate=0.02, patience=9)
    model.fit(data.inputs, known, held_out=np.arange(60))
    best = model.history_[model.diagnostics_["best_epoch"]]
    posterior = model.model.amortizer(torch.from_numpy(data.inputs[:60])).log_marginal(
        torch.from_numpy(known[:60]), model.annotation_
    )
    assert float(posterior.mean().detach()) == pytest.approx(best["held_out_log_likelihood"], abs=1e-5)
    plain = LatentLabels(MIXED, encoder="embedding", epochs=5, learning_rate=0.02, patience=9)
    plain.fit(data.inputs, known, held_out=np.arange(60))
    assert [row["train_log_likelihood"] for row in plain.history_] == [row["train_log_likelihood"] for row in model.history_]
    assert plain.history_[-1]["held_out_log_likelihood"] != model.history_[-1]["held_out_log_likelihood"]


def test_without_an_average_nothing_is_in_the_checkpoint(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    for average in (0.0, 1.0):
        folder = tmp_path / str(average)
        LatentLabels(FREE.space, encoder="embedding", epochs=1, average=average).fit(
            FREE.inputs, FREE.observed, checkpoints=folder
        )
        names = load_file(folder / "last.safetensors")
        assert any(name.startswith("average.") for name in names) == (average > 0)


@pytest.mark.parametrize("change", [{"average": 0.0}, {"average": 2.0}, {"schedule": "cosine"}])
def test_a_fit_is_resumed_with_the_same_average_and_schedule(change: dict[str, Any], tmp_path: Path) -> None:
    settings: dict[str, Any] = {"encoder": "embedding", "epochs": 1, "average": 1.0}
    LatentLabels(FREE.space, **settings).fit(FREE.inputs, FREE.observed, checkpoints=tmp_path)
    with pytest.raises(RunError, match="started with other settings"):
        LatentLabels(FREE.space, **settings | change).fit(FREE.inputs, FREE.observed, checkpoints=tmp_path, resume=True)


def test_a_state_without_an_average_is_refused() -> None:
    average = WeightAverage(prepared().model, epochs=1, steps=10)
    with pytest.raises(RunError, match="no average of these weights"):
        average.restore({})


# --- the schedule -----------------------------------------------------------------------------------------------


def test_the_cosine_rises_once_and_falls_to_nothing() -> None:
    at = [SCHEDULES["cosine"].factor(done) for done in np.linspace(0.0005, 0.9995, 1000)]
    assert min(at) > 0 and max(at) <= 1
    top = int(np.argmax(at))
    assert top / 1000 == pytest.approx(WARM_UP, abs=0.002) and at[top] > 0.99
    assert (np.diff(at[: top + 1]) > 0).all() and (np.diff(at[top:]) < 0).all()
    assert at[-1] < 1e-5
    assert SCHEDULES["cosine"].factor(WARM_UP + (1 - WARM_UP) / 2) == pytest.approx(0.5)
    assert {SCHEDULES["constant"].factor(done) for done in (0.0, 0.3, 0.99)} == {1.0}


@pytest.mark.parametrize("merged", [False, True])
def test_the_rates_of_all_groups_follow_the_schedule(merged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[list[float]] = []
    shares: list[float] = []
    take = Stepper.take

    def noted(self: Stepper, batch: Any, done: float) -> torch.Tensor:
        out = take(self, batch, done)
        rates.append([group["lr"] for group in self.optimizer.param_groups])
        shares.append(done)
        return out

    monkeypatch.setattr(Stepper, "take", noted)
    rows = 33 if merged else 48  # the last image on its own goes with the batch before
    model = LatentLabels(FREE.space, **IMAGES | {"epochs": 4, "schedule": "cosine", "held_out": 0.0, "stop": "none"})
    model.fit(PICTURES[:rows], FREE.observed[:rows])
    assert len(rates) == 4 * (2 if merged else 3)
    assert all(0 < one < two < 1 for one, two in pairwise(shares))
    assert shares[-1] + shares[0] == pytest.approx(1.0, abs=0.02)
    factors = [SCHEDULES["cosine"].factor(share) for share in shares]
    for row in rates:
        assert np.allclose(np.array(row) / max(row), np.array(rates[0]) / max(rates[0]))
    assert np.allclose([max(row) / 0.1 for row in rates], factors)  # the head's bias learns ten times as fast as stated


def test_a_schedule_over_all_epochs_is_not_cut_short() -> None:
    settings: dict[str, Any] = {"encoder": "embedding", "epochs": 12, "patience": 1, "learning_rate": 0.3}
    early = LatentLabels(FREE.space, **settings).fit(FREE.inputs, FREE.observed)
    whole = LatentLabels(FREE.space, **settings, schedule="cosine").fit(FREE.inputs, FREE.observed)
    assert len(early.history_) < 12 and len(whole.history_) == 12
    scores = [row["score"] for row in whole.history_]
    assert whole.diagnostics_["best_epoch"] == int(np.argmax(scores))


def test_the_length_of_a_cosine_is_part_of_the_fit(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"encoder": "embedding", "schedule": "cosine"}
    LatentLabels(FREE.space, epochs=2, **settings).fit(FREE.inputs, FREE.observed, checkpoints=tmp_path)
    with pytest.raises(RunError, match="started with other settings"):
        LatentLabels(FREE.space, epochs=3, **settings).fit(FREE.inputs, FREE.observed, checkpoints=tmp_path, resume=True)


def test_a_fit_that_is_interrupted_goes_on_along_the_cosine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**IMAGES, "epochs": 4, "schedule": "cosine", "average": 0.7, "accelerator": "cpu"}
    whole = LatentLabels(FREE.space, **settings).fit(PICTURES, FREE.observed[:48])
    take, calls = Stepper.take, [0]

    def interrupted(self: Stepper, batch: Any, done: float) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == 8:  # in the third epoch
            raise KeyboardInterrupt
        return take(self, batch, done)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            LatentLabels(FREE.space, **settings).fit(PICTURES, FREE.observed[:48], checkpoints=tmp_path)
    rest = LatentLabels(FREE.space, **settings).fit(PICTURES, FREE.observed[:48], checkpoints=tmp_path, resume=True)
    assert [row | {"seconds": 0} for row in rest.history_] == [row | {"seconds": 0} for row in whole.history_]
    other = whole.model.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in rest.model.state_dict().items())


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(ConfigError, match='unknown schedule "cosin"; did you mean "cosine"'):
        LatentLabels(FREE.space, encoder="embedding", schedule="cosin").fit(FREE.inputs, FREE.observed)


@pytest.mark.parametrize("average", [-1.0, float("nan"), True])
def test_an_average_over_no_number_of_epochs_is_refused(average: Any) -> None:
    with pytest.raises(ConfigError, match="average is .*; expected a number of epochs of at least 0"):
        LatentLabels(FREE.space, encoder="embedding", average=average).fit(FREE.inputs, FREE.observed)
