"""An image's distribution recovered from its marginals conditions as the distribution itself does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import random_logits, random_space

from latentlabels.annotation import Ignorable
from latentlabels.distributions import LabelVector, NonEmptyLabelVector
from latentlabels.show.card import marginals_document
from latentlabels.space import LabelSpace


def _distribution(space: LabelSpace, logits: torch.Tensor, odds: float) -> LabelVector:
    return LabelVector(space, logits) if odds == 1 else NonEmptyLabelVector(space, logits, odds)


@pytest.mark.parametrize("odds", [1.0, 0.05, 0.6])
def test_conditions_alike(odds: float):
    rng, asked = np.random.default_rng(1), 0
    for seed in range(60):
        space = random_space(seed)
        given = _distribution(space, random_logits(space, seed, 1), odds)
        document = marginals_document(given.marginals[0].numpy(), space, odds)
        logits = [float(value) for value in document["components"][0]["logits"]]
        found = _distribution(space, torch.tensor([logits], dtype=torch.float64), document["emptyOdds"])
        np.testing.assert_allclose(found.marginals, given.marginals, atol=1e-6)
        observed = torch.full((1, space.num_labels), -1, dtype=torch.int8)
        observed[0, int(rng.integers(space.num_labels))] = int(rng.integers(2))
        if torch.isneginf(given.log_marginal(observed, Ignorable())).any():
            continue
        asked += 1
        np.testing.assert_allclose(found.condition(observed).marginals, given.condition(observed).marginals, atol=1e-5)
    assert asked > 30


def test_what_never_applies_is_even():
    space = random_space(4)
    document = marginals_document(np.zeros(space.num_labels), space)
    assert not any(np.isnan(float(value)) for value in document["components"][0]["logits"])
