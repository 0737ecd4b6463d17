"""`feasible` and `contradiction` against all label sets of small spaces."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import random_space

from latentlabels.space import Free, LabelSpace, OneOf
from latentlabels.space.feasibility import contradiction, feasible

Rows = NDArray[np.int8]


def label_sets(space: LabelSpace) -> Rows:
    return np.array(list(space.label_sets()), dtype=np.int8)


def brute_force(rows: Rows, sets: Rows) -> NDArray[np.bool_]:
    """Whether some valid label set agrees with all that a row knows."""
    agrees = (rows[:, None] == -1) | (rows[:, None] == sets[None])
    return agrees.all(2).any(1)


def all_rows(num_labels: int) -> Rows:
    return np.array(list(itertools.product((-1, 0, 1), repeat=num_labels)), dtype=np.int8)


def row(space: LabelSpace, present: str = "", absent: str = "") -> Rows:
    values = np.full(space.num_labels, -1, dtype=np.int8)
    for label in present.split():
        values[space.index(label)] = 1
    for label in absent.split():
        values[space.index(label)] = 0
    return values


# --- feasible ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_feasible_is_brute_force_over_every_row_of_a_small_space(seed: int) -> None:
    space = random_space(seed, most=6)
    rows = all_rows(space.num_labels)
    np.testing.assert_array_equal(feasible(rows, space), brute_force(rows, label_sets(space)))


@pytest.mark.parametrize("seed", range(100, 120))
def test_feasible_is_brute_force_on_rows_of_larger_spaces(seed: int) -> None:
    space = random_space(seed, most=12)
    sets, rng = label_sets(space), np.random.default_rng(seed)
    # random rows are almost never feasible; rows near a valid label set are often on the border
    rows = sets[rng.integers(len(sets), size=400)]
    rows = np.where(rng.random(rows.shape) < 0.08, 1 - rows, rows).astype(np.int8)
    rows[rng.random(rows.shape) < 0.4] = -1
    np.testing.assert_array_equal(feasible(rows, space), brute_force(rows, sets))


def test_the_spaces_hold_both_kinds_of_rows_in_number() -> None:
    share = [feasible(all_rows(space.num_labels), space).mean() for space in (random_space(seed, most=6) for seed in range(60))]
    assert 0.1 < np.mean(share) < 0.9


def test_no_rows_are_no_trouble() -> None:
    space = random_space(3)
    assert feasible(np.empty((0, space.num_labels), dtype=np.int8), space).shape == (0,)


def test_nothing_known_is_feasible_in_every_space() -> None:
    for seed in range(30):
        space = random_space(seed)
        assert feasible(np.full((1, space.num_labels), -1, dtype=np.int8), space).all()


@pytest.mark.parametrize(
    "space, present, absent, expected",
    [
        (LabelSpace([Free("a")]), "", "a", True),
        (LabelSpace([OneOf("g", ["a"])]), "a", "", True),
        (LabelSpace([OneOf("g", ["a"])]), "", "a", False),  # of a group of one label, that one always applies
        (LabelSpace([OneOf("g", ["a"], optional=True)]), "", "a", True),
        (LabelSpace([OneOf("g", ["a", "b"])]), "", "a", True),
        (LabelSpace([OneOf("g", ["a", "b"], optional=True)]), "a b", "", False),
    ],
)
def test_groups_of_one_and_two_labels(space: LabelSpace, present: str, absent: str, expected: bool) -> None:
    assert feasible(row(space, present, absent)[None], space).tolist() == [expected]


# --- contradiction ----------------------------------------------------------------------------------------------

CARS = LabelSpace(
    [
        OneOf("colour", ["red", "blue"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("hatch", requires="four"),
        OneOf("print", ["dots"], requires="red"),
    ]
)


@pytest.mark.parametrize(
    "present, absent, words",
    [
        ("red blue", "", '"red" and "blue" exclude each other (group "colour")'),
        ("two", "car", '"two" is known to be present and requires "car", which is known to be absent'),
        ("hatch", "car", '"hatch" is known to be present and requires "car", which is known to be absent'),
        ("hatch", "four", '"hatch" is known to be present and requires "four", which is known to be absent'),
        ("bike two", "", '"car" (required by "two") and "bike" exclude each other (group "vehicle")'),
        ("hatch two", "", '"two" and "four" (required by "hatch") exclude each other (group "doors")'),
        ("", "red blue", 'all labels of group "colour" are known to be absent, but every image shows one of them'),
        (
            "car",
            "two four",
            'all labels of group "doors" are known to be absent, but an image with "car" shows one of them',
        ),
        (
            "",
            "blue dots",
            'no label of group "colour" is possible, but every image shows one of them: "red" needs a label of group '
            '"print", and all '
            'of them are excluded; "blue" is known to be absent',
        ),
    ],
)
def test_reason_in_words(present: str, absent: str, words: str) -> None:
    values = row(CARS, present, absent)
    assert not feasible(values[None], CARS)[0]
    assert contradiction(values, CARS) == words


def ancestors(space: LabelSpace, label: str) -> list[str]:
    above = space.group_of(label).requires
    return [] if above is None else [above, *ancestors(space, above)]


def shown(space: LabelSpace, values: Rows, label: str) -> bool:
    """Whether a label is known to be present, or required by one that is."""
    return any(values[k] == 1 and label in (one, *ancestors(space, one)) for k, one in enumerate(space.labels))


def only(space: LabelSpace, values: Rows, group: str) -> Rows:
    """What is known of a group and all below it, and that the group applies: nothing else."""
    group_labels = next(one for one in space.groups if one.name == group).labels
    out = np.full_like(values, -1)
    for k, label in enumerate(space.labels):
        if label in group_labels or set(ancestors(space, label)) & set(group_labels):
            out[k] = values[k]
    for above in ancestors(space, group_labels[0]):
        out[space.index(above)] = 1
    return out


def check_reason(space: LabelSpace, values: Rows, words: str) -> str:
    """Check a stated reason by itself, against the definitions; return its kind."""
    known = dict(zip(space.labels, values.tolist(), strict=True))
    groups = {group.name: group for group in space.groups}
    if found := re.fullmatch('"(.+)" is known to be present and requires "(.+)", which is known to be absent', words):
        label, above = found.groups()
        assert known[label] == 1
        assert known[above] == 0
        assert above in ancestors(space, label)
        return "requires"
    pair = r'"([^"]+)"(?: \(required by "([^"]+)"\))? and "([^"]+)"(?: \(required by "([^"]+)"\))?'
    if found := re.fullmatch(pair + r' exclude each other \(group "(.+)"\)', words):
        first, first_by, second, second_by, group = found.groups()
        assert first != second
        assert {first, second} <= set(groups[group].labels)
        for label, by in ((first, first_by), (second, second_by)):
            assert known[by or label] == 1
            assert by is None or label in ancestors(space, by)
        return "exclusive"
    found = re.fullmatch('(all labels|no label) of group "([^"]+)" (.*)', words)
    assert found is not None, words
    group = groups[found[2]]
    assert not group.optional
    where = re.search('but an image with "([^"]+)" shows one of them', words)
    assert (where[1] if where else None) == group.requires
    assert group.requires is None or shown(space, values, group.requires)
    if found[1] == "all labels":
        assert all(known[label] == 0 for label in group.labels)
        return "all absent"
    sets = label_sets(space)
    assert not brute_force(only(space, values, group.name)[None], sets)[0]
    reasons = words.split(": ", 1)[1].split("; ")
    assert len(reasons) == len(group.labels)
    for label, reason in zip(group.labels, reasons, strict=True):
        assert reason.startswith(f'"{label}" ')
        below = re.search('needs a label of group "([^"]+)"', reason)
        if below is None:
            assert known[label] == 0
        else:
            assert groups[below[1]].requires == label
            assert not brute_force(only(space, values, below[1])[None], sets)[0]
    return "none left"


def test_every_contradiction_has_a_reason_that_is_true() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(60):
        space = random_space(seed, most=6, plain=True)
        rows = all_rows(space.num_labels)
        rows = rows[~feasible(rows, space)]
        picked = np.random.default_rng(seed).permutation(len(rows))[:60]
        kinds.update(check_reason(space, values, contradiction(values, space)) for values in rows[picked])
    assert set(kinds) == {"requires", "exclusive", "all absent", "none left"}
