"""`space.js` against the package and against enumeration, on random spaces, logits and statements."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from browser import run_script
from conftest import MIXED
from oracle import random_logits, random_space

from latentlabels.annotation import Ignorable
from latentlabels.distributions import LabelVector, NonEmptyLabelVector
from latentlabels.posterior import Posterior
from latentlabels.show.card import SCRIPTS, image_document, space_document
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = [SCRIPTS / "space.js"]
CONDITION = """
  return given.map(({space, image, stated}) => {
    const found = new LatentLabels.Space(space).condition(image, stated);
    return found && [...found];
  });
"""


def _stated(space: LabelSpace, rng: np.random.Generator, most: int = 4) -> dict[str, int]:
    """Random statements, some of them impossible."""
    chosen = rng.choice(space.num_labels, min(int(rng.integers(0, most + 1)), space.num_labels), replace=False)
    return {space.labels[k]: int(rng.random() < 0.4) for k in chosen}


def _row(space: LabelSpace, stated: dict[str, int]) -> torch.Tensor:
    return torch.tensor([[stated.get(label, -1) for label in space.labels]], dtype=torch.int8)


def _marginals(prior: LabelVector, stated: dict[str, int]) -> list[float] | None:
    """The package's; None where no label set agrees."""
    row = _row(prior.space, stated)
    if bool(torch.isneginf(prior.log_marginal(row, Ignorable())).all()):
        return None
    return prior.condition(row, Ignorable()).marginals[0].tolist()


def _cases(kind: str) -> list[tuple[LabelVector, dict[str, int]]]:
    rng, cases = np.random.default_rng(7), []
    for seed in range(60):
        space = random_space(seed)
        scale = (0.3, 1.5, 6.0)[seed % 3]
        for number in range(4):
            impossible = 0.1 if kind == "impossible" else 0.0
            logits = random_logits(space, 100 * seed + number, 1, scale=scale, impossible=impossible)
            if kind == "non-empty":
                prior: LabelVector = NonEmptyLabelVector(space, logits, (0.0, 0.05, 0.7)[number % 3])
            elif kind == "mixture":
                components = random_logits(space, 100 * seed + number, 1, 3, scale=scale)
                prior = LabelVector(space, components, torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64))
            else:
                prior = LabelVector(space, logits)
            cases.append((prior, _stated(space, rng)))
    return cases


@pytest.mark.parametrize("kind", ["plain", "impossible", "non-empty", "mixture"])
def test_conditions_as_the_package_does(kind: str):
    cases = _cases(kind)
    given = [
        {"space": space_document(prior.space), "image": image_document(Posterior(prior)), "stated": stated}
        for prior, stated in cases
    ]
    json.dumps(given, allow_nan=False)  # documents are JSON as others read it
    found = run_script(SPACE, CONDITION, given)
    possible = 0
    for (prior, stated), own in zip(cases, found, strict=True):
        want = _marginals(prior, stated)
        assert (want is None) == (own is None), (prior.space.groups, stated)
        if want is not None:
            possible += 1
            np.testing.assert_allclose(own, want, rtol=0, atol=1e-6)
    assert len(cases) / 2 < possible < len(cases)  # both kinds of answers were asked for


def _deep(seed: int, most: int) -> LabelSpace:
    """Groups that hang below a label of the one before as a rule, so that the forest is many levels deep."""
    rng, labels, groups = np.random.default_rng(seed), [], []
    while len(labels) < most:
        above = labels[-int(rng.integers(1, 4)) :][0] if labels and rng.random() < 0.85 else None
        size = min(int(rng.integers(1, 4)), most - len(labels))
        own = [f"label-{len(labels) + place}" for place in range(size)]
        optional = bool(rng.random() < 0.6)
        groups.append(Free(own[0], above) if size == 1 else OneOf(f"group-{len(groups)}", own, optional, above))
        labels += own
    return LabelSpace([groups[place] for place in rng.permutation(len(groups))])


def _agree(cases: list[tuple[LabelVector, dict[str, int]]]) -> int:
    """Compare the script with the package; returns how many statements were possible."""
    given = [
        {"space": space_document(prior.space), "image": image_document(Posterior(prior)), "stated": stated}
        for prior, stated in cases
    ]
    possible = 0
    for (prior, stated), own in zip(cases, run_script(SPACE, CONDITION, given), strict=True):
        want = _marginals(prior, stated)
        assert (want is None) == (own is None), (prior.space.groups, stated)
        if want is not None:
            possible += 1
            np.testing.assert_allclose(own, want, rtol=0, atol=1e-6)
    return possible


