"""Known labels that a model doubts, against a loop over all entries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentlabels.checks import SuspectLabel, suspect_labels
from latentlabels.errors import DataError
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [OneOf("colour", ["blue", "red", "green"]), OneOf("vehicle", ["car", "bike"], optional=True), Free("night"), Free("rain")]
)


def _slowly(observed: np.ndarray, p: np.ndarray, space: LabelSpace) -> list[SuspectLabel]:
    """All known labels, as the documentation says it, one by one."""
    found = []
    for row in range(len(p)):
        for k, label in enumerate(space.labels):
            value, likely = int(observed[row, k]), float(p[row, k])
            if value == -1 or math.isnan(likely):
                continue
            if value == 0:
                found.append(SuspectLabel(row, label, 0, 1 - likely, label, likely))
                continue
            free = [j for j in range(space.num_labels) if observed[row, j] == -1 and not math.isnan(p[row, j])]
            group = space.group_of(label)
            instead = None
            if isinstance(group, OneOf):
                members = [j for j in free if space.labels[j] in group.labels]
                none = 1 - sum(float(p[row, j]) for j in space.columns(group) if not math.isnan(p[row, j]))
                better = [j for j in members if p[row, j] > likely and p[row, j] > none]
                instead = max(better, key=lambda j: p[row, j], default=None)
            if instead is None:
                instead = max(free, key=lambda j: p[row, j], default=None)
            rest = () if instead is None else (space.labels[instead], float(p[row, instead]))
            found.append(SuspectLabel(row, label, 1, likely, *rest))
    return sorted(found, key=lambda one: one.probability)


def _case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.random((40, 7))
    p[:, :3] /= p[:, :3].sum(1, keepdims=True)
    p[:, 3:5] /= (p[:, 3:5].sum(1) + rng.random(40))[:, None]
    p[rng.random(p.shape) < 0.05] = np.nan
    p[5] = np.nan
    return rng.choice([-1, -1, 0, 1], p.shape), p


@pytest.mark.parametrize("seed", range(4))
def test_surprises_are_those_of_a_loop(seed: int) -> None:
    observed, p = _case(seed)
    expected = _slowly(observed, p, SPACE)
    assert {type(one.instead) for one in expected} >= {str}
    found = suspect_labels(observed, p, SPACE, limit=1000)
    assert len(found) == len(expected) > 50
    for one, other in zip(found, expected, strict=True):
        assert one[:3] == other[:3]
        assert one.instead == other.instead
        assert (one.probability, one.instead_probability) == pytest.approx(
            (other.probability, other.instead_probability), nan_ok=True
        )
    assert repr(suspect_labels(observed, p, SPACE)) == repr(found[:20])
    assert suspect_labels(observed, p, SPACE, limit=0) == []


def test_what_the_model_would_rather_say() -> None:
    p = np.array([[0.9, 0.1, 0.0, 0.02, 0.03, 0.7, 0.2]])

    def of(label: str, value: int = 1, **known: int) -> tuple[str | None, float]:
        observed = np.full((1, 7), -1)
        for name, stated in {label: value, **known}.items():
            observed[0, SPACE.index(name)] = stated
        (one,) = [one for one in suspect_labels(observed, p, SPACE) if one.label == label]
        return one.instead, one.instead_probability

    assert of("red") == ("blue", 0.9)  # of the same group
    assert of("red", blue=0) == ("night", 0.7)  # blue is known not to be there
    assert of("car") == ("blue", 0.9)  # neither vehicle is likely: the image's most probable label
    assert of("rain") == ("blue", 0.9)
    assert of("blue", 0) == ("blue", 0.9)
    assert of("night", blue=1) == ("rain", 0.2)


def test_nothing_else_to_say() -> None:
    (one,) = suspect_labels([[1]], [[0.1]], LabelSpace.free(["x"]))
    assert one[:5] == (0, "x", 1, 0.1, None)
    assert math.isnan(one.instead_probability)
    assert suspect_labels(np.full((3, 7), -1), np.full((3, 7), 0.5), SPACE) == []
    assert suspect_labels(np.empty((0, 7)), np.empty((0, 7)), SPACE) == []


@pytest.mark.parametrize(
    ("observed", "p", "message"),
    [
        (np.zeros((2, 7)), np.zeros((3, 7)), r"\(2, 7\), marginals have \(3, 7\)"),
        (np.zeros((2, 3)), np.zeros((2, 3)), r"marginals have shape \(2, 3\), but the space has 7 labels"),
        (np.full((2, 7), 2), np.zeros((2, 7)), "observed holds 2"),
        (np.zeros((2, 7)), np.full((2, 7), 1.5), "probabilities lie in"),
    ],
)
def test_what_does_not_fit_is_an_error(observed: np.ndarray, p: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        suspect_labels(observed, p, SPACE)
