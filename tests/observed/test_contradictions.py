"""Known labels that cannot all be true: what is forgotten, against brute force over all sets of known labels."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from latentlabels.errors import LabelSpaceError
from latentlabels.observed.contradictions import settle
from latentlabels.space import Free, LabelSpace, OneOf
from latentlabels.space.feasibility import feasible


def drawn_space(draw: random.Random) -> LabelSpace:
    """A small label space with conditions and exclusions."""
    while True:
        labels = [f"l{k}" for k in range(draw.randint(3, 7))]
        groups: list[Free | OneOf] = []
        place = 0
        while place < len(labels):
            some = labels[place : place + draw.choice([1, 1, 2, 3])]
            conditions: dict[str, str] = {}
            if place and draw.random() < 0.4:
                conditions["requires"] = draw.choice(labels[:place])
            elif draw.random() < 0.3:
                conditions["excludes"] = draw.choice(["all", draw.choice(labels)])
            one = len(some) == 1 and draw.random() < 0.7
            optional = draw.random() < 0.5
            groups.append(Free(some[0], **conditions) if one else OneOf(f"g{place}", some, optional=optional, **conditions))
            place += len(some)
        try:
            return LabelSpace(groups)
        except LabelSpaceError:
            continue


def label_sets(space: LabelSpace) -> np.ndarray:
    """All valid label sets: (S, K)."""
    every = np.array(list(itertools.product([0, 1], repeat=space.num_labels)), np.int8)
    return every[feasible(every, space)]


def agrees(row: np.ndarray, some: np.ndarray, sets: np.ndarray) -> bool:
    """Whether a valid label set agrees with some known labels of a row: looked up among all label sets."""
    return bool((sets[:, some] == row[some]).all(1).any())


def forgotten(row: np.ndarray, space: LabelSpace) -> np.ndarray:
    """Known labels without those in the smallest sets that cannot be true, until the rest can."""
    row, size, sets = row.copy(), 1, label_sets(space)
    while not agrees(row, np.flatnonzero(row != -1), sets):
        known = np.flatnonzero(row != -1)
        wrong = [some for some in itertools.combinations(known, size) if not agrees(row, np.array(some), sets)]
        row[[k for some in wrong for k in some]] = -1
        size += 1
    return row


def contradicting(number: int) -> list[tuple[LabelSpace, np.ndarray, random.Random]]:
    draw, out = random.Random(0), []
    while len(out) < number:
        space = drawn_space(draw)
        row = np.array([draw.choice([-1, 0, 1, 1]) for _ in space.labels], np.int8)
        if not feasible(row[None], space)[0]:
            out.append((space, row, draw))
    return out


def test_what_is_forgotten_is_what_brute_force_forgets() -> None:
    for space, row, _ in contradicting(150):
        settled, found = settle(row[None], None, space, ["x"], "unknown")
        assert settled[0].tolist() == forgotten(row, space).tolist(), (space.groups, row)
        assert found[0].labels == tuple(space.labels[k] for k in np.flatnonzero(settled[0] != row))


def test_a_vote_keeps_what_more_statements_say_and_what_agrees_with_it() -> None:
    for space, row, draw in contradicting(150):
        votes = np.array([[draw.randint(1, 3) for _ in row]])
        settled, _ = settle(row[None], votes, space, ["x"], "vote")
        kept = np.flatnonzero(settled[0] != -1)
        assert (settled[0][kept] == row[kept]).all() and agrees(row, kept, label_sets(space))
        top = np.flatnonzero((row != -1) & (votes[0] == votes[0][row != -1].max()))
        if agrees(row, top, label_sets(space)):  # those of most votes agree with each other: all of them stay
            assert {*top.tolist()} <= {*kept.tolist()}


def test_refuse_leaves_the_values_and_lists_them() -> None:
    space = LabelSpace([OneOf("colour", ["red", "blue"]), Free("striped")])
    row = np.array([[1, 1, 1]], np.int8)
    settled, found = settle(row, None, space, ["x"], "refuse", [["t.csv:2"]])
    assert settled.tolist() == row.tolist()
    assert str(found[0]) == 'x: "red" and "blue" exclude each other (group "colour") (t.csv:2)'


@pytest.mark.parametrize("policy", ["unknown", "vote"])
def test_many_known_labels(policy: str) -> None:
    space = LabelSpace([OneOf("kind", [f"k{k}" for k in range(150)]), Free("striped")])
    row = np.zeros((1, 151), np.int8)
    row[0, [0, 150]] = 1, 1
    row[0, 1] = 1  # two of a kind, and the absence of all others
    settled, _ = settle(row, np.ones_like(row, np.int64), space, ["x"], policy)  # type: ignore[arg-type]
    assert feasible(settled, space).all() and settled[0, 150] == 1
    assert settled[0, 0] == settled[0, 1] == -1
