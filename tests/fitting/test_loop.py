"""The loop: what it minimises, when it stops, what it keeps, and that a resumed fit is the uninterrupted one."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIXED, draw
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from latentlabels.annotation import PerLabelSearch, Scar, UniformPositive
from latentlabels.errors import AnchorWarning, ConfigError, DataWarning, RunError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting import LabelModule
from latentlabels.inputs.batches import Batch
from latentlabels.space import LabelSpace


def fitted(data, **settings) -> LatentLabels:
    settings = {"epochs": 4, "batch_size": 50, "learning_rate": 0.02, **settings}
    return LatentLabels(data.space, encoder="embedding", **settings).fit(data.inputs, data.observed)


@pytest.mark.parametrize("how", [UniformPositive(), UniformPositive(noise=0.1), Scar(0.3), PerLabelSearch()])
@pytest.mark.parametrize("mixture", [1, 2])
def test_the_short_cut_is_the_elbo(mixed, how, mixture):
    model = LatentLabels(mixed.space, how, "embedding", mixture=mixture).prepare(mixed.inputs, mixed.observed)
    torch.nn.init.normal_(model.model.amortizer.head.weight, std=0.3)
    module = LabelModule(model.model, model.fitted_.program.objective, 1e-3, 0.0, torch.zeros(1).bool())
    inputs, observed = torch.from_numpy(mixed.inputs[:32]), torch.from_numpy(mixed.observed[:32])
    parameters = list(model.model.amortizer.parameters())
    short = module(Batch(inputs, observed, None, torch.arange(32)))
    whole = model.elbo.differentiable_loss(model.model, model.guide, inputs, observed) / 32
    assert short.item() == pytest.approx(whole.item(), rel=1e-5)
    for one, other in zip(torch.autograd.grad(short, parameters), torch.autograd.grad(whole, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("how", [UniformPositive(), UniformPositive(noise=0.1), PerLabelSearch()])
def test_the_short_cut_is_the_elbo_where_the_empty_set_counts_little(how):
    data = draw(LabelSpace.free("abcd"), 40)
    data.observed[0] = -1
    model = LatentLabels(data.space, how, "embedding", at_least_one=True, expected_labels=1.2).prepare(
        data.inputs, data.observed
    )
    assert model.model.scale_prior > 0
    torch.nn.init.normal_(model.model.amortizer.head.weight, std=0.3)
    module = LabelModule(model.model, model.fitted_.program.objective, 1e-3, 0.0, torch.zeros(1).bool())
    inputs, observed = torch.from_numpy(data.inputs), torch.from_numpy(data.observed)
    parameters = list(model.model.amortizer.parameters())
    short = module(Batch(inputs, observed, None, torch.arange(40)))
    whole = model.elbo.differentiable_loss(model.model, model.guide, inputs, observed) / 40
    assert short.item() == pytest.approx(whole.item(), rel=1e-5)
    for one, other in zip(torch.autograd.grad(short, parameters), torch.autograd.grad(whole, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_fit_is_held_at_the_stated_number_of_labels():
    space = LabelSpace.free("abcdef")
    data = draw(space, 600, seed=3)  # about three labels an image
    true = data.truth.sum(1).mean()
    counts = {}
    for stated in (None, float(true), 1.5):
        model = LatentLabels(space, encoder="embedding", expected_labels=stated, learning_rate=0.02, epochs=30)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AnchorWarning)
            model.fit(data.inputs, data.observed)
        counts[stated] = model.predict_proba(data.inputs).sum(1).mean()
    assert abs(np.log(counts[float(true)] / true)) < 0.1
    assert counts[1.5] < counts[float(true)] - 0.5
    assert abs(np.log(counts[None] / true)) > abs(np.log(counts[float(true)] / true))


def test_a_fit_learns(mixed):
    test = draw(MIXED, 300, seed=1)
    start = LatentLabels(MIXED, encoder="embedding").prepare(mixed.inputs, mixed.observed).posterior(test.inputs)
    after = fitted(mixed, epochs=30).posterior(test.inputs)
    assert after.log_prob(test.truth).mean() > start.log_prob(test.truth).mean() + 1.5


def test_the_same_seed_gives_the_same_fit(mixed):
    one, other, third = (fitted(mixed, seed=seed).predict_proba(mixed.inputs) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, other)
    assert np.abs(one - third).max() > 1e-3


def test_the_best_epoch_is_kept_and_the_fit_stops(mixed):
    model = fitted(mixed, learning_rate=0.3, epochs=60, patience=3)
    scores = [row["score"] for row in model.history_]
    best = int(np.argmax(scores))
    assert model.diagnostics_["best_epoch"] == best
    assert model.diagnostics_["stopped_early"] and len(scores) == best + 4
    # the weights are those of that epoch: they give its held-out value again
    from latentlabels.fitting.stratified import split_rows

    held = split_rows(len(mixed.inputs), 0.1, 0, mixed.observed)[1].numpy()
    q = model.posterior(mixed.inputs[held]).distribution
    value = q.log_marginal(torch.from_numpy(mixed.observed[held]), UniformPositive()).mean().item()
    assert value == pytest.approx(scores[best], abs=1e-4)


@pytest.mark.parametrize("stop", ["likelihood", "known-map", "none"])
def test_what_stopping_watches(mixed, stop):
    model = fitted(mixed, stop=stop, epochs=3, patience=9)
    last = model.history_[-1]
    if stop == "likelihood":
        assert last["score"] == last["held_out_log_likelihood"]
    if stop == "known-map":
        assert 0 < last["score"] <= 1
    if stop == "none":
        assert model.diagnostics_["best_epoch"] == 2


def rewritten(folder: Path, best_score: float) -> None:
    """A checkpoint whose best epoch, by every rule, has another score."""
    file = folder / "last.safetensors"
    with safe_open(file, framework="pt") as opened:
        state = json.loads(opened.metadata()["checkpoint"])
    for best in state["kept"].values():
        best[2] = best_score
    save_file(load_file(file), file, metadata={"checkpoint": json.dumps(state)})


@pytest.mark.parametrize("stop", ["likelihood", "none"])
def test_a_resumed_fit_is_the_uninterrupted_one(mixed, tmp_path: Path, stop):
    whole = fitted(mixed, epochs=6, stop=stop)
    half = LatentLabels(MIXED, encoder="embedding", epochs=3, batch_size=50, learning_rate=0.02, stop=stop)
    half.fit(mixed.inputs, mixed.observed, checkpoints=tmp_path)
    rest = LatentLabels(MIXED, encoder="embedding", epochs=6, batch_size=50, learning_rate=0.02, stop=stop)
    rest.fit(mixed.inputs, mixed.observed, checkpoints=tmp_path, resume=True)
    assert [row["epoch"] for row in rest.history_] == list(range(6))
    np.testing.assert_array_equal(rest.predict_proba(mixed.inputs), whole.predict_proba(mixed.inputs))


def test_resuming_keeps_the_best_of_the_first_part(mixed, tmp_path: Path):
    settings = {"encoder": "embedding", "batch_size": 50, "patience": 3, "learning_rate": 0.05}
    first = LatentLabels(MIXED, epochs=3, **settings).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path)
    best = first.diagnostics_["best_epoch"]
    rewritten(tmp_path, best_score=1e9)  # so that nothing later beats it
    again = LatentLabels(MIXED, epochs=9, **settings)
    again.fit(mixed.inputs, mixed.observed, checkpoints=tmp_path, resume=True)
    assert again.diagnostics_["best_epoch"] == best
    assert again.diagnostics_["stopped_early"] and len(again.history_) == best + 4
    np.testing.assert_array_equal(again.predict_proba(mixed.inputs), first.predict_proba(mixed.inputs))


def test_a_checkpoint_of_another_model_is_refused(mixed, tmp_path: Path):
    LatentLabels(MIXED, encoder="embedding", epochs=1).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path)
    with pytest.raises(RunError, match=r"started with other settings \(.* then, .* now\); resume with the config and data"):
        LatentLabels(MIXED, encoder="embedding", epochs=2, mixture=2).fit(
            mixed.inputs, mixed.observed, checkpoints=tmp_path, resume=True
        )


def test_labels_never_known_keep_their_prior(mixed):
    space = LabelSpace.free([*MIXED.labels, "unseen"])
    observed = np.concatenate([mixed.observed, np.full((len(mixed.observed), 1), -1, np.int8)], 1)
    model = LatentLabels(space, encoder="embedding", epochs=4, learning_rate=0.05, expected_labels=2.7)
    with pytest.warns(DataWarning, match='"unseen"'):
        model.fit(mixed.inputs, observed)
    # what its logit says; given that an image has a label as a rule, it is likelier where the others are not probable
    q = model.posterior(mixed.inputs).distribution
    found = q.base.marginals[:, -1].numpy()
    np.testing.assert_allclose(found, found[0], rtol=1e-6)
    assert found[0] == pytest.approx(model.anchor_.prevalence[-1], abs=1e-5)
    assert (q.marginals[:, -1] >= q.base.marginals[:, -1]).all()


@pytest.mark.parametrize("known", ["nothing", "everything", "half"])
def test_batches_of_which_nothing_or_everything_is_known(mixed, known):
    observed = mixed.truth.copy() if known == "everything" else mixed.observed.copy()
    if known != "everything":
        observed[: 300 if known == "half" else 600] = -1
    if known == "nothing":
        with pytest.warns(DataWarning, match="never known"):
            model = LatentLabels(MIXED, encoder="embedding", epochs=2).fit(mixed.inputs, observed)
        np.testing.assert_allclose(model.predict_proba(mixed.inputs).std(0), 0, atol=1e-5)
    else:
        model = LatentLabels(MIXED, encoder="embedding", epochs=15, learning_rate=0.02).fit(mixed.inputs, observed)
        log_prob = model.posterior(mixed.inputs).log_prob(mixed.truth).mean()
        assert log_prob > (-1.0 if known == "everything" else -3.0)


def test_one_label_alone():
    data = draw(LabelSpace.free(["only"]), 60)
    observed = data.observed.copy()
    observed[::3] = -1
    model = LatentLabels(data.space, encoder="embedding", epochs=2).fit(data.inputs, observed)
    assert model.predict_proba(data.inputs).shape == (60, 1)
    assert np.isfinite(model.history_[-1]["train_log_likelihood"])


def test_a_loss_that_is_not_finite_is_named(mixed):
    with pytest.raises((FloatingPointError, ValueError), match=r"learning_rate|finite|invalid"):
        fitted(mixed, learning_rate=1e30, epochs=3)


@pytest.mark.slow
def test_two_processes_fit_as_one_does(mixed):
    """DDP over the CPU: the gradients are those of the batches of both, the report is one."""
    model = fitted(mixed, accelerator="cpu", devices=2, strategy="ddp_spawn", epochs=3)
    assert len(model.history_) == 3
    assert model.history_[-1]["held_out_log_likelihood"] > model.history_[0]["held_out_log_likelihood"]


def test_one_fit_keeps_the_best_weights_of_every_rule(mixed):
    settings = {"objective": "assume-negative", "epochs": 30, "patience": 2, "learning_rate": 0.05, "seed": 3}
    whole = LatentLabels(mixed.space, encoder="embedding", **settings)
    whole.fit(mixed.inputs, mixed.observed, mixed.truth, watch=("likelihood", "truth-map"))
    assert set(whole.kept_) == {"known-map", "likelihood", "truth-map"}
    assert len({best.epoch for best in whole.kept_.values()}) > 1  # else the rules could be one and the same
    for rule in ("likelihood", "known-map"):  # a fit by one rule alone may end earlier, on the same weights
        alone = fitted(mixed, stop=rule, batch_size=64, **settings)
        assert alone.kept_[rule].epoch == whole.kept_[rule].epoch
        np.testing.assert_array_equal(alone.predict_proba(mixed.inputs), whole.use(rule).predict_proba(mixed.inputs))
    with pytest.raises(ConfigError, match='did you mean "likelihood"'):
        whole.use("likelyhood")
    with pytest.raises(ConfigError, match="complete labels"):
        fitted(mixed, stop="truth-map", objective="assume-negative", epochs=2)


def test_the_head_starts_at_the_prior_or_at_random(mixed):
    prior, own = (
        LatentLabels(mixed.space, encoder="embedding", start=start).prepare(mixed.inputs, mixed.observed)
        for start in ("prior", "own")
    )
    assert np.ptp(prior.predict_proba(mixed.inputs), axis=0).max() < 1e-6
    assert np.ptp(own.predict_proba(mixed.inputs), axis=0).max() > 0.01


@pytest.mark.parametrize("objective", ["em-apl", "ll-cp", "role"])
def test_what_keeps_something_for_each_image_is_for_one_process(mixed, objective):
    with pytest.raises(ConfigError, match=f'"{objective}" keeps state for each training image, which 2 processes'):
        fitted(mixed, accelerator="cpu", devices=2, strategy="ddp_spawn", objective=objective)
