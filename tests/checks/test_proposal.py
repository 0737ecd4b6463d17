"""Proposed label spaces: how often chance proposes anything, what true structure is found, and what is said of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import stats

from latentlabels.checks.co_occurrence import co_occurrence
from latentlabels.checks.finding import Finding, Kind
from latentlabels.checks.proposal import Proposal, propose
from latentlabels.checks.sentences import sentence
from latentlabels.observed import Observed
from latentlabels.observed.known_table import DenseKnown
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("colour", ["colour_red", "colour_blue", "colour_green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("striped"),
        Free("sunny"),
        Free("lone", excludes="all"),
    ]
)
FREE = LabelSpace.free(SPACE.labels)


def complete(space: LabelSpace, size: int, seed: int = 0) -> NDArray[np.int8]:
    sets = np.array(list(space.label_sets()), dtype=np.int8)
    return sets[np.random.default_rng(seed).integers(len(sets), size=size)]


def present_alone(truth: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.where(truth == 1, 1, -1).astype(np.int8)


def lines(proposal: Proposal) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in yaml.safe_load(proposal.to_yaml())}


def test_complete_labels_give_the_space_that_they_were_drawn_from() -> None:
    proposal = propose(Observed(complete(SPACE, 1500), FREE))
    found = {frozenset(group.labels): group for group in proposal.space.groups}
    assert set(found) == {frozenset(group.labels) for group in SPACE.groups}
    for group in SPACE.groups:
        mine = found[frozenset(group.labels)]
        assert (mine.optional, mine.required, mine.excludes) == (group.optional, group.required, group.excludes)
    assert proposal.is_new and not proposal.notes
    kinds = {
        group.name: [one.kind for one in found] for group, found in zip(proposal.space.groups, proposal.evidence, strict=True)
    }
    assert kinds["colour"] == [Kind.EXCLUSIVE] and kinds["lone"] == [Kind.EXCLUDES_ALL] and kinds["striped"] == []
    assert LabelSpace.from_config(yaml.safe_load(proposal.to_yaml())) == proposal.space


def test_lists_of_present_labels_give_groups_but_not_what_they_require() -> None:
    proposal = propose(Observed(present_alone(complete(SPACE, 1500)), FREE))
    sets = {frozenset(group.labels) for group in proposal.space.groups if len(group.labels) > 1}
    assert sets == {frozenset(group.labels) for group in SPACE.groups if len(group.labels) > 1}
    assert all(
        group.optional and not group.required for group in proposal.space.groups
    )  # nothing shows that one is always there
    assert [note.kind for note in proposal.notes] == [Kind.NO_ABSENCES]


def test_one_known_label_per_image_tells_nothing_and_says_so() -> None:
    truth = complete(SPACE, 500)
    one = np.full_like(truth, -1)
    one[np.arange(500), (truth * np.random.default_rng(1).random(truth.shape)).argmax(1)] = 1
    one[truth.sum(1) == 0] = -1
    proposal = propose(Observed(one, FREE))
    assert not proposal.is_new and [note.kind for note in proposal.notes] == [Kind.NOTHING]
    assert proposal.space == FREE and "None of 500 images has several known labels" in proposal.to_yaml()


def test_a_name_that_says_none_is_proposed_where_nothing_speaks_against_it() -> None:
    space = LabelSpace.free(["rust", "No finding", "scab"])
    one = np.where(np.eye(3)[np.arange(60) % 3] == 1, 1, -1).astype(np.int8)
    assert lines(propose(Observed(one, space)))["No finding"] == {"name": "No finding", "excludes": "all"}
    one[0] = [1, 1, -1]
    assert not propose(Observed(one, space)).is_new


def test_many_classes_of_few_images_each_are_one_group() -> None:
    """No pair of them has evidence by itself."""
    one_hot = np.eye(100, dtype=np.int8)[np.arange(2000) % 100]
    (group,) = propose(Observed(one_hot, LabelSpace.free(map(str, range(100))))).space.groups
    assert isinstance(group, OneOf) and not group.optional and len(group.labels) == 100


def test_one_hot_tables_are_one_group_of_which_each_image_shows_a_label() -> None:
    one_hot = np.eye(4, dtype=np.int8)[np.random.default_rng(0).integers(4, size=400)]
    (group,) = propose(Observed(one_hot, LabelSpace.free("abcd"))).space.groups
    assert isinstance(group, OneOf) and not group.optional and group.labels == ("a", "b", "c", "d")
    some = np.concatenate([one_hot, np.zeros((5, 4), np.int8)])
    (group,) = propose(Observed(some, LabelSpace.free("abcd"))).space.groups
    assert group.optional


def test_declared_groups_stay_with_what_is_known_of_them() -> None:
    truth = complete(SPACE, 300)
    proposal = propose(Observed(truth, SPACE))
    assert proposal.space == SPACE and not proposal.is_new
    assert proposal.evidence[0][0].facts == {"num_images": int(truth[:, :3].any(1).sum())}


@pytest.mark.parametrize("answers", ["complete", "present alone", "some asked"])
def test_chance_proposes_anything_as_rarely_as_is_said(answers: str) -> None:
    """Independent labels of very different prevalences: any line at all in at most `level` of the data sets."""
    level, rng, false, runs = 0.2, np.random.default_rng(0), 0, 250
    for _ in range(runs):
        rates = rng.beta(0.5, 1.5, size=12)
        truth = (rng.random((150, 12)) < rates).astype(np.int8)
        known = truth
        if answers == "present alone":
            known = present_alone(np.where(rng.random(truth.shape) < 0.5, truth, 0))
        elif answers == "some asked":
            known = np.where(rng.random(truth.shape) < 0.6, truth, -1).astype(np.int8)
        false += propose(Observed(known.astype(np.int8), LabelSpace.free("abcdefghijkl")), level).is_new
    assert stats.binom.sf(false - 1, runs, level) > 1e-4


def test_the_false_alarms_would_be_seen() -> None:
    """With a far lower threshold chance proposes groups nearly always."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(60):
        truth = (rng.random((60, 30)) < rng.beta(0.5, 1.5, size=30)).astype(np.int8)
        false += propose(Observed(truth, LabelSpace.free(map(str, range(30)))), 1e5).is_new
    assert false > 30


