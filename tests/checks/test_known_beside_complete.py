"""The share of wrong known labels, by complete images: whether the interval holds it, and when nothing is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from latentlabels.annotation import PerLabelSearch, Scar, UniformPositive
from latentlabels.checks.known_beside_complete import KnownBesideComplete, known_shares
from latentlabels.checks.verdict import verdict_of
from latentlabels.space import LabelSpace

SPACE, HOW = LabelSpace.free("abcdefgh"), UniformPositive()


def _simulated(share: float, seed: int, spread: float = 2.0, size: int = 100, held: int = 400) -> dict[str, float] | None:
    """Images whose labels follow the predictions; a share of the known labels of held-out ones is drawn at random."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    logits = spread * torch.randn(size + held, 8, generator=generator, dtype=torch.float64) - 1
    q = SPACE.distribution(logits)
    truth = (torch.rand(logits.shape, generator=generator, dtype=torch.float64) < logits.sigmoid()).numpy().astype(np.int8)
    known = HOW.sample(torch.from_numpy(truth).float(), generator).numpy().copy()
    shares = (known == 1).mean(0) / (known == 1).mean(0).sum()
    wrong = np.flatnonzero(rng.random(len(known)) < share)
    known[wrong] = -1
    known[wrong, rng.choice(8, len(wrong), p=shares)] = 1
    told = np.arange(size, size + held)[(known[size:] == 1).any(1)]
    value = float(q.take(torch.from_numpy(told)).log_marginal(torch.from_numpy(known[told]), HOW).mean())
    found = KnownBesideComplete(HOW, shares)
    for rows in np.array_split(np.arange(size), 3):
        found = KnownBesideComplete(HOW, shares, json.loads(json.dumps(found.state)))  # as an interrupted command goes on
        found.add(q.take(torch.from_numpy(rows)), truth[rows])
    return found.result(value, len(told))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_the_interval_holds_the_share(share: float) -> None:
    """Of 60 intervals of 95 %, 51 hold it at least with a probability of 0.999."""
    found = [_simulated(share, seed) for seed in range(60)]
    assert all(found)
    assert sum(one["low"] <= share <= one["high"] for one in found if one) >= 51
    assert np.mean([one["share"] for one in found if one]) == pytest.approx(share, abs=0.03)


def test_nothing_is_said_of_a_fit_that_learned_nothing_or_of_few_images() -> None:
    assert not [one for one in (_simulated(0.5, seed, spread=0.02) for seed in range(10)) if one is not None]
    assert _simulated(0.5, 0, size=20) is None
    assert _simulated(0.5, 0, held=20) is None


def test_shares_need_one_picked_label_per_image() -> None:
    d = {"without_image": {"held_out_log_likelihood": -1.0}, "num_images": 10, "known_counts": {"a": [6, 0], "b": [2, 0]}}
    shares = known_shares(d, HOW)
    assert shares is not None and shares.tolist() == [0.75, 0.25]
    assert known_shares(d | {"known_counts": {"a": [6, 0], "b": [5, 0]}}, HOW) is None  # some images have two
    assert known_shares(d | {"known_counts": {"a": [6, 1], "b": [2, 0]}}, HOW) is None
    assert known_shares(d | {"without_image": {}}, HOW) is None
    for how in (Scar(0.5), PerLabelSearch(), UniformPositive(noise=0.1)):
        assert known_shares(d, how) is None


@pytest.mark.parametrize(
    ("low", "share", "high", "said"),
    [
        (-0.05, 0.0, 0.05, ""),
        (0.05, 0.15, 0.25, ""),
        (0.35, 0.49, 0.63, "About 49 % of the known labels (35 % to 63 % with 95 % confidence) look wrong"),
        (-0.5, -0.4, -0.3, "The known labels were not picked as the annotation assumes."),
        (1.1, 1.3, 1.5, "The known labels were not picked as the annotation assumes."),
    ],
)
def test_the_verdict_says_it(low: float, share: float, high: float, said: str) -> None:
    plain = {"brier": 0.1, "nll": 2.0, "map": 0.2}
    document = {
        "num_images": 100,
        "map": 0.9,
        "nll": 1.0,
        "brier": 0.05,
        "brier_skill": 0.5,
        "nll_skill": 0.5,
        "ranking_skill": 0.9,
    }
    mistaken = {"share": share, "low": low, "high": high, "num_images": 100}
    sentence = verdict_of({}, document | {"without_image": plain, "known_labels_mistaken": mistaken}).sentence
    assert said in sentence
    assert ("known labels" in sentence) == bool(said)
    assert sentence.startswith("Fair" if said else "Strong")
