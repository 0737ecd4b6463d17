"""The verdict on models that are planted: strong, never looking, with shuffled labels, with two labels confused on purpose."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

from latentlabels.checks.finding import Basis, Level, Reason
from latentlabels.checks.known_ranking import known_ranking
from latentlabels.checks.prevalence_baseline import evaluation_document
from latentlabels.checks.verdict import Verdict, verdict_of
from latentlabels.estimator import LatentLabels
from latentlabels.space import LabelSpace

MANY = 10**8
LABELS = ("ant", "bee", "cat", "dog", "elk", "fox")
SPACE = LabelSpace.free(LABELS)


@cache
def _images(seed: int, size: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings that show their labels clearly, the labels, and one known label each."""
    rng = np.random.default_rng(seed)
    truth = rng.random((size, 6)) < [0.3, 0.25, 0.25, 0.2, 0.2, 0.3]
    truth[~truth[:, [0, 1, 2, 3, 5]].any(1), 0] = True  # no image shows an elk alone, which its emptiness would tell
    x = truth @ np.random.default_rng(0).normal(size=(6, 12)) + rng.normal(0, noise, (size, 12))
    known = np.full(truth.shape, -1, np.int8)
    for row, shown in enumerate(truth):
        known[row, rng.choice(np.flatnonzero(shown))] = 1
    return x.astype(np.float32), truth.astype(np.int8), known


def _fit(x: np.ndarray, known: np.ndarray, **settings: Any) -> LatentLabels:
    given: dict[str, Any] = {"epochs": 30, "learning_rate": 0.02, "held_out": 0.2, "expected_labels": 1.5} | settings
    return LatentLabels(SPACE, encoder="embedding", seed=0, **given).fit(x, known)


