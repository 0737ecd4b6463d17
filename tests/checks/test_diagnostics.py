"""What known labels contradict is said, and nothing is said where all is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.checks.diagnostics import contradiction, evenness
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
    return Observed.from_array(how.sample(truth).numpy(), TOY_SPACE)


@pytest.mark.parametrize("how", [UniformPositive(), SALIENT, Scar(0.3)], ids=lambda how: how.kind)
def test_nothing_is_said_where_all_is_right(how: Annotation) -> None:
    assert not any(contradiction(_known(how, seed), how) for seed in range(30))  # 3 % of all runs at 0.001 each


def test_labels_that_are_named_more_readily_are_noticed() -> None:
    found = contradiction(_known(SALIENT, 0), UniformPositive())
    assert found is not None
    assert '"vehicle" at most as often as "colour" (it is 5' in found
    assert '"doors" as often as "car" (it is ' in found
    assert "weighted-positive" in found
    assert contradiction(_known(SALIENT, 0), Ignorable()) is None


def test_a_group_that_does_not_always_apply_is_noticed() -> None:
    groups = [OneOf(g.name, g.labels, False, g.requires) if g.name == "vehicle" else g for g in TOY_SPACE.groups]
    wrong = LabelSpace(groups)
    known = Observed(_known(UniformPositive(), 0, 4000).values, wrong)
    found = contradiction(known, UniformPositive())
    assert found is not None
    assert '"vehicle" as often as "colour"' in found


def test_a_fit_warns_of_it() -> None:
    known = _known(SALIENT, 1, 600)
    embeddings = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    m = LatentLabels(TOY_SPACE, encoder="embedding", epochs=1)
    with pytest.warns(AnchorWarning, match="known labels contradict the label space"):
        m.fit(embeddings, known)
    assert m.diagnostics_["contradiction"] in m.diagnostics_["warnings"]


def test_folders_of_one_size_are_noticed_unless_that_is_assumed() -> None:
    space = LabelSpace.free("abcdef")
    values = np.full((240, 6), -1, np.int8)
    values[np.arange(240), np.arange(240) % 6] = 1
    known = Observed(values, space)
    found = evenness(known, UniformPositive())
    assert found is not None
    assert found.startswith("labels are known in 40 images each, more evenly than chance")
    assert "per-label-search" in found
    assert evenness(known, PerLabelSearch()) is None
    assert evenness(known, Ignorable()) is None
    assert evenness(_known(UniformPositive(), 0), UniformPositive()) is None
