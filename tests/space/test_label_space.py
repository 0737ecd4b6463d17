"""The label space: what can be declared, what is refused and in which words, and which label sets are valid."""

from __future__ import annotations

import json
import math
import pickle
from collections import Counter
from pathlib import Path

import oracle
import pytest
import torch
import yaml

from latentlabels.errors import LabelSpaceError, LatentLabelsError
from latentlabels.space import Free, LabelSpace, OneOf

SEEDS = range(40)
SPACE = LabelSpace(
    [
        OneOf("colour", ["red", "green"]),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        OneOf("vehicle", ["car", "bike"], optional=True),
        Free("spoiler", requires="car"),
        Free("striped"),
    ]
)
CONFIG = [
    {"name": "colour", "one_of": ["red", "green"]},
    {"name": "doors", "one_of": ["2-doors", "4-doors"], "requires": "car"},
    {"name": "vehicle", "one_of": ["car", "bike"], "optional": True},
    {"name": "spoiler", "requires": "car"},
    {"name": "striped"},
]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# --- what a space knows of itself -------------------------------------------------------------------------------


def test_labels_and_columns_are_in_the_order_of_declaration():
    assert SPACE.labels == ("red", "green", "2-doors", "4-doors", "car", "bike", "spoiler", "striped")
    assert [SPACE.columns(group) for group in SPACE.groups] == [[0, 1], [2, 3], [4, 5], [6], [7]]
    assert [SPACE.index(label) for label in SPACE.labels] == list(range(8))
    assert [SPACE.group_of(label).name for label in ("green", "4-doors", "striped")] == ["colour", "doors", "striped"]


def test_logits_are_one_for_each_outcome_and_one_for_a_free_label():
    assert [group.num_logits for group in SPACE.groups] == [2, 2, 3, 1, 1]
    assert SPACE.num_logits == 9
    assert SPACE.num_labels == 8


def test_valid_label_sets_by_hand():
    # colour 2 x striped 2 x (none, bike, car with doors 2 and a spoiler 2)
    assert SPACE.num_label_sets == 2 * 2 * (1 + 1 + 2 * 2)


def test_a_free_space_allows_everything():
    space = LabelSpace.free(f"label-{k}" for k in range(5))
    assert space.groups == tuple(Free(f"label-{k}") for k in range(5))
    assert set(space.label_sets()) == {tuple(map(int, y)) for y in oracle.vectors(5).tolist()}
    assert LabelSpace.free(map(str, range(200))).num_label_sets == 2**200


@pytest.mark.parametrize("seed", SEEDS)
def test_label_sets_are_those_of_positive_probability(seed: int):
    space = oracle.random_space(seed)
    possible = ~torch.isneginf(oracle.log_prior(space, oracle.random_logits(space, seed)))
    expected = {tuple(map(int, y)) for y in oracle.vectors(space.num_labels)[possible].tolist()}
    found = list(space.label_sets())
    assert len(found) == len(set(found)) == space.num_label_sets
    assert set(found) == expected


@pytest.mark.parametrize("seed", range(300))
def test_label_sets_are_those_that_the_declarations_allow(seed: int):
    space = oracle.random_space(seed, most=7)
    expected = {tuple(map(int, y)) for y in oracle.vectors(space.num_labels)[oracle.valid(space)].tolist()}
    assert set(space.label_sets()) == expected
    assert space.can_be_empty == ((0,) * space.num_labels in expected)
    for one in space.exhaustive_sets:
        columns = [space.index(label) for label in one.labels]
        assert all(sum(y[column] for column in columns) == 1 for y in expected)
    assert LabelSpace.from_config(space.to_config()) == space == pickle.loads(pickle.dumps(space))


def test_the_random_forests_hang_below_every_kind_of_outcomes():
    parents = [space.parent(group) for space in map(oracle.random_space, range(300)) for group in space.groups]
    kinds = Counter((min(len(parent.labels), 2), parent.none) for parent in parents if parent is not None)
    assert all(kinds[kind] >= 10 for kind in ((1, False), (2, False), (0, True), (1, True), (2, True))), kinds
    assert sum(
        bool(space.exhaustive_sets) and len(space.exhaustive_sets[0].groups) > 1
        for space in map(oracle.random_space, range(300))
    )


