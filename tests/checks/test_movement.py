"""What given labels move, by the distributions before and after."""

from __future__ import annotations

import oracle
import pytest
import torch

from latentlabels import annotation as ann
from latentlabels.checks import movements, shared_by, unmoved_sentences
from latentlabels.checks.movement import SEEN
from latentlabels.distributions import LabelVector, NonEmptyLabelVector
from latentlabels.space import Free, LabelSpace, OneOf, Shared, Tie

SPACE = LabelSpace(
    [OneOf("colour", ["blue", "red"]), OneOf("vehicle", ["car", "bike"], optional=True), Free("doors", "car"), Free("night")]
)
FREE = LabelSpace.free(["a", "b", "c"])


def vector(space: LabelSpace, *, components: int = 1, nonempty: bool = False) -> LabelVector:
    if nonempty:
        return NonEmptyLabelVector(space, oracle.random_logits(space, 1))
    if components > 1:
        return LabelVector(space, oracle.random_logits(space, 1, components), torch.zeros(components).double())
    return LabelVector(space, oracle.random_logits(space, 1))


def known(space: LabelSpace, **values: int) -> torch.Tensor:
    return torch.tensor([values.get(label, -1) for label in space.labels], dtype=torch.int8)


@pytest.mark.parametrize(
    ("space", "before", "how", "shared"),
    [
        (SPACE, vector(SPACE), None, Shared.NOTHING),
        (SPACE, vector(SPACE, components=3), None, Shared.MIXTURE),
        (FREE, vector(FREE, nonempty=True), None, Shared.ONE_AT_LEAST),
        (SPACE, vector(SPACE), ann.UniformPositive(), Shared.COUNT),
        (SPACE, vector(SPACE), ann.WeightedPositive([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), Shared.WEIGHTS),
    ],
)
def test_the_ties_of_a_distribution_are_those_that_move_it(
    space: LabelSpace, before: LabelVector, how: ann.Annotation | None, shared: Shared
) -> None:
    label = "car" if space is SPACE else "a"
    after = before.condition(known(space, **{label: 1}), how)
    assert shared_by(before, after) is shared
    old, new = before.marginals, after.marginals
    found = movements(space, old.tolist(), new.tolist(), {}, {label: 1}, shared)
    assert [one.group for one in found] == [group.name for group in space.groups]
    for one, group in zip(found, space.groups, strict=True):
        columns = space.columns(group)
        assert bool(one.moved) == bool(((old - new).abs()[columns] >= SEEN).any()) == one.tie.moves
        assert one.shared is shared
        for moved in one.moved:
            k = space.index(moved.label)
            assert (moved.before, moved.after) == (float(old[k]), float(new[k]))


def test_the_words_name_the_groups_that_stayed() -> None:
    before = vector(SPACE)
    after = before.condition(known(SPACE, car=1))
    found = movements(SPACE, before.marginals.tolist(), after.marginals.tolist(), {}, {"car": 1})
    assert list(unmoved_sentences(found)) == [
        "colour, night did not move: no `requires` or `excludes` ties them to what is given, and groups are independent given "
        "the image."
    ]
    again = movements(SPACE, after.marginals.tolist(), after.marginals.tolist(), {"car": 1}, {"bike": 0})
    assert [one.tie for one in again] == [Tie.INDEPENDENT, Tie.SETTLED, Tie.SETTLED, Tie.INDEPENDENT]
    assert list(unmoved_sentences(again))[1] == "vehicle, doors did not move: what is given says nothing new about them."
    hardly = movements(SPACE, [0.5] * 6, [0.50001] * 6, {}, {"car": 1})
    assert list(unmoved_sentences(hardly))[1] == (
        "vehicle, doors did not move: their probabilities change by less than 0.1 percentage points."
    )
