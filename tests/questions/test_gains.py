import math

import numpy as np
import pytest
import torch
from oracle import vectors

from latentlabels import DataError, Free, LabelSpace, LabelSpaceError, OneOf, Posterior
from latentlabels.questions import group_gains, label_gains, label_gains_about

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("striped"),
    ]
)


def posterior(space: LabelSpace, rows: int, seed: int = 0) -> Posterior:
    generator = torch.Generator().manual_seed(seed)
    return Posterior(space.distribution(1.5 * torch.randn(rows, space.num_logits, generator=generator)))


def entropy(probs: np.ndarray) -> float:
    return float(-sum(p * math.log(p) for p in probs if p > 0))


def expected_entropy(y: np.ndarray, probs: np.ndarray, answer: np.ndarray, seen: np.ndarray) -> float:
    """E H(seen | answer) by enumeration, for functions of the label sets y."""
    total = 0.0
    for one in np.unique(answer):
        rows = answer == one
        share = probs[rows].sum()
        if share > 0:
            each = [probs[rows & (seen == value)].sum() / share for value in np.unique(seen)]
            total += share * entropy(np.array(each))
    return total


def enumerated(found: Posterior, row: int) -> tuple[np.ndarray, np.ndarray]:
    y = vectors(found.space.num_labels)
    log_prob = found[row].distribution.log_prob(y.float().unsqueeze(1))[:, 0]
    return y.numpy(), log_prob.double().exp().numpy()


def test_gain_of_a_label_is_the_expected_reduction_of_entropy_by_enumeration():
    found = posterior(SPACE, 5)
    gains = label_gains(found.marginals.astype(float))
    for row in range(5):
        y, probs = enumerated(found, row)
        whole = np.arange(len(y))
        for k in range(SPACE.num_labels):
            expected = entropy(probs) - expected_entropy(y, probs, y[:, k], whole)
            assert gains[row, k] == pytest.approx(expected, abs=1e-5)


def test_gain_of_a_group_is_the_expected_reduction_of_entropy_by_enumeration():
    found = posterior(SPACE, 5, seed=1)
    gains = group_gains(found.marginals.astype(float), SPACE, SPACE.groups)
    for row in range(5):
        y, probs = enumerated(found, row)
        for g, group in enumerate(SPACE.groups):
            columns = SPACE.columns(group)
            answer = y[:, columns] @ np.arange(1, len(columns) + 1)
            expected = entropy(probs) - expected_entropy(y, probs, answer, np.arange(len(y)))
            assert gains[row, g] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("target", ["car", "two", "striped"])
def test_gain_about_one_label_by_enumeration(target: str):
    found, t = posterior(SPACE, 4, seed=2), SPACE.index(target)
    gains = label_gains_about(found.distribution, t)
    for row in range(4):
        y, probs = enumerated(found, row)
        for k in range(SPACE.num_labels):
            nothing = np.zeros(len(y))
            before = expected_entropy(y, probs, nothing, y[:, t])
            assert gains[row, k] == pytest.approx(before - expected_entropy(y, probs, y[:, k], y[:, t]), abs=1e-5)


def test_the_free_label_nearest_one_half_is_asked_first():
    space = LabelSpace.free(["a", "b", "c"])
    p = torch.tensor([[0.9, 0.45, 0.1], [0.2, 0.7, 0.52], [0.01, 0.3, 0.99]])
    asked = Posterior(space.distribution(p.logit())).next_questions(9, random_share=0.0)
    best = [(one.row, one.label) for one in sorted(asked, key=lambda one: -one.gain)]
    order = sorted((abs(float(p[i, k]) - 0.5), i, k) for i in range(3) for k in range(3))
    assert [(i, space.labels[k]) for _, i, k in order] == best


def test_about_asks_the_label_itself_where_it_is_independent_of_all_others():
    space = LabelSpace.free(["a", "b", "c"])
    asked = posterior(space, 6).next_questions(4, about="b", random_share=0.0)
    assert {one.label for one in asked} == {"b"}


def test_what_is_known_or_implied_is_not_asked():
    found = posterior(SPACE, 3).given(present=["bike", "blue"])
    asked = found.next_questions(100, per_label=True)
    assert {one.label for one in asked} == {"striped"}  # no doors without a car, no red beside blue
    assert not found.given(present=["striped"]).next_questions(100)
    known = np.full((3, SPACE.num_labels), -1, np.int8)
    known[1, SPACE.index("striped")] = 0
    assert {one.row for one in found.next_questions(100, known=known)} == {0, 2}


def test_choices_and_probabilities_of_questions():
    found = posterior(SPACE, 2)
    asked = {(one.row, one.label or one.group): one for one in found.next_questions(100)}
    assert asked[0, "colour"].choices == ("blue", "red")
    assert asked[0, "vehicle"].choices == ("car", "bike", "none")
    assert asked[0, "doors"].choices == ("two", "four", "none")
    assert asked[0, "striped"].choices == ("yes", "no")
    for one in asked.values():
        assert sum(one.probabilities) == pytest.approx(1, abs=1e-5)
    assert asked[1, "striped"].probabilities[0] == pytest.approx(float(found.marginals[1, -1]))


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        ({"n": 0}, DataError, "at least one question"),
        ({"random_share": 1.5}, DataError, "between 0 and 1"),
        ({"most_per_image": 0}, DataError, "at least 1"),
        ({"features": np.zeros((2, 3))}, DataError, "3 images"),
        ({"features": np.full((3, 2), np.nan)}, DataError, "not finite"),
        ({"known": np.zeros((1, 2), np.int8)}, DataError, "shape"),
        ({"about": "plane"}, LabelSpaceError, "plane"),
    ],
)
def test_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        posterior(SPACE, 3).next_questions(**wrong)


def test_what_was_skipped_is_not_asked_again() -> None:
    """A skip closes a label, or all labels of a group: 2 in the table of what is known."""
    q = posterior(SPACE, rows=3)
    open_ = {(one.row, one.group or one.label) for one in q.next_questions(100, random_share=0.0)}
    assert {(0, "colour"), (0, "striped"), (1, "colour")} <= open_
    known = np.full((3, SPACE.num_labels), -1, np.int8)
    known[0, [*SPACE.columns(SPACE.named("colour")), SPACE.index("striped")]] = 2
    asked = {(one.row, one.group or one.label) for one in q.next_questions(100, known=known, random_share=0.0)}
    assert open_ - asked == {(0, "colour"), (0, "striped")}