def test_the_random_forests_are_of_every_kind():
    spaces = [oracle.random_space(seed) for seed in SEEDS]
    kinds = {
        (type(group).__name__, len(group.labels), group.optional, group.requires is not None)
        for space in spaces
        for group in space.groups
    }
    assert {("Free", 1, True, child) for child in (False, True)} <= kinds
    assert {("OneOf", 1, optional, child) for optional in (False, True) for child in (False, True)} <= kinds
    assert {("OneOf", 3, optional, child) for optional in (False, True) for child in (False, True)} <= kinds
    assert max(oracle.depth(space, group) for space in spaces for group in space.groups) >= 3
    assert min(space.num_labels for space in spaces) == 1
    assert any(
        group.requires is not None and space.columns(group)[0] < space.index(group.required[0])
        for space in spaces
        for group in space.groups
    ), "a child declared before its parent"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracle_is_a_distribution(seed: int):
    space = oracle.random_space(seed)
    table = oracle.table(space, oracle.random_logits(space, seed, 2), torch.tensor([0.3, -0.2]))
    assert float(table.p.sum()) == pytest.approx(1, abs=1e-12)


def test_the_oracle_by_hand():
    table = oracle.table(SPACE, torch.zeros(9))
    # red, car of three outcomes, 2 doors of two, spoiler, not striped
    value = table.log_prob(torch.tensor([1.0, 0, 1, 0, 1, 0, 1, 0]))
    assert float(value) == pytest.approx(-math.log(2 * 3 * 2 * 2 * 2))
    assert float(table.log_prob(torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 0]))) == -math.inf  # doors on a bike
    assert float(table.log_prob(torch.tensor([1.0, 1, 0, 0, 0, 1, 0, 0]))) == -math.inf  # two colours
    assert float(table.marginals[6]) == pytest.approx(1 / 3 / 2)


def test_the_names_of_groups_of_labels_and_of_labels_may_coincide():
    space = LabelSpace([OneOf("car", ["sedan", "estate"]), Free("door", requires="estate")])
    assert space.labels == ("sedan", "estate", "door")


def test_equal_declarations_are_equal_and_hash_alike():
    twin = LabelSpace(list(SPACE.groups))
    assert twin == SPACE
    assert hash(twin) == hash(SPACE)
    assert twin != LabelSpace(SPACE.groups[::-1])


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        SPACE.groups = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        SPACE.groups[0].optional = True  # type: ignore[misc]


def test_repr_counts():
    assert repr(SPACE) == "LabelSpace(K=8, 5 groups, 9 logits)"


def test_distribution_is_that_of_the_space():
    logits = oracle.random_logits(SPACE, 0)
    q = SPACE.distribution(logits)
    assert q.space is SPACE
    torch.testing.assert_close(q.marginals, oracle.table(SPACE, logits).marginals)
    assert SPACE.distribution(logits.expand(2, -1), torch.zeros(2)).num_components == 2


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "the label space is empty"),
        (["striped"], r"'striped' is not a group; use Free\(label\) or OneOf\(name, labels\)"),
        ([Free("a"), OneOf("a", ["b", "c"])], 'two groups are called "a"'),
        ([OneOf("g", ["a", "b"]), OneOf("h", ["b", "c"])], 'label "b" is in group "g" and in group "h"'),
        ([OneOf("g", ["a", "a"])], 'label "a" is in group "g" and in group "g"'),
        ([OneOf("g", ["a", "  "])], "group \"g\": '  ' is not a label name"),
        ([OneOf("g", ["a", 4])], 'group "g": 4 is not a label name; give a non-empty text'),
        ([Free(None)], "None is not a label name"),
        (
            [Free("bycycle"), Free("bell", requires="bicycle")],
            'requires "bicycle", which is not a label.*did you mean "bycycle"',
        ),
        ([Free("x"), Free("bell", requires="zzzzzz")], 'group "bell" requires "zzzzzz", which is not a label of the space$'),
        ([OneOf("colour", ["red"]), Free("a", requires="colour")], 'requires "colour", which is not a label'),
        ([Free("a", requires="a")], "form a circle: a -> a"),
        ([Free("a", requires="c"), Free("b", requires="a"), Free("c", requires="b")], "a circle: a -> c -> b -> a"),
        ([OneOf("g", ["a", "b"], requires="b")], "form a circle: g -> g"),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(groups, message):
    with pytest.raises(LabelSpaceError, match=message):
        LabelSpace(groups)


def test_a_group_below_a_circle_is_refused_too():
    """The circle does not contain the group that is looked at first: the walk must end all the same."""
    with pytest.raises(LabelSpaceError, match="a circle: b -> c -> b;"):
        LabelSpace([Free("a", requires="b"), Free("b", requires="c"), Free("c", requires="b")])


def test_a_group_below_one_that_requires_nothing_known_is_refused_too():
    with pytest.raises(LabelSpaceError, match='group "b" requires "zzzzzz", which is not a label'):
        LabelSpace([Free("a", requires="b"), Free("b", requires="zzzzzz")])