def _measured(model: LatentLabels, x: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    found = evaluation_document(model.posterior(x).evaluate(truth, SPACE), model.diagnostics_, SPACE, truth)
    return json.loads(json.dumps(found))  # as evaluation.json gives it back


def _verdicts(model: LatentLabels, x: np.ndarray, truth: np.ndarray) -> tuple[Verdict, Verdict]:
    d = json.loads(json.dumps(model.diagnostics_))
    return verdict_of(d, _measured(model, x, truth), model.history_), verdict_of(d, None, model.history_)


# --- planted models --------------------------------------------------------------------------------------


def test_a_good_model_is_strong_on_complete_labels_and_fair_without_them() -> None:
    x, _, known = _images(1, 1000)
    complete, alone = _verdicts(_fit(x, known), *_images(2, 500)[:2])
    assert (complete.level, complete.basis, complete.weakest) == (Level.STRONG, Basis.COMPLETE, ())
    assert complete.sentence.startswith("Strong: on 500 completely labelled images, the mAP is ")
    assert complete.weakest_sentence == ""
    assert (alone.level, alone.basis, alone.weakest) == (Level.FAIR, Basis.KNOWN, ())
    assert "known labels of 200 held-out images are" in alone.sentence
    assert alone.sentence.endswith("whether its probabilities are too high or too low is unknown.")


@pytest.mark.parametrize("spoilt", ["never looks", "shuffled"])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_model_that_learned_nothing_is_weak(spoilt: str, seed: int) -> None:
    x, _, known = _images(1, 1000)
    tested, truth, _ = _images(2, 500)
    rng = np.random.default_rng(seed)
    if spoilt == "shuffled":
        known = known[rng.permutation(len(known))]
    else:
        x, tested = (rng.normal(size=one.shape).astype(np.float32) for one in (x, tested))
    complete, alone = _verdicts(_fit(x, known), tested, truth)
    assert complete.level is alone.level is Level.WEAK
    assert len(complete.weakest) >= 4  # six dimensions are few: a direction by chance may rank a label somehow
    assert {one.why for one in complete.weakest} <= {Reason.NOT_LEARNED, Reason.CONFUSED}
    assert len(alone.weakest) >= 5
    assert alone.weakest[0].why is Reason.NOT_LEARNED


def test_a_label_that_images_do_not_show_is_the_one_named() -> None:
    x, truth, known = _images(1, 1000)
    tested, true, _ = _images(2, 500)
    direction = np.random.default_rng(0).normal(size=(6, 12))[4]
    x, tested = x - np.outer(truth[:, 4], direction), tested - np.outer(true[:, 4], direction)
    complete, alone = _verdicts(_fit(x.astype(np.float32), known), tested.astype(np.float32), true)
    for found in (complete, alone):
        assert [(one.label, one.why) for one in found.weakest] == [("elk", Reason.NOT_LEARNED)]
        assert found.level in (Level.STRONG, Level.FAIR)
        assert found.weakest_sentence.startswith('1 of 6 labels is weak: "elk" (hardly distinguished from other images; ')
        assert "check their labels" in found.weakest[0].todo


def test_two_labels_that_look_alike_are_said_to_be_confused() -> None:
    def images(seed: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cats and dogs never together, and nothing tells them apart; cats are rare."""
        draw = np.random.default_rng(seed)
        truth = draw.random((size, 6)) < [0.3, 0.25, 0.05, 0.3, 0.2, 0.3]
        truth[truth[:, 3], 2] = False
        truth[~truth.any(1), 0] = True
        signs = np.random.default_rng(0).normal(size=(6, 12))
        signs[2] = signs[3]
        known = np.full(truth.shape, -1, np.int8)
        for row, shown in enumerate(truth):
            known[row, draw.choice(np.flatnonzero(shown))] = 1
        x = truth @ signs + draw.normal(0, 0.5, (size, 12))
        return x.astype(np.float32), truth.astype(np.int8), known

    x, _, known = images(1, 1500)
    complete, _ = _verdicts(_fit(x, known), *images(2, 800)[:2])
    assert [one.label for one in complete.weakest] == ["cat"]
    weak = complete.weakest[0]
    assert (weak.why, weak.facts["with"]) == (Reason.CONFUSED, "dog")
    assert weak.reason.startswith('confused with "dog": ')
    assert "make them one label" in weak.todo


def test_labels_never_or_hardly_known_come_with_their_number() -> None:
    x, _, known = _images(1, 1000)
    known = known.copy()
    known[known[:, 2] == 1] = -1
    foxes = np.flatnonzero(known[:, 5] == 1)
    known[foxes[4:], 5] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of both labels, as a fit does
        model = _fit(x, known)
    _, alone = _verdicts(model, *_images(2, 500)[:2])
    assert [(one.label, one.why) for one in alone.weakest] == [("cat", Reason.NEVER_KNOWN), ("fox", Reason.FEW_IMAGES)]
    assert [one.reason for one in alone.weakest] == ["never known to be present", "known in only 4 images"]


# --- each rule at its border -----------------------------------------------------------------------------


def _document(
    brier: float = 0.5, nll: float = 0.5, ranking: float = 0.8, decided: float = 0.5, size: int = 1000, **more: Any
) -> dict[str, Any]:
    plain = {"brier": 0.1, "nll": 2.0, "map": 0.2, "macro_f1": 0.1}
    own = {"brier": 0.1 * (1 - brier), "nll": 2.0 * (1 - nll), "map": 0.2 + 0.8 * ranking, "macro_f1": 0.1 + 0.9 * decided}
    skills = {"brier_skill": brier, "nll_skill": nll, "ranking_skill": ranking, "decision_skill": decided}
    return {"num_images": size, "num_impossible": 0, **own, **skills, "without_image": plain, **more}


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, "strong"),
        ({"size": MANY, "brier": 0.351, "nll": 0.351, "ranking": 0.501, "decided": 0.301}, "strong"),
        ({"size": MANY, "brier": 0.349}, "fair"),
        ({"size": MANY, "nll": 0.349}, "fair"),
        ({"size": MANY, "ranking": 0.499}, "fair"),
        ({"size": MANY, "decided": 0.299}, "fair"),
        ({"size": MANY, "brier": 0.151, "nll": 0.151, "ranking": 0.301, "decided": 0.151}, "fair"),
        ({"size": MANY, "brier": 0.149}, "weak"),
        ({"size": MANY, "nll": -0.1}, "weak"),
        ({"size": MANY, "ranking": 0.299}, "weak"),
        ({"size": MANY, "decided": 0.149}, "weak"),
        ({"size": 100, "brier": 0.401, "nll": 0.401, "ranking": 0.601, "decided": 0.351}, "strong"),
        ({"size": 100, "brier": 0.399}, "fair"),  # so much may be chance
        ({"size": 100, "ranking": 0.399}, "weak"),
        ({"calibration_error_above": 0.2}, "strong"),
        ({"calibration_error_above": 0.21}, "fair"),
        ({"size": 50}, "strong"),
        ({"size": 49}, "fair"),
        ({"num_impossible": 1}, "fair"),
        ({"full_labels": {"brier_skill": 0.6, "nll_skill": 0.5, "ranking_skill": 0.8}}, "strong"),
        ({"full_labels": {"brier_skill": 0.7, "nll_skill": 0.5, "ranking_skill": 0.8}}, "fair"),
        ({"brier": 0.2, "full_labels": {"brier_skill": 0.51}}, "weak"),
        ({"full_labels": {"brier_skill": -0.1}}, "strong"),  # it gains nothing, and is no measure
    ],
)
def test_levels_on_complete_labels(given: dict[str, Any], level: str) -> None:
    assert verdict_of({}, _document(**given)).level == level


@pytest.mark.parametrize(("error", "said"), [(None, False), (0.1, False), (0.15, True), (0.3, True)])
def test_probabilities_that_are_far_off_are_said(error: float | None, said: bool) -> None:
    sentence = verdict_of({}, _document(calibration_error_above=error)).sentence
    assert (f"off by {round(100 * (error or 0))} percentage points on average: run latentlabels calibrate" in sentence) == said


def test_what_full_labels_gave_is_said() -> None:
    found = verdict_of({}, _document(full_labels={"brier_skill": 0.6, "nll_skill": 0.5, "ranking_skill": 0.8}))
    assert found.facts["of_full_labels"] == pytest.approx(0.5 / 0.6)
    assert "At least 83 % of what complete training labels give is reached." in found.sentence


def test_a_ranking_with_worse_probabilities_says_so() -> None:
    found = verdict_of({}, _document(brier=-0.02, nll=-0.1))
    assert found.level is Level.WEAK
    assert found.sentence == (
        "Weak: on 1,000 completely labelled images, the mAP is 84 % (20 % without looking at the image), the negative "
        "log-likelihood of label sets is 0.20 nats per image higher, the squared error of the probabilities is 2 % larger, and "
        "the F1 of a label at probability 0.5 is 55 % on average (10.0 %). Its probabilities are worse than prevalences alone. "
        "Not fair because of: likelihood, squared error."
    )


def test_the_run_that_once_got_an_all_clear_is_weak() -> None:
    """mAP 32.7 %, macro-F1 15 % and a label at 0.6 %: no warnings, and nothing to do."""
    figures = {"average_precision": 0.006, "support": 9, "predicted": 0.009, "confused_with": None}
    document = _document(brier=0.2, nll=0.2, ranking=0.276, map=0.327, macro_f1=0.15, per_label={"hat": figures})
    found = verdict_of({"known_counts": {"hat": [60, 0]}}, document)
    assert found.level is Level.WEAK
    assert found.weakest_sentence.startswith(
        '1 of 1 label is weak: "hat" (hardly distinguished from other images; average precision'
    )


@pytest.mark.parametrize(("gain", "size", "level"), [(0.401, 1000, "fair"), (0.399, 1000, "weak"), (-0.1, 1000, "weak")])
def test_levels_on_known_labels(gain: float, size: int, level: str) -> None:
    d = {"held_out_log_likelihood": gain - 2, "without_image": {"held_out_log_likelihood": -2.0, "num_held_out": size}}
    found = verdict_of(d)
    assert (found.level, found.basis) == (level, Basis.KNOWN)


@pytest.mark.parametrize(
    ("gain", "size", "level"),
    [
        (1.0, 5, "unknown"),
        (-0.1, 9, "unknown"),
        (5.0, 9, "unknown"),
        (0.6, 11, "unknown"),
        (0.7, 11, "fair"),
        (0.1, 10, "weak"),
    ],
)
def test_a_few_held_out_images_tell_nothing_and_that_is_said(gain: float, size: int, level: str) -> None:
    """Below 10 images nothing is said; from there, a gain that is large enough but may be chance."""
    d = {"held_out_log_likelihood": gain - 2, "without_image": {"held_out_log_likelihood": -2.0, "num_held_out": size}}
    found = verdict_of(d)
    assert found.level.value == level
    assert ("too few to tell how good the fit is" in found.sentence) == (level == "unknown")


@pytest.mark.parametrize(("score", "level"), [(0.236, "fair"), (0.23, "weak"), (0.11, "weak")])
def test_levels_by_ranking_alone(score: float, level: str) -> None:
    keys = ("known_map", "known_map_by_chance", "known_map_largest_by_chance")
    found = verdict_of({"without_image": dict(zip(keys, (score, 0.1, 0.12), strict=True))})
    assert (found.level, found.basis) == (level, Basis.RANKING)


@pytest.mark.parametrize(
    ("predicted", "identified", "level"), [(4.0, True, "fair"), (2.6, True, "weak"), (6.1, True, "weak"), (2.0, False, "fair")]
)
def test_a_number_of_labels_that_known_ones_contradict_is_weak(predicted: float, identified: bool, level: str) -> None:
    """A loss that takes unknown labels for absent ranks images well, and its probabilities are half of what they should be."""
    keys = ("known_map", "known_map_by_chance", "known_map_largest_by_chance")
    d: dict[str, Any] = {"without_image": dict(zip(keys, (0.5, 0.1, 0.12), strict=True)), "predicted_count": predicted}
    found = verdict_of(d | {"expected_labels": 4.0, "expected_labels_identified": identified})
    assert found.level.value == level
    assert ("but known labels determine 4.00." in found.sentence) == (level == "weak")


def _label(precision: float, support: int = 100, predicted: float = 0.1, confused: Any = None) -> dict[str, Any]:
    return {"average_precision": precision, "support": support, "predicted": predicted, "confused_with": confused}


@pytest.mark.parametrize(
    ("figures", "known", "area", "why"),
    [
        (_label(0.28), 50, None, None),  # 0.1 + 0.2 x 0.9
        (_label(0.279), 50, None, "not learned"),
        (_label(0.279), 10, None, "not learned"),
        (_label(0.279), 9, None, "few images"),
        (_label(0.279), 0, None, "never known"),
        (_label(0.9), 0, None, None),  # measured: its name was enough
        (_label(0.279, confused={"label": "cat", "share": 0.6}), 50, None, "confused"),
        (_label(0.13, confused={"label": "cat", "share": 0.6}), 50, None, "not learned"),  # at chance it is no other label
        (_label(0.9, predicted=0.21), 50, None, "prevalence far off"),
        (_label(0.9, predicted=0.2), 50, None, None),
        (_label(0.9, predicted=0.049), 50, None, "prevalence far off"),
        (_label(0.9, support=5, predicted=0.011), 50, None, None),  # 11 expected and 5 seen may be chance
        (_label(0.01, support=4), 50, None, None),  # too few images to be measured
        (_label(0.01, support=4), 50, 0.6, "not learned"),
        (None, 50, 0.75, None),
        (None, 50, 0.749, "not learned"),
        (None, 9, 0.749, "few images"),
        (None, 9, 0.9, None),
        (None, 9, None, "few images"),
        (None, 10, None, None),
        (None, 0, None, "never known"),
    ],
)
def test_labels(figures: dict[str, Any] | None, known: int, area: float | None, why: str | None) -> None:
    d = {"known_counts": {"dog": [known, 0]}, "known_ranking": {} if area is None else {"dog": [20, area]}}
    found = verdict_of(d, None if figures is None else _document(per_label={"dog": figures})).weakest
    assert [one.why.value for one in found] == ([] if why is None else [why])
    for one in found:
        assert one.reason and one.todo and json.dumps(one.to_dict(), allow_nan=False)


def test_the_weakest_comes_first() -> None:
    d = {"known_counts": {label: [n, 0] for label, n in zip("abcde", (50, 50, 0, 3, 50), strict=True)}}
    d["known_ranking"] = {"a": [9, 0.6], "b": [9, 0.5], "e": [9, 0.9]}
    found = verdict_of(d)
    assert [one.label for one in found.weakest] == ["c", "b", "a", "d"]
    assert found.weakest_sentence.startswith("4 of 5 labels are weak, the weakest first: ")
    assert found.weakest_sentence.endswith(" and 1 more.")
    assert len(found.to_dict(most=2)["weakest"]) == 2


def test_many_weak_labels_make_a_weak_fit() -> None:
    def level(weak: int) -> str:
        good, bad = _label(0.9), _label(0.1)
        return verdict_of({}, _document(per_label_ap=dict.fromkeys(map(str, range(30))), per_label={
            str(k): bad if k < weak else good for k in range(30)
        })).level.value  # fmt: skip

    assert [level(n) for n in (0, 6, 7, 10, 11)] == ["strong", "strong", "fair", "fair", "weak"]


def test_labels_with_few_images_keep_a_measured_fit_from_strong_but_do_not_make_it_weak() -> None:
    d = {"known_counts": {str(k): [3, 0] for k in range(9)}}
    found = verdict_of(d, _document())
    assert (found.level, len(found.weakest)) == (Level.FAIR, 9)


def test_most_labels_with_few_images_make_a_fit_weak_that_known_labels_alone_measure() -> None:
    """30 held-out images hardly show labels that are known in three: a fit to 20 labels, half of them shuffled, once passed."""
    d = {"held_out_log_likelihood": -1.5, "without_image": {"held_out_log_likelihood": -2.5, "num_held_out": 300}}

    def found(few: int) -> Verdict:
        return verdict_of(d | {"known_counts": {str(k): [3 if k < few else 50, 0] for k in range(10)}})

    assert [found(few).level.value for few in (0, 5, 6, 10)] == ["fair", "fair", "weak", "weak"]
    assert "Most labels are known in too few images to be judged." in found(6).sentence
    assert "too few images" not in found(5).sentence


@pytest.mark.parametrize(
    ("given", "of", "because"),
    [
        ({}, None, ()),
        ({"brier": 0.3}, "strong", ("brier_skill",)),
        ({"brier": 0.3, "decided": 0.1}, "fair", ("decision_skill",)),  # what keeps it from strong comes later
        ({"ranking": 0.2, "decided": 0.1, "num_impossible": 2}, "fair", ("ranking_skill", "decision_skill")),
        ({"size": 40, "num_impossible": 2}, "strong", ("num_images", "num_impossible")),
    ],
)
def test_what_keeps_a_fit_from_the_next_level_is_said(given: dict[str, Any], of: str | None, because: tuple[str, ...]) -> None:
    found = verdict_of({}, _document(**given))
    assert (found.facts.get("short_of"), tuple(found.facts.get("short", ()))) == (of, because)
    assert ("because of" in found.sentence) == bool(because)


STRANGE = (None, math.nan, math.inf, -math.inf, "text", [], {}, True, -1, 0)


def test_whatever_is_missing_or_strange_nothing_is_raised() -> None:
    keys = ("known_counts", "known_ranking", "without_image", "held_out_log_likelihood")
    for key, value in itertools.product(keys, STRANGE):
        found = verdict_of({key: value}, {})
        assert found.sentence.split(":")[0] in ("Unknown", "Weak")
    for key, value in itertools.product(_document(), STRANGE):
        found = verdict_of({}, {**_document(per_label={"a": value}, per_label_ap={"a": value}), key: value})
        json.dumps(found.to_dict(), allow_nan=False)
    assert verdict_of({}).level is Level.UNKNOWN
    assert "latentlabels evaluate" in verdict_of({}).sentence


# --- ranking by known labels -----------------------------------------------------------------------------


def test_the_area_by_hand() -> None:
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])[:, None]
    known = np.array([1, 1, 0, 1, 1, 0, 1, 0, 0, 0])[:, None]
    # pairs in the right order: 5 + 5 + 4 + 4 + 3 of 25
    assert known_ranking(known, p) == {0: (5, pytest.approx(21 / 25))}
    known[5, 0] = -1
    assert known_ranking(known, p * 0.9) == {0: (5, pytest.approx(_open_area(known, p)))} or p.sum() < 5
    assert known_ranking(np.where(known == 1, -1, known), p) == {}


def _open_area(known: np.ndarray, p: np.ndarray) -> float:
    """With few known absences all others are the other side; as many of them as are expected show the label."""
    shown, others = p[known == 1], p[known != 1]
    area = np.mean([a > b for a in shown for b in others])
    hidden = (p.sum() - len(shown)) / len(others)
    return float(0.5 + (area - 0.5) / (1 - hidden))


@pytest.mark.parametrize("prevalence", [0.1, 0.4, 0.7])
def test_unknown_presences_do_not_lower_the_area(prevalence: float) -> None:
    rng = np.random.default_rng(1)
    size = 40_000
    p = rng.beta(4 * prevalence, 4 * (1 - prevalence), size)
    shown = rng.random(size) < p
    known = np.where(shown & (rng.random(size) < 0.3), 1, -1)
    true = known_ranking(np.where(shown, 1, 0)[:, None], p[:, None])[0][1]
    assert known_ranking(known[:, None], p[:, None])[0][1] == pytest.approx(true, abs=0.015)


def test_random_order_has_an_area_of_one_half() -> None:
    rng = np.random.default_rng(0)
    areas = [known_ranking(np.where(rng.random((300, 1)) < 0.2, 1, -1), rng.random((300, 1)) * 0.2)[0][1] for _ in range(200)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.01)
