"""What known labels contradict is found, and nothing is found where all is right; what a fit gains on prevalences."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

import latentlabels as ll
from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.checks.advice import advise, poor
from latentlabels.checks.diagnostics import contradiction, evenness
from latentlabels.checks.finding import Kind
from latentlabels.checks.sentences import fit_warnings
from latentlabels.datasets.street_scenes import TOY_SPACE, draw_labels
from latentlabels.errors import AnchorWarning
from latentlabels.estimator import LatentLabels
from latentlabels.observed import Observed
from latentlabels.space import LabelSpace, OneOf

VEHICLES = ("car", "bike", "bus", "truck")
SALIENT = WeightedPositive([3.0 if label in VEHICLES else 1.0 for label in TOY_SPACE.labels])


def _known(how: Annotation, seed: int, number: int = 1500) -> Observed:
    torch.manual_seed(seed)
    truth = torch.from_numpy(np.asarray(draw_labels(number, seed=seed)[0])).float()
    return Observed.from_array(how.sample(truth).numpy(), TOY_SPACE, unknown=-1)


@pytest.mark.parametrize("how", [UniformPositive(), SALIENT, Scar(0.3)], ids=lambda how: how.kind)
def test_nothing_is_said_where_all_is_right(how: Annotation) -> None:
    assert not any(contradiction(_known(how, seed), how) for seed in range(30))  # 3 % of all runs at 0.001 each


def _claims(found: Any) -> dict[tuple[str, str], bool]:
    assert found is not None
    assert all(one["left"] > one["right"] or one["equal"] for one in found.facts["claims"])
    return {(one["group"], one["other"]): one["equal"] for one in found.facts["claims"]}


def test_labels_that_are_named_more_readily_are_noticed() -> None:
    found = contradiction(_known(SALIENT, 0), UniformPositive())
    claims = _claims(found)
    assert claims["vehicle", "colour"] is False
    assert claims["doors", "car"] is True
    assert contradiction(_known(SALIENT, 0), Ignorable()) is None


def test_a_group_that_does_not_always_apply_is_noticed() -> None:
    groups = [OneOf(g.name, g.labels, False, g.requires) if g.name == "vehicle" else g for g in TOY_SPACE.groups]
    wrong = LabelSpace(groups)
    known = Observed(_known(UniformPositive(), 0, 4000).values, wrong)
    assert _claims(contradiction(known, UniformPositive()))["vehicle", "colour"] is True


def test_names_with_signs_in_them_stay_whole() -> None:
    names = {"colour": "a = b", "vehicle": "c <= d; e", "doors": "f = g"}
    groups = [OneOf(names.get(g.name, g.name), g.labels, getattr(g, "optional", False), g.requires) if isinstance(g, OneOf)
              else g for g in TOY_SPACE.groups]  # fmt: skip
    found = contradiction(Observed(_known(SALIENT, 0).values, LabelSpace(groups)), UniformPositive())
    assert ("c <= d; e", "a = b") in _claims(found)


def test_a_fit_warns_of_it() -> None:
    known = _known(SALIENT, 1, 600)
    embeddings = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    m = LatentLabels(TOY_SPACE, encoder="embedding", epochs=1)
    with pytest.warns(AnchorWarning, match="Known labels contradict the label space") as caught:
        m.fit(embeddings, known)
    assert m.diagnostics_["contradiction"] in m.diagnostics_["warnings"]
    assert json.loads(json.dumps(m.diagnostics_)) == m.diagnostics_
    assert str(caught[0].message) in fit_warnings(m.diagnostics_)
    assert ll.fit_warnings is fit_warnings


def test_folders_of_one_size_are_noticed_unless_that_is_assumed() -> None:
    space = LabelSpace.free("abcdef")
    values = np.full((240, 6), -1, np.int8)
    values[np.arange(240), np.arange(240) % 6] = 1
    known = Observed(values, space)
    found = evenness(known, UniformPositive())
    assert found is not None
    assert found.facts == {"least": 40, "most": 40}
    assert evenness(known, PerLabelSearch()) is None
    assert evenness(known, Ignorable()) is None
    assert evenness(_known(UniformPositive(), 0), UniformPositive()) is None


# --- what a fit gains on prevalences --------------------------------------------------------------------


def _verdict(informative: bool, seed: int, objective: str = "collapsed", size: int = 600) -> Any:
    """A fit on embeddings that tell the labels, or that are noise."""
    rng = np.random.default_rng(seed)
    truth = np.asarray(draw_labels(size, seed=seed)[0])
    torch.manual_seed(seed)
    known = Observed.from_array(UniformPositive().sample(torch.from_numpy(truth).float()).numpy(), TOY_SPACE)
    noise = rng.normal(size=(size, 21)).astype(np.float32)
    inputs = truth.astype(np.float32) + 0.3 * noise if informative else noise
    m = LatentLabels(TOY_SPACE, encoder="embedding", epochs=8, held_out=0.3, objective=objective, learning_rate=0.02, seed=seed)
    m.fit(inputs, known)
    config = {"model": {"objective": objective}, "fit": {"held_out": 0.3}}
    return advise(m.diagnostics_, m.history_, config)


@pytest.mark.filterwarnings("ignore::latentlabels.errors.AnchorWarning")
@pytest.mark.parametrize("objective", ["collapsed", "assume-negative"])
def test_a_fit_of_noise_is_called_poor_and_one_of_signal_is_not(objective: str) -> None:
    kind = Kind.SKILL if objective == "collapsed" else Kind.RANKING
    for seed in range(2):
        bad = poor(_verdict(False, seed, objective))
        assert bad is not None and bad.kind is kind
        good = _verdict(True, seed, objective)
        assert poor(good) is None
        assert next(one for one in good if one.kind is kind).severity == "fine"