def test_a_string_is_no_list_of_labels():
    with pytest.raises(LabelSpaceError, match='group "g": labels is a string, "abc"; give a list'):
        OneOf("g", "abc")


def test_a_group_without_labels_is_refused():
    with pytest.raises(LabelSpaceError, match='group "g" has no labels'):
        OneOf("g", [])


def test_an_unknown_label_comes_with_the_nearest_name():
    with pytest.raises(LabelSpaceError, match='no label "stripped"; did you mean "striped"'):
        SPACE.index("stripped")
    with pytest.raises(LabelSpaceError, match='no label "RED"; did you mean "red"'):
        SPACE.group_of("RED")
    with pytest.raises(LabelSpaceError, match=r'no label "qqq"$'):
        SPACE.index("qqq")


def test_its_errors_are_value_errors_of_the_package():
    assert issubclass(LabelSpaceError, ValueError)
    assert issubclass(LabelSpaceError, LatentLabelsError)


# --- configs and files ------------------------------------------------------------------------------------------


def test_config_by_hand():
    assert LabelSpace.from_config(CONFIG) == SPACE
    assert SPACE.to_config() == CONFIG


@pytest.mark.parametrize("seed", SEEDS)
def test_config_round_trip(seed: int, tmp_path: Path):
    space = oracle.random_space(seed)
    config = space.to_config()
    assert LabelSpace.from_config(config) == space
    assert LabelSpace.read(written(tmp_path / "labels.yaml", yaml.safe_dump(config))) == space
    assert LabelSpace.read(written(tmp_path / "labels.json", json.dumps({"labels": config}))) == space


def test_a_bare_name_is_a_free_label():
    assert LabelSpace.from_config(["a", {"name": "b"}]) == LabelSpace.free(["a", "b"])


def test_nothing_is_lost_between_str_and_path(tmp_path: Path):
    path = written(tmp_path / "labels.yaml", "labels:\n- name: größe\n  one_of: [groß, klein]\n")
    assert LabelSpace.read(str(path)).labels == ("groß", "klein")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"name": "a"}, {"name": "b", "requirse": "a"}], 'entry 2: unknown key "requirse"; did you mean "requires"'),
        (
            [{"name": "a", "oneof": ["b"]}],
            r'did you mean "one_of"\? \(known: name, one_of, optional, none, requires, excludes\)',
        ),
        ([{"one_of": ["a"]}], "entry 1: .* has no name; add name"),
        ([{"name": "a"}, 7], "entry 2: expected a name or .*, not 7"),
        ([{"name": "g", "one_of": "red"}], r'entry 1 \("g"\): one_of expects a list of labels'),
        ([{"name": "g", "one_of": 3}], "one_of expects a list of labels"),
        ([{"name": "g", "one_of": []}], 'group "g" has no labels'),
        ([{"name": "a", "optional": True}], r'entry 1 \("a"\): a free label can always be absent; remove optional'),
        ([{"name": "a", "requires": 4}], "entry 1: 4 is not text; put quotes around it"),
        ([{"name": True}], "entry 1: True is not text"),
        ([{"name": "g", "one_of": ["a", 4]}], "entry 1: 4 is not text"),
        ([{"name": "g", "one_of": ["a", None]}], "entry 1: None is not text"),
        ([], "the label space is empty"),
    ],
)
def test_a_config_that_says_something_else_is_refused(entries, message):
    with pytest.raises(LabelSpaceError, match=message):
        LabelSpace.from_config(entries)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("- no", "False"),
        ("- name: on", "True"),
        ("- {name: answer, one_of: [yes, no]}", "True"),
        ("- {name: doors, one_of: [2, 4]}", "2"),
        ("- {name: a, requires: 4}", "4"),
        ("- name: 1.5", "1.5"),
        ("- {name: day, one_of: [2024-01-31, later]}", "datetime.date"),
    ],
)
def test_yaml_that_does_not_read_as_text_is_refused(line: str, value: str, tmp_path: Path):
    """YAML reads `no` as False and 4 as a number: the label would silently change its name."""
    path = written(tmp_path / "labels.yaml", line + "\n")
    with pytest.raises(
        LabelSpaceError, match=rf"labels\.yaml: labels, entry 1: ({value}.*put quotes|expected a name .*, not {value}$)"
    ):
        LabelSpace.read(path)