@pytest.mark.parametrize("listed", [False, True])
def test_expected_numbers_are_those_of_independent_labels(listed: bool) -> None:
    """Never more than are seen on average, so that the stated chance is an upper bound."""
    rng, seen, expected = np.random.default_rng(0), np.zeros((6, 6)), np.zeros((6, 6))
    rates = np.linspace(0.1, 0.6, 6)
    for _ in range(200):
        truth = (rng.random((100, 6)) < rates).astype(np.int8)
        found = co_occurrence(DenseKnown(present_alone(truth) if listed else truth), range(6))
        seen += found.together / 200
        expected += found.expected / 200
    off = ~np.eye(6, dtype=bool)
    assert (expected[off] <= 1.05 * seen[off]).all()
    assert (expected[off] >= (0.6 if listed else 0.95) * seen[off]).all()


def test_labels_that_are_known_too_rarely_are_named() -> None:
    truth = complete(SPACE, 1500)
    rare = np.zeros((1500, 1), np.int8)
    rare[:2] = 1
    proposal = propose(Observed(np.concatenate([truth, rare], 1), LabelSpace.free([*SPACE.labels, "rare"])))
    (note,) = proposal.notes
    assert note.kind is Kind.UNDECIDED and note.labels == ("rare",)


def test_two_names_of_one_label_are_noted_and_not_proposed() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 4)) < 0.4).astype(np.int8)
    truth[:, 3] = truth[:, 1]
    proposal = propose(Observed(truth, LabelSpace.free("abcd")))
    assert not proposal.is_new
    (note,) = proposal.notes
    assert note.kind is Kind.ALWAYS_TOGETHER and note.labels == ("b", "d")


def test_what_is_proposed_agrees_with_all_that_is_known() -> None:
    """A relation that holds in the rows that were looked at, and is broken once elsewhere, is not proposed."""
    truth = complete(SPACE, 1500)
    broken = truth.copy()
    row = int(np.flatnonzero((truth[:, SPACE.index("two")] == 1) & (truth[:, SPACE.index("car")] == 1))[0])
    broken[row, SPACE.index("car")] = -1
    broken[row, SPACE.index("bike")] = 1  # two doors on a bike, and nobody knows of the car
    proposal = propose(Observed(broken, FREE))
    doors = proposal.space.group_of("two")
    assert not doors.required


def test_names_that_mean_something_to_yaml_come_back() -> None:
    names = ["yes", "null", "1", "=cmd", "a, b", "new\nline", "#hash", "שלום", "x: y", "'q'", "- dash", "x" * 300]
    one_hot = np.eye(len(names), dtype=np.int8)[np.arange(600) % len(names)]
    proposal = propose(Observed(one_hot, LabelSpace.free(names)))
    assert LabelSpace.from_config(yaml.safe_load(proposal.to_yaml())) == proposal.space
    assert set(proposal.space.labels) == set(names) and len(proposal.space.groups) == 1
    assert json.loads(json.dumps(proposal.to_dict()))["labels"][0]["one_of"] == names


@pytest.mark.parametrize(
    "kind, facts, labels, words",
    [
        (
            Kind.EXCLUSIVE,
            {"expected": 40.04, "num_images": 900, "with_one": 90, "with_none": 10},
            ("a", "b"),
            "Never two of them in one of 900 images; 40.0 images with two were to be expected by chance. Among images for "
            "which all of these labels are known, 10 of 100 show none.",
        ),
        (
            Kind.EXCLUDES_ALL,
            {"num_images": 44, "others_alone": 0.02},
            ("x",),
            "Known in 44 images, never with another label; of the known labels of others, 2 % are the only one of their image.",
        ),
        (
            Kind.EXCLUDES_ALL,
            {"num_images": 0, "others_alone": None},
            ("none",),
            "Never known to be present; its name says that an image shows none of the others.",
        ),
        (
            Kind.REQUIRES,
            {"required": "car", "num_images": 754, "share": 0.5},
            ("two", "four"),
            'Never without "car": it is present in each of 754 images that show one of these, and in 50 % of all.',
        ),
        (Kind.DECLARED, {"num_images": 1}, ("a",), "As declared, or as a column of the table says; known in 1 image."),
    ],
)
def test_evidence_in_words(kind: Kind, facts: dict[str, object], labels: tuple[str, ...], words: str) -> None:
    from latentlabels.checks.finding import Severity

    assert sentence(Finding(kind, Severity.LOOK, labels, facts)) == words