def test_deep_forests():
    rng, cases, deepest = np.random.default_rng(1), [], 0
    for seed in range(60):
        space = _deep(seed, 24)
        deepest = max(deepest, *(group["depth"] for group in space_document(space)["groups"]))
        logits = random_logits(space, seed, 1)
        prior = NonEmptyLabelVector(space, logits, 0.1) if seed % 2 else LabelVector(space, logits)
        cases += [(prior, _stated(space, rng, most)) for most in (0, 2, 6)]
    assert deepest >= 8
    assert len(cases) / 4 < _agree(cases) < len(cases)


def test_one_label_alone():
    cases = []
    for group in (Free("a"), OneOf("g", ["a"]), OneOf("g", ["a"], optional=True)):
        space = LabelSpace([group])
        priors: list[LabelVector] = [LabelVector(space, random_logits(space, seed, 1)) for seed in range(3)]
        if group.optional:
            priors += [NonEmptyLabelVector(space, random_logits(space, seed, 1), 0.2) for seed in range(3)]
        cases += [(prior, stated) for prior in priors for stated in ({}, {"a": 1}, {"a": 0})]
    assert _agree(cases) == len(cases) - 3  # an only label that every image has cannot be absent


def test_extreme_logits():
    rng, cases = np.random.default_rng(2), []
    for seed in range(80):
        space = random_space(seed) if seed % 2 else _deep(seed, 12)
        signs = torch.from_numpy(rng.choice([-50.0, 0.0, 50.0], (1, space.num_logits)))
        prior = NonEmptyLabelVector(space, signs, 0.05) if seed % 3 == 0 else LabelVector(space, signs)
        cases += [(prior, _stated(space, rng)) for _ in range(3)]
    assert _agree(cases) > len(cases) / 2


def test_known_labels_of_an_image_stay_and_what_contradicts_them_is_impossible():
    rng, given, wants = np.random.default_rng(4), [], []
    for seed in range(60):
        space = random_space(seed)
        posterior = Posterior(LabelVector(space, random_logits(space, seed, 1)))
        sets = np.array(list(space.label_sets()))
        truth = dict(zip(space.labels, sets[int(rng.integers(len(sets)))].tolist(), strict=True))
        known = [label for label in space.labels if rng.random() < 0.3] or [space.labels[0]]
        present, absent = [x for x in known if truth[x]], [x for x in known if not truth[x]]
        document = image_document(posterior.given(present, absent))
        assert document["known"] == {label: truth[label] for label in known}
        more = {label: value for label, value in truth.items() if rng.random() < 0.3}
        against = {known[0]: 1 - truth[known[0]]}
        for stated in ({}, more, against):
            given.append({"space": space_document(space), "image": document, "stated": stated})
            wants.append(_marginals(posterior.distribution, {label: truth[label] for label in known} | stated))
            wants[-1] = None if stated == against else wants[-1]
    for own, want in zip(run_script(SPACE, CONDITION, given), wants, strict=True):
        assert (want is None) == (own is None)
        if want is not None:
            np.testing.assert_allclose(own, want, rtol=0, atol=1e-6)


def test_rare_labels_of_images_that_have_one_keep_their_digits():
    space = LabelSpace([*(Free(f"free-{number}") for number in range(6)), OneOf("kind", ["a", "b", "c"], optional=True)])
    logits = torch.tensor([[-40.0, -41, -42, -43, -39, -45, -40, -41, -42, 0.0]], dtype=torch.float64)
    prior = NonEmptyLabelVector(space, logits, 0.0)
    given = [{"space": space_document(space), "image": image_document(Posterior(prior)), "stated": {"a": 0}}]
    np.testing.assert_allclose(run_script(SPACE, CONDITION, given)[0], _marginals(prior, {"a": 0}), rtol=1e-6)


def test_thousands_of_labels():
    space = LabelSpace([Free(f"free-{number}") for number in range(3000)] + [OneOf("kind", [f"k{n}" for n in range(2000)])])
    prior = LabelVector(space, random_logits(space, 1, 1))
    given = [{"space": space_document(space), "image": image_document(Posterior(prior)), "stated": {"k3": 0, "free-7": 1}}]
    np.testing.assert_allclose(run_script(SPACE, CONDITION, given)[0], _marginals(prior, given[0]["stated"]), atol=1e-6)