def test_quotes_make_yaml_text(tmp_path: Path):
    path = written(tmp_path / "labels.yaml", '- {name: answer, one_of: ["yes", "no", "4"]}\n')
    assert LabelSpace.read(path).labels == ("yes", "no", "4")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.yaml", "labels: [a\n", "not valid YAML"),
        ("labels.json", "[{", "not valid JSON"),
        ("labels.yaml", "groups: [a]\n", "expected a list of groups, or one under the key labels"),
        ("labels.yaml", "", "expected a list of groups"),
        ("labels.yaml", "striped\n", "expected a list of groups"),
        ("labels.yaml", "- {name: a, requires: b}\n", 'group "a" requires "b"'),
        ("labels.yaml", "[]\n", "the label space is empty"),
    ],
)
def test_a_file_that_is_no_space_is_named(name: str, text: str, message: str, tmp_path: Path):
    path = written(tmp_path / name, text)
    with pytest.raises(LabelSpaceError, match=rf"{name}: .*{message}"):
        LabelSpace.read(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(LabelSpaceError, match=r"nowhere\.yaml: cannot be read \(No such file"):
        LabelSpace.read(tmp_path / "nowhere.yaml")


def test_a_file_in_another_encoding_is_named(tmp_path: Path):
    path = tmp_path / "labels.yaml"
    path.write_bytes("- größe\n".encode("latin-1"))
    with pytest.raises(LabelSpaceError, match=r"labels\.yaml: not valid YAML: 'utf-8' codec"):
        LabelSpace.read(path)


# --- the empty outcome as a value that can be known -----------------------------------------------------------


VEHICLE = OneOf("vehicle", ["car", "bike"], optional=True, none="no vehicle")


def test_an_empty_outcome_is_understood_by_its_name_and_by_none():
    space = LabelSpace([VEHICLE, OneOf("colour", ["blue", "red"]), Free("striped")])
    meant = [("no vehicle", None), ("none", None), ("vehicle/none", None), ("none", "vehicle"), ("no vehicle", "vehicle")]
    for name, group in meant:
        assert space.empty_outcome(name, group) == VEHICLE, (name, group)
    others = [("car", None), ("nothing", None), ("none", "colour"), ("none", "striped"), ("none", "x"), ("x/none", None)]
    for name, group in others:
        assert space.empty_outcome(name, group) is None, (name, group)
    assert LabelSpace.from_config(space.to_config()) == space == pickle.loads(pickle.dumps(space))


def test_none_of_several_optional_groups_is_refused_with_the_choices():
    space = LabelSpace([VEHICLE, OneOf("hat", ["cap", "helmet"], optional=True)])
    with pytest.raises(LabelSpaceError, match='any of 2 optional groups; write one of "no vehicle", "hat/none"'):
        space.empty_outcome("none")
    assert space.empty_outcome("none", "hat") == space.empty_outcome("hat/none") == space.groups[1]
    assert space.empty_outcome("no vehicle") == VEHICLE


def test_a_group_below_a_label_can_be_known_to_be_without_one():
    doors = OneOf("doors", ["2-doors", "4-doors"], requires="car")
    space = LabelSpace([VEHICLE, doors])
    assert space.empty_outcome("none", "doors") == doors
    assert space.empty_outcome("none") == VEHICLE  # an exhaustive group is not meant by a bare "none"


def test_a_label_called_none_comes_first():
    space = LabelSpace([OneOf("vehicle", ["car", "none"]), OneOf("hat", ["cap"], optional=True)])
    assert space.empty_outcome("none") is None and space.empty_outcome("none", "vehicle") is None
    assert space.empty_outcome("none", "hat") == space.groups[1]


@pytest.mark.parametrize(
    "groups, message",
    [
        ([VEHICLE, Free("no vehicle")], 'called "no vehicle", which is the name of a label of group "no vehicle"'),
        ([VEHICLE, OneOf("no vehicle", ["x"])], "which is the name of a group as well"),
        ([VEHICLE, OneOf("b", ["x"], True, none="no vehicle")], 'name of the empty outcome of group "vehicle"'),
        ([OneOf("b", ["x"], True, none=" ")], 'such as "no b"'),
    ],
)
def test_names_of_empty_outcomes_mean_one_thing(groups, message):
    with pytest.raises(LabelSpaceError, match=message):
        LabelSpace(groups)


def test_a_group_that_is_never_empty_needs_no_name_for_it():
    with pytest.raises(LabelSpaceError, match="always has one of its labels"):
        OneOf("colour", ["blue"], none="no colour")
    with pytest.raises(LabelSpaceError, match="entry 1 .*a free label has no empty outcome"):
        LabelSpace.from_config([{"name": "striped", "none": "plain"}])
