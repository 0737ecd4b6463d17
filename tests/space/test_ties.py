"""Which groups a stated label moves: against sums over all label sets, on random spaces with random probabilities."""

from __future__ import annotations

import random

import oracle
import pytest
import torch
from torch import Tensor

from latentlabels import annotation as ann
from latentlabels.space import Free, LabelSpace, OneOf, Shared, Tie, ties

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("roof rack", requires="car"),
        Free("night"),
        Free("stars", requires="night"),
    ]
)


def stated_of(space: LabelSpace, y: Tensor, rng: random.Random) -> tuple[dict[str, int], dict[str, int]]:
    """What is known of a possible label set before, and what is stated then."""
    values = list(zip(space.labels, y.int().tolist(), strict=True))
    rng.shuffle(values)
    known, more = rng.choice([0, 0, 1, 2, 3]), rng.choice([1, 1, 2])
    return dict(values[:known]), dict(values[known : known + more])


def observed(space: LabelSpace, known: dict[str, int]) -> Tensor:
    return torch.tensor([known.get(label, -1) for label in space.labels], dtype=torch.int8)


def moved(space: LabelSpace, before: Tensor, after: Tensor) -> dict[str, bool]:
    """Of each group, whether the probability of a label of it changed."""
    changed = (before - after).abs() > 1e-9
    return {group.name: bool(changed[space.columns(group)].any()) for group in space.groups}


def compare(space: LabelSpace, prior: oracle.Table, how: ann.Annotation, shared: Shared, seed: int) -> tuple[int, int]:
    """Check some statements; how many groups moved, and how many stayed."""
    rng, counts = random.Random(seed), [0, 0]
    sets = prior.y[~torch.isneginf(prior.log_p)]
    for _ in range(6):
        before, stated = stated_of(space, sets[rng.randrange(len(sets))], rng)
        if len(before) + len(stated) >= space.num_labels:
            continue  # of a row that states every label no annotation is asked
        tables = [oracle.condition(prior, observed(space, known), how)[1].marginals for known in (before, {**before, **stated})]
        expected = moved(space, *tables)
        found = {name: tie.moves for name, tie in ties(space, before, stated, shared).items()}
        assert found == expected, (space, before, stated)
        counts[0] += sum(expected.values())
        counts[1] += len(expected) - sum(expected.values())
    return counts[0], counts[1]


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("shared", [Shared.NOTHING, Shared.MIXTURE, Shared.ONE_AT_LEAST, Shared.COUNT, Shared.WEIGHTS])
def test_what_moves_is_what_sums_over_all_label_sets_move(shared: Shared, part: int) -> None:
    total = [0, 0]
    for seed in range(60 * part, 60 * part + 60):
        space = oracle.random_space(seed, most=7)
        logits = oracle.random_logits(space, seed)
        prior, how = oracle.table(space, logits), ann.Ignorable()
        if shared is Shared.MIXTURE:
            prior = oracle.table(space, oracle.random_logits(space, seed, 2), torch.zeros(2, dtype=torch.double))
        elif shared is Shared.ONE_AT_LEAST:
            if not space.can_be_empty:
                continue
            nothing = prior.y.sum(1) == 0
            log_p = torch.where(nothing, prior.log_p + torch.tensor(0.2).log().double(), prior.log_p)
            prior = oracle.Table(prior.y, log_p - torch.logsumexp(log_p, 0))
        elif shared is Shared.COUNT:
            how = ann.UniformPositive()
        elif shared is Shared.WEIGHTS:
            generator = torch.Generator().manual_seed(seed)
            how = ann.WeightedPositive((0.1 + 0.8 * torch.rand(space.num_labels, generator=generator)).tolist())
        went, stayed = compare(space, prior, how, shared, seed)
        total[0] += went
        total[1] += stayed
    assert total[0] > 200
    assert total[1] > 20


def test_the_reasons() -> None:
    found = ties(SPACE, {}, {"2-doors": 1})
    assert found == {
        "colour": Tie.INDEPENDENT,
        "vehicle": Tie.LINKED,
        "doors": Tie.STATED,
        "roof rack": Tie.LINKED,
        "night": Tie.INDEPENDENT,
        "stars": Tie.INDEPENDENT,
    }
    found = ties(SPACE, {"car": 1}, {"2-doors": 1})
    assert (found["vehicle"], found["roof rack"], found["doors"]) == (Tie.SETTLED, Tie.SETTLED, Tie.STATED)
    assert ties(SPACE, {"car": 1}, {"bike": 0})["vehicle"] is Tie.SETTLED  # it was known already
    assert ties(SPACE, {}, {"stars": 0})["night"] is Tie.LINKED
    found = ties(SPACE, {}, {"car": 1}, Shared.COUNT)
    assert (found["night"], found["stars"], found["colour"]) == (Tie.SHARED, Tie.SHARED, Tie.SETTLED)  # one colour in any case
    assert ties(SPACE, {}, {"car": 0}, Shared.COUNT)["night"] is Tie.INDEPENDENT  # nothing was picked
    assert ties(SPACE, {}, {"car": 1}, Shared.MIXTURE)["colour"] is Tie.SHARED
    assert ties(SPACE, {}, {"car": 1}, Shared.ONE_AT_LEAST)["night"] is Tie.INDEPENDENT  # a colour is always there


def test_a_large_space_is_no_trouble() -> None:
    space = LabelSpace([Free("nothing", excludes="all"), *(Free(f"label {n}") for n in range(3000))])
    found = ties(space, {}, {"label 7": 1})
    assert set(found.values()) == {Tie.STATED, Tie.LINKED}
    assert set(ties(space, {"label 3": 1}, {"label 7": 1}).values()) == {Tie.STATED, Tie.SETTLED}