def test_says_what_could_still_be_stated_as_enumeration_does():
    rng, given, wants = np.random.default_rng(3), [], []
    for seed in range(80):
        space = random_space(seed)
        sets = np.array(list(space.label_sets()))
        stated = _stated(space, rng)
        agrees = np.all([sets[:, space.index(label)] == value for label, value in stated.items()] or [True], axis=0)
        left = sets[np.broadcast_to(agrees, len(sets))]
        given.append({"space": space_document(space), "stated": stated})
        wants.append({"present": (left == 1).any(0).tolist(), "absent": (left == 0).any(0).tolist()} if len(left) else None)
    body = "return given.map(({space, stated}) => new LatentLabels.Space(space).possible(stated));"
    assert run_script(SPACE, body, given) == wants
    assert None in wants and sum(want is not None for want in wants) > 40


def test_names_the_fewest_statements_that_bar_another():
    rng, given = np.random.default_rng(5), []
    for seed in range(60):
        space = random_space(seed)
        stated = _stated(space, rng)
        asked = space.labels[int(rng.integers(space.num_labels))]
        given.append({"space": space_document(space), "stated": stated, "label": asked, "value": seed % 2})
    body = """return given.map(({space, stated, label, value}) => {
        const own = new LatentLabels.Space(space);
        return [own.conflict(stated, label, value), own.whyNot(stated, label, value)];
    });"""
    barred = 0
    for seed, (case, (kept, words)) in enumerate(zip(given, run_script(SPACE, body, given), strict=True)):
        space = random_space(seed)
        sets = np.array(list(space.label_sets()))

        def any_set(stated: dict[str, int], space: LabelSpace = space, sets: Any = sets) -> bool:
            columns = [space.index(label) for label in stated]
            return bool((sets[:, columns] == list(stated.values())).all(1).any())

        rest = {label: value for label, value in case["stated"].items() if label != case["label"]}
        asked = {case["label"]: case["value"]}
        if any_set(rest | asked):
            assert (kept, words) == (None, "")
            continue
        barred += 1
        assert words and not any_set(dict(kept) | asked)
        for one in kept:
            assert any_set({label: value for label, value in kept if label != one[0]} | asked)
    assert barred > 5


def test_says_what_moved_and_why_the_rest_did_not():
    logits = torch.zeros(1, MIXED.num_logits, dtype=torch.float64)
    given = {"space": space_document(MIXED), "image": image_document(Posterior(LabelVector(MIXED, logits)))}
    body = """
      const space = new LatentLabels.Space(given.space), stated = {car: 1};
      const before = space.condition(given.image, {}), after = space.condition(given.image, stated);
      return {...space.moved(before, after, stated), applies: space.applies(after)};
    """
    found = run_script(SPACE, body, given)
    assert {one["label"] for one in found["moved"]} == {"car", "bike", "2-doors", "4-doors"}
    assert found["unmoved"] == [{"group": "colour", "reason": "independent"}, {"group": "striped", "reason": "independent"}]
    assert found["applies"] == [1, 1, 1, 1]


def test_says_when_one_sum_runs_over_all_groups():
    free = LabelSpace([Free("a"), Free("b")])
    body = "return given.map(({space, image}) => new LatentLabels.Space(space).shares(image));"
    priors = [
        LabelVector(free, torch.zeros(1, 2)),
        NonEmptyLabelVector(free, torch.zeros(1, 2), 0.1),
        NonEmptyLabelVector(MIXED, torch.zeros(1, MIXED.num_logits), 0.1),  # every image has a colour anyway
        LabelVector(free, torch.zeros(1, 2, 2), torch.zeros(1, 2)),
    ]
    given = [{"space": space_document(prior.space), "image": image_document(Posterior(prior))} for prior in priors]
    assert run_script(SPACE, body, given) == [False, True, False, True]


def test_reasons_name_what_was_stated():
    body = """
      const space = new LatentLabels.Space(given);
      return [
        space.whyNot({blue: 1}, "red", 1), space.whyNot({car: 0}, "2-doors", 1), space.whyNot({"2-doors": 1}, "car", 0),
        space.whyNot({bike: 1}, "2-doors", 1), space.whyNot({blue: 0, red: 0}, "green", 0),
        space.whyNot({blue: 1}, "striped", 1),
      ];
    """
    assert run_script(SPACE, body, space_document(MIXED)) == [
        "“blue” is present, and colour has one label",
        "it needs “car”, which you said is absent",
        "“2-doors” is present and needs it",
        "it needs “car”, and “bike” is present",
        "colour always has a label, and all others are absent",
        "",
    ]
