"""What groups hang below: several required labels, labels that exclude others, and declarations that are no forest."""

from __future__ import annotations

import itertools

import oracle
import pytest

from latentlabels.errors import LabelSpaceError
from latentlabels.space import Free, Group, LabelSpace, OneOf, Parent

VEHICLE = OneOf("vehicle", ["car", "truck", "bike"], optional=True)


def sets(space: LabelSpace) -> set[frozenset[str]]:
    return {frozenset(label for label, here in zip(space.labels, y, strict=True) if here) for y in space.label_sets()}


def test_any_of_several_required_labels_will_do() -> None:
    space = LabelSpace([VEHICLE, OneOf("doors", ["two", "four"], requires=["truck", "car"])])
    assert space.parent(space.groups[1]) == Parent("vehicle", ("car", "truck"))
    assert sets(space) == {frozenset(), frozenset({"bike"})} | {
        frozenset(pair) for pair in itertools.product(("car", "truck"), ("two", "four"))
    }
    assert space.children["car"] == space.children["truck"] == (space.groups[1],)
    assert OneOf("g", ["a"], requires=["car"]) == OneOf("g", ["a"], requires="car")


def test_a_label_that_excludes_all_others() -> None:
    space = LabelSpace([Free("edema"), Free("no finding", excludes="all"), OneOf("view", ["front", "side"])])
    assert space.roots == (space.groups[1],)
    assert sets(space) == {frozenset({"no finding"})} | {
        frozenset({view, *rest}) for view in ("front", "side") for rest in ((), ("edema",))
    }
    (only,) = space.exhaustive_sets
    assert only.groups == ("no finding", "view") and set(only.labels) == {"no finding", "front", "side"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_several_labels_that_exclude_all_others_form_a_chain(order: tuple[int, ...]) -> None:
    groups: list[Group] = [Free("a"), Free("healthy", excludes="all"), Free("unreadable", excludes="all"), Free("b")]
    space = LabelSpace(groups[number] for number in order)
    assert sets(space) == {frozenset(s) for s in ((), ("a",), ("b",), ("a", "b"), ("healthy",), ("unreadable",))}


def test_two_of_them_in_one_group_mean_the_same() -> None:
    apart = LabelSpace([Free("healthy", excludes="all"), Free("unreadable", excludes="all"), Free("a"), Free("b")])
    together = LabelSpace([OneOf("status", ["healthy", "unreadable"], True, excludes="all"), Free("a"), Free("b")])
    assert sets(apart) == sets(together)


def test_some_labels_of_a_group_are_excluded() -> None:
    space = LabelSpace([VEHICLE, Free("number plate", excludes=["bike"])])
    assert space.parent(space.groups[1]) == Parent("vehicle", ("car", "truck"), none=True)
    assert frozenset({"bike", "number plate"}) not in sets(space) and len(sets(space)) == 7


def test_a_label_and_the_two_that_exclude_it() -> None:
    """The label stands above them, as they can be present together."""
    space = LabelSpace([Free("sunny", excludes=["night"]), Free("cloudy", excludes=["night"]), Free("night")])
    assert space.roots == (space.groups[2],)
    assert sets(space) == {frozenset(s) for s in ((), ("night",), ("sunny",), ("cloudy",), ("sunny", "cloudy"))}


def test_what_requires_the_same_can_exclude_each_other() -> None:
    space = LabelSpace([VEHICLE, Free("taxi", "car", excludes=["police"]), Free("police", "car")])
    assert space.parent(space.groups[1]) == Parent("vehicle", ("car",))
    assert space.parent(space.groups[2]) == Parent("taxi", (), none=True)


def test_a_declaration_from_both_sides_is_one() -> None:
    once = LabelSpace([Free("a", excludes=["b"]), Free("b")])
    assert sets(once) == sets(LabelSpace([Free("a", excludes="b"), Free("b", excludes="a")]))


def test_what_is_implied_may_be_said() -> None:
    """A label excludes what requires one that it excludes."""
    space = LabelSpace([Free("empty", excludes=["car", "doors"]), Free("car"), Free("doors", "car")])
    assert sets(space) == {frozenset(s) for s in ((), ("empty",), ("car",), ("car", "doors"))}


@pytest.mark.parametrize(
    "groups, message",
    [
        (
            [Free("car"), Free("boat"), Free("engine", requires=["car", "boat"])],
            'requires "car" or "boat", but "car" is of group "car" and "boat" of group "boat".*that "engine" and all of',
        ),
        ([Free("a", requires=["b"]), Free("c")], 'requires "b", which is not a label'),
        ([Free("a", excludes=["edena"]), Free("edema")], 'excludes "edena", which is not a label.*did you mean "edema"'),
        ([Free("a", excludes=["a"]), Free("b")], 'excludes "a", its own label'),
        ([Free("a", "b", excludes=["b"]), Free("b")], 'both requires and excludes "b"'),
        ([Free("a", "b", excludes="all"), Free("b")], 'all other labels and requires "b", so it could never be present'),
        ([Free("a", excludes="all"), Free("b", "a")], '"b" requires "a", but "a" excludes all other labels'),
        ([Free("a", excludes=["b"]), Free("b", "a")], '"a" excludes "b", which requires it'),
        (
            [Free("a", excludes=["c"]), Free("b"), Free("c", "b")],
            '"a" excludes "c", but "c" requires "b" and "a" requires nothing.*let both require the same',
        ),
        (
            [Free("f", excludes=["a", "b"]), Free("h", excludes=["b", "c"]), *map(Free, "abc")],
            'both "f" and "h" exclude "b" and can be present together, but "f" excludes "a" as well, and "h" excludes "c"',
        ),
        (
            [Free("f", excludes=["x"]), Free("h", excludes=["x"]), OneOf("g", ["x"])],
            'group "g" has one of its labels wherever it applies, and "f" and "h" exclude it',
        ),
        (
            [OneOf("f", ["p", "q"], True, excludes=["a"]), OneOf("g", ["a", "b"], True, excludes=["p"])],
            "`excludes` of these groups form a circle",
        ),
        (
            [Free("x", excludes=["car", "red"]), VEHICLE, OneOf("colour", ["red", "blue"])],
            'excludes some labels of group "vehicle" and some of group "colour"',
        ),
        (
            [Free("x", excludes=["car", "red"]), VEHICLE, Free("red")],
            'and some labels of another group, not all',
        ),
        (
            [Free("f", excludes=["car", "truck", "bike"]), VEHICLE, Free("plate", excludes=["bike"])],
            '"plate" and "f" could not be present together.*add "f" to what "plate" excludes',
        ),
    ],
)  # fmt: skip
def test_declarations_that_are_no_forest_are_refused(groups: list[Group], message: str) -> None:
    with pytest.raises(LabelSpaceError, match=message):
        LabelSpace(groups)


def test_an_empty_list_of_required_labels_is_refused() -> None:
    with pytest.raises(LabelSpaceError, match='"a" requires an empty list'):
        Free("a", requires=[])
    with pytest.raises(LabelSpaceError, match=r'labels, entry 2 \("b"\): "b" requires an empty list'):
        LabelSpace.from_config(["a", {"name": "b", "requires": []}])


def test_what_a_refusal_proposes_is_right() -> None:
    LabelSpace([OneOf("craft", ["car", "boat"], optional=True), Free("engine", requires=["car", "boat"])])
    LabelSpace([OneOf("sky", ["f", "h"], True, excludes=["a", "b", "c"]), *map(Free, "abc")])
    LabelSpace([Free("f", excludes=["a", "b", "c", "h"]), Free("h", excludes=["b", "c"]), *map(Free, "abc")])
    LabelSpace([Free("f", excludes=["x"]), Free("h", excludes=["x"]), OneOf("g", ["x"], optional=True)])
    LabelSpace([Free("f", excludes=["car", "truck", "bike"]), VEHICLE, Free("plate", excludes=["bike", "f"])])


def test_all_in_a_list_is_a_label() -> None:
    space = LabelSpace([Free("a", excludes=["all"]), Free("all"), Free("b")])
    assert frozenset({"a", "b"}) in sets(space) and frozenset({"a", "all"}) not in sets(space)
    entries = [{"name": "a", "excludes": "all"}, {"name": "b", "excludes": ["a"]}]
    assert LabelSpace.from_config(entries).to_config() == entries


def test_every_graph_of_exclusions_of_four_labels() -> None:
    """It is accepted where it holds neither a path nor a cycle of four, and then means what it says."""
    pairs = list(itertools.combinations("abcd", 2))
    accepted = 0
    for chosen in itertools.product((False, True), repeat=len(pairs)):
        edges = {frozenset(pair) for pair, here in zip(pairs, chosen, strict=True) if here}
        groups = [Free(one, excludes=[two for two in "abcd" if frozenset((one, two)) in edges and one < two]) for one in "abcd"]
        degrees = sorted(sum(one in edge for edge in edges) for one in "abcd")
        path_or_cycle = degrees in ([1, 1, 2, 2], [2, 2, 2, 2])
        if path_or_cycle:
            with pytest.raises(LabelSpaceError):
                LabelSpace(groups)
            continue
        accepted += 1
        allowed = [s for n in range(5) for s in itertools.combinations("abcd", n)]
        assert sets(LabelSpace(groups)) == {frozenset(s) for s in allowed if not any(edge <= set(s) for edge in edges)}
    assert accepted == 64 - 12 - 3


def test_a_thousand_labels_below_one_that_excludes_them_are_resolved_at_once() -> None:
    space = LabelSpace([Free("none", excludes="all"), *(Free(f"label {k}") for k in range(3000))])
    assert len(space.below(space.groups[0], None)) == 3000
    assert space.num_label_sets == 2**3000 + 1


@pytest.mark.parametrize("seed", range(400, 500))
def test_random_declarations_are_refused_or_mean_what_they_say(seed: int) -> None:
    """Whatever is declared of free labels: the forest allows exactly the sets that the declarations allow."""
    import random

    rng = random.Random(seed)
    names = "abcde"
    groups: list[Group] = [
        Free(name, excludes=tuple(other for other in names if other != name and rng.random() < 0.25)) for name in names[:3]
    ] + [OneOf("g", list(names[3:]), rng.random() < 0.5, excludes=tuple(rng.sample(names[:3], rng.randrange(2))))]
    try:
        space = LabelSpace(groups)
    except LabelSpaceError:
        return
    expected = {tuple(map(int, y)) for y in oracle.vectors(5)[oracle.valid(space)].tolist()}
    assert set(space.label_sets()) == expected
