"""The scale of label probabilities: found where the data identify it, stated otherwise, and lost without either."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from conftest import MIXED, draw
from pyro.infer import SVI
from pyro.optim import Adam

from latentlabels.annotation import Ignorable, Scar, UniformPositive, WeightedPositive
from latentlabels.distributions import LabelVector
from latentlabels.errors import AnchorWarning, DataError
from latentlabels.estimator import LatentLabels
from latentlabels.program.starting_point import DEFAULT_EXPECTED, ScaleFrom, derive_prior, frozen_logits, prior_logits
from latentlabels.space import Free, LabelSpace, OneOf


def test_an_exhaustive_group_identifies_the_number_of_labels():
    data = draw(MIXED, 20_000)
    anchor = derive_prior(MIXED, data.observed, UniformPositive())
    # the share of known labels in colour is E[1/N]; its inverse is below E[N], by Jensen, and near it
    counts = data.truth.sum(1)
    harmonic = 1 / (1 / counts).mean()
    assert harmonic < counts.mean()
    assert anchor.identified and '"colour"' in anchor.source and anchor.scale_from is ScaleFrom.GROUP
    assert anchor.expected_labels == pytest.approx(harmonic, rel=0.03)
    colours = anchor.prevalence[:3]
    assert colours.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(colours, data.truth[:, :3].mean(0), atol=0.03)


def test_without_an_exhaustive_group_the_scale_is_stated():
    space = LabelSpace.free("abcd")
    observed = draw(space, 400).observed
    assert derive_prior(space, observed, UniformPositive()).expected_labels == DEFAULT_EXPECTED
    default = derive_prior(space, observed, UniformPositive())
    assert not default.identified and default.scale_from is ScaleFrom.DEFAULT
    stated = derive_prior(space, observed, UniformPositive(), expected_labels=2.5)
    assert stated.expected_labels == 2.5 and "set by" in stated.source and stated.scale_from is ScaleFrom.STATED
    assert stated.prevalence.sum() == pytest.approx(2.5, rel=0.02)


@pytest.mark.parametrize("wrong", [0.0, -1.0, 5.0])
def test_an_impossible_number_of_labels_is_refused(wrong: float):
    with pytest.raises(DataError, match="above 0 and at most 4"):
        derive_prior(LabelSpace.free("abcd"), np.full((3, 4), -1, np.int8), UniformPositive(), wrong)


def test_reporting_rates_give_prevalences():
    space = LabelSpace.free("abc")
    truth = (np.random.default_rng(0).random((20_000, 3)) < [0.8, 0.3, 0.1]).astype(np.int8)
    told = np.random.default_rng(1).random(truth.shape) < [0.2, 0.5, 0.9]
    anchor = derive_prior(space, np.where(told & (truth == 1), 1, -1).astype(np.int8), Scar([0.2, 0.5, 0.9]))
    np.testing.assert_allclose(anchor.prevalence, [0.8, 0.3, 0.1], atol=0.02)


def test_answers_of_both_kinds_give_prevalences():
    space = LabelSpace.free("ab")
    truth = (np.random.default_rng(0).random((20_000, 2)) < [0.7, 0.2]).astype(np.int8)
    asked = np.random.default_rng(1).random(truth.shape) < 0.3
    anchor = derive_prior(space, np.where(asked, truth, -1).astype(np.int8), Ignorable())
    np.testing.assert_allclose(anchor.prevalence, [0.7, 0.2], atol=0.02)


def test_salience_is_taken_out_of_the_prevalences():
    space = LabelSpace.free("ab")
    truth = np.ones((8000, 2), np.int8)
    picked = np.random.default_rng(0).random(8000) < 0.8  # weights 4 : 1
    observed = np.stack([np.where(picked, 1, -1), np.where(picked, -1, 1)], 1).astype(np.int8)
    anchor = derive_prior(space, observed, WeightedPositive([4.0, 1.0]), expected_labels=1.6)
    np.testing.assert_allclose(anchor.prevalence, [0.8, 0.8], atol=0.03)
    assert truth.shape == observed.shape


def test_prior_logits_have_the_prevalences_asked_for():
    prevalence = np.array([0.5, 0.3, 0.2, 0.4, 0.1, 0.1, 0.3, 0.25])
    marginals = MIXED.distribution(prior_logits(MIXED, prevalence)).marginals.numpy()
    np.testing.assert_allclose(marginals, prevalence, atol=1e-5)


def test_optional_groups_start_at_none():
    space = LabelSpace([OneOf("colour", ["x", "y"]), OneOf("rare", list("abcdefgh"), optional=True)])
    observed = np.full((100, 10), -1, np.int8)
    observed[:, 0] = 1
    start = space.distribution(derive_prior(space, observed, UniformPositive()).logits)
    assert float(start.marginals[2:].sum()) < 0.1


def test_labels_never_known_are_listed_and_frozen():
    space = LabelSpace([OneOf("g", ["x", "y"], optional=True), Free("z"), OneOf("h", ["p", "q"])])
    observed = np.full((4, 5), -1, np.int8)
    observed[:, 0] = 1
    anchor = derive_prior(space, observed, UniformPositive())
    assert anchor.never_known == ("y", "z", "p", "q")
    assert frozen_logits(space, anchor.never_known).tolist() == [False, True, False, True, True, True]


def test_one_of_two_and_both_explain_one_label_alike():
    """The scale is not identified: half cat, half dog, never both; or both, always."""
    either = LabelSpace([OneOf("pet", ["cat", "dog"])]).distribution(torch.zeros(2))
    both = LabelSpace.free(["cat", "dog"]).distribution(torch.full((2,), 40.0))
    cat = torch.tensor([1, -1], dtype=torch.int8)
    torch.testing.assert_close(either.log_marginal(cat, UniformPositive()), both.log_marginal(cat, UniformPositive()))


def test_the_collapse_without_the_anchor_and_its_absence_with_it():
    """Started at one half, a head ends far above the true number of labels; started at the prior it does not."""
    space = LabelSpace.free([f"label{k}" for k in range(18)])
    rng = np.random.default_rng(0)
    # as on everyday photos: one label on most images, the others on few
    truth = (rng.random((1500, 18)) < [0.75] + [0.06] * 17).astype(np.int8)
    truth = truth[truth.any(1)]
    inputs = (truth @ rng.normal(size=(18, 24)) + 2 * rng.normal(size=(len(truth), 24))).astype(np.float32)
    observed = np.full(truth.shape, -1, np.int8)
    observed[np.arange(len(truth)), (truth * rng.random(truth.shape)).argmax(1)] = 1
    found: dict[bool, tuple[float, float]] = {}
    for anchored in (True, False):
        model = LatentLabels(space, encoder="embedding", seed=0).prepare(inputs, observed)
        if not anchored:
            with torch.no_grad():
                model.model.amortizer.head.bias.zero_()
        pyro.clear_param_store()
        svi = SVI(model.model, model.guide, Adam({"lr": 0.003}), loss=model.elbo)
        for _ in range(500):
            svi.step(torch.from_numpy(inputs), torch.from_numpy(observed))
        posterior = model.posterior(inputs)
        found[anchored] = posterior.marginals.sum(1).mean(), posterior.log_prob(truth).mean()
    true = truth.sum(1).mean()
    assert found[False][0] > 2.5 * true
    assert abs(found[True][0] - true) < 0.25 * true
    assert found[True][1] > found[False][1] + 5


def test_a_fit_says_when_the_scale_has_drifted(mixed):
    space = LabelSpace.free(mixed.space.labels)
    settings = {"encoder": "embedding", "epochs": 30, "patience": 30, "learning_rate": 0.05}
    model = LatentLabels(space, **settings)  # the default of 1.5 is where it starts, and 2.7 are true
    with pytest.warns(AnchorWarning, match=r"predicts .* labels per image; 1\.50 were expected"):
        model.fit(mixed.inputs, mixed.observed)
    assert model.diagnostics_["warnings"]
    stated = LatentLabels(space, expected_labels=float(mixed.truth.sum(1).mean()), **settings)
    assert not stated.fit(mixed.inputs, mixed.observed).diagnostics_["warnings"]


EXCLUDED = LabelSpace(
    [
        OneOf("view", ["front", "side"]),
        Free("edema"),
        OneOf("side", ["left", "right", "both"], optional=True),
        Free("shift", requires=["left", "right"]),
        Free("no finding", excludes="all"),
        Free("pleural", excludes=["both"]),
    ]
)


def test_a_label_beside_an_exhaustive_group_that_it_excludes_identifies_the_number_of_labels():
    data = draw(EXCLUDED, 20_000)
    anchor = derive_prior(EXCLUDED, data.observed, UniformPositive())
    assert anchor.identified and '"no finding" or "view"' in anchor.source
    assert anchor.expected_labels == pytest.approx(1 / (1 / data.truth.sum(1)).mean(), rel=0.03)


def test_prior_logits_give_the_prevalences_below_any_outcomes():
    truth = draw(EXCLUDED, 20_000).truth.mean(0)
    found = LabelVector(EXCLUDED, prior_logits(EXCLUDED, truth)).marginals
    np.testing.assert_allclose(found.numpy(), truth, atol=1e-5)
