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


# --- groups below other outcomes than a single label --------------------------------------------------------------

FINDINGS = LabelSpace(
    [
        OneOf("view", ["front", "side"]),
        Free("edema"),
        OneOf("size", ["small", "large"], requires="edema"),
        Free("no finding", excludes="all"),
        OneOf("side", ["left", "right", "both"], optional=True),
        Free("shift", requires=["left", "right"]),
        Free("bridge", excludes=["left"]),
    ]
)


@pytest.mark.parametrize(
    "present, absent, words",
    [
        ("edema|no finding", "", '"no finding" and "edema" exclude each other ("no finding" excludes all other labels)'),
        ("small|no finding", "", '"no finding" and "small" exclude each other ("no finding" excludes all other labels)'),
        ("shift", "left|right", '"shift" is known to be present and requires "left" or "right", which are known to be absent'),
        ("shift|both", "", '"both" and "left" or "right" (required by "shift") exclude each other (group "side")'),
        ("bridge|left", "", '"left" and "bridge" exclude each other'),
        (
            "bridge|shift",
            "right",
            'no label of group "side" is possible, but an image without "no finding" shows one of them or none: "shift" allows '
            'only "left" or "right"; "bridge" allows only "right" or "both" or none of them; "right" is known to be absent',
        ),
        (
            "edema",
            "front|side",
            'all labels of group "view" are known to be absent, but an image without "no finding" shows one of them',
        ),
        (
            "",
            "front|side|no finding",
            'all labels of group "view" are known to be absent, but an image without "no finding", as here, shows one of them',
        ),
    ],
)
def test_reason_in_words_below_other_outcomes(present: str, absent: str, words: str) -> None:
    space = FINDINGS
    values = np.full(space.num_labels, -1, dtype=np.int8)
    for names, value in ((present, 1), (absent, 0)):
        values[[space.index(name) for name in names.split("|") if name]] = value
    assert not feasible(values[None], space)[0]
    assert contradiction(values, space) == words


def mentioned(space: LabelSpace, values: Rows, words: str) -> list[bool]:
    """Which labels a text names, or are of groups that it names or below them; or are present below a label that it names."""
    named = set(re.findall('"([^"]+)"', words))
    inside = {group.name for group in space.groups if f'group "{group.name}"' in words}
    holding = {group.name for group in space.groups if named & set(group.labels)}
    for group in space.parents_first:
        parent = space.parent(group)
        if parent is not None:
            inside |= {group.name} if parent.group in inside else set()
            holding |= {group.name} if parent.group in holding else set()
    return [
        label in named or group.name in inside or (group.name in holding and values[space.index(label)] == 1)
        for group in space.groups
        for label in group.labels
    ]


def test_every_reason_holds_by_the_labels_that_it_names() -> None:
    checked = 0
    for seed in range(120):
        space = random_space(seed, most=6)
        rows, sets = all_rows(space.num_labels), label_sets(space)
        rows = rows[~feasible(rows, space)]
        for values in rows[np.random.default_rng(seed).permutation(len(rows))[:40]]:
            words = contradiction(values, space)
            assert words != "no valid label set agrees with the known labels"
            kept = np.where(mentioned(space, values, words), values, -1)
            assert not brute_force(kept[None], sets)[0], (words, space.groups, values)
            checked += 1
    assert checked > 2000
