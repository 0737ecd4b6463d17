"""Each rule of advice at its border, from plain dicts; whatever is missing or strange, nothing is raised."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

from latentlabels.checks.advice import advise, poor
from latentlabels.checks.finding import Finding, Kind, Severity, Todo
from latentlabels.checks.sentences import fit_warnings, sentence, title, todo, warning

OURS: dict[str, Any] = {"model": {"objective": "collapsed"}}
OTHER: dict[str, Any] = {"model": {"objective": "focal"}}
STRANGE = (None, math.nan, math.inf, -math.inf, "text", [], {}, True, -1, 0)


def _about(kind: Kind, *args: Any, **more: Any) -> Finding | None:
    found = [one for one in advise(*args, **more) if one.kind is kind]
    assert len(found) <= 1
    return found[0] if found else None


def _severity(kind: Kind, *args: Any) -> Severity | None:
    found = _about(kind, *args)
    return None if found is None else found.severity


# --- whether anything was learned -----------------------------------------------------------------------


def _held_out(gain: float, size: int = 100) -> dict[str, Any]:
    plain = {"held_out_log_likelihood": -2.0, "num_held_out": size}
    return {"held_out_log_likelihood": -2.0 + gain, "without_image": plain}


@pytest.mark.parametrize(
    ("gain", "size", "severity", "said"),
    [
        (-0.5, 10_000, "act", "worse than prevalences alone"),
        (0.0, 10_000, "act", "no better than prevalences alone"),
        (0.0920, 100, "act", "no better than"),  # 9.20 nats in all, and log(10 epochs x 1000) = 9.21
        (0.0922, 100, "look", "only 1.1 times as probable"),
        (0.0922, 10, "act", "no better than"),
        (0.22, 100, "look", "only 1.2 times"),
        (0.50, 10, "look", "which may be chance"),
        (0.23, 100, "fine", "1.3 times as probable"),
        (2.0, 100, "fine", "7.4 times as probable"),
    ],
)
def test_what_images_add(gain: float, size: int, severity: str, said: str) -> None:
    found = _about(Kind.SKILL, _held_out(gain, size), [{}] * 10, OURS)
    assert found is not None
    assert found.severity == severity
    assert said in sentence(found)
    assert f"on {size:,} held-out images" in sentence(found)
    assert (found.todo == ()) == (severity == "fine")
    assert (poor(advise(_held_out(gain, size), [{}] * 10, OURS)) is not None) == (severity == "act")
    assert _about(Kind.SKILL, _held_out(gain, size), [{}] * 10, OTHER) is None  # its value is no likelihood


def test_ranking_by_known_labels() -> None:
    def stored(score: float) -> dict[str, Any]:
        keys = ("known_map", "known_map_by_chance", "known_map_largest_by_chance")
        return {"without_image": dict(zip(keys, (score, 0.1, 0.15), strict=True))}

    assert _severity(Kind.RANKING, stored(0.15), [], OTHER) == "act"
    assert _severity(Kind.RANKING, stored(0.151), [], OTHER) == "fine"
    found = _about(Kind.RANKING, stored(0.12), [], OTHER)
    assert found is not None
    assert sentence(found) == (
        "Images are ranked no better than in random order (mAP against known labels 0.120, by chance 0.100)."
    )


@pytest.mark.parametrize(
    ("fit", "severity", "said"),
    [
        ({"map": 0.5, "nll": 3.0, "brier": 0.1}, "fine", "The calibration error is 1.0 % on 400 completely labelled images."),
        ({"map": 0.5, "nll": 5.0, "brier": 0.1}, "look", "worse than prevalences alone (negative log-likelihood 5.00 against"),
        ({"map": 0.5, "nll": 3.0, "brier": 0.3}, "look", "worse than prevalences alone (Brier score 0.300 against 0.200)"),
        ({"map": 0.5, "nll": 5.0, "brier": 0.3}, "act", "no better than prevalences alone, without looking at the image"),
        ({"map": 0.2, "nll": 3.0, "brier": 0.1}, "act", "mAP 20 % against 20 %"),
    ],
)
def test_a_poor_model_is_called_poor_however_well_it_is_calibrated(fit: dict[str, float], severity: str, said: str) -> None:
    plain = {"map": 0.2, "nll": 4.0, "brier": 0.2, "calibration_error": 0.0}
    found = _about(Kind.MEASURED, {}, [], OURS, {"calibration_error": 0.01, "num_images": 400, "without_image": plain, **fit})
    assert found is not None
    assert found.severity == severity
    assert said in sentence(found)


def test_calibration_is_that_of_probabilities_above_five_percent() -> None:
    plain = {"map": 0.2, "nll": 4.0, "brier": 0.2, "calibration_error": 0.001, "calibration_error_above": 0.03}
    fit = {"map": 0.5, "nll": 3.0, "brier": 0.1, "calibration_error": 0.004, "calibration_error_above": 0.06}
    found = _about(Kind.MEASURED, {}, [], OURS, {"num_images": 400, "without_image": plain, **fit})
    assert found is not None
    assert found.severity is Severity.LOOK  # 0.4 % of all entries is 6 % of those that matter
    assert sentence(found) == (
        "The calibration error of probabilities above 5 % is 6 % on 400 completely labelled images (3.0 % without looking at "
        "the image)."
    )


@pytest.mark.parametrize(
    ("error", "severity"), [(0.0, "fine"), (0.05, "fine"), (0.0501, "look"), (None, "look"), (math.nan, "look")]
)
def test_complete_labels(error: float | None, severity: str) -> None:
    found = advise({}, [], OURS, {"calibration_error": error, "num_images": 1200})[-1]
    measured = error is not None and not math.isnan(error)
    assert (found.kind, found.severity) == (Kind.MEASURED if measured else Kind.UNMEASURED, severity)
    assert ("on 1,200 completely labelled images" in sentence(found)) == measured
    assert ("latentlabels evaluate" in todo(found)) == (not measured)


# --- the rest -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicted", "severity"),
    [(2.0, "fine"), (2.5, "fine"), (1.6, "fine"), (2.51, "look"), (1.59, "look"), (3.0, "look"), (3.01, "act"), (1.33, "act")],
)
def test_number_of_labels(predicted: float, severity: str) -> None:
    d = {"predicted_count": predicted, "expected_labels": 2.0}
    found = _about(Kind.COUNT, d, [], OURS)
    assert found is not None
    assert found.severity == severity
    assert sentence(found) == f"The fit predicts {predicted:.2f} labels per image; 2.00 were expected."
    assert bool(todo(found)) == (severity != "fine")
    other = _about(Kind.COUNT, d, [], OTHER)
    assert other is not None
    assert other.severity == ("fine" if severity == "fine" else "look")  # a published loss never promised it


@pytest.mark.parametrize(("identified", "advised"), [(True, Todo.CHECK_ANNOTATION), (False, Todo.STATE_COUNT)])
def test_a_scale_that_has_drifted_says_what_to_do(identified: bool, advised: Todo) -> None:
    d = {
        "predicted_count": 9.0,
        "expected_labels": 2.0,
        "expected_labels_source": "x",
        "expected_labels_identified": identified,
    }
    found = _about(Kind.COUNT, d, [], OURS)
    assert found is not None
    assert found.todo == (advised,)
    assert sentence(found) == "The fit predicts 9.00 labels per image; 2.00 were expected (source: x)."


def test_how_the_average_was_determined() -> None:
    d = {"expected_labels_identified": True, "expected_labels_source": "set by expected_labels"}
    found = _about(Kind.SCALE, d, [], OURS)
    assert found is not None
    assert (found.severity, sentence(found)) == ("fine", "How it was determined: set by expected_labels.")
    assert title(found) == "average number of labels"
    assert _severity(Kind.SCALE, {**d, "expected_labels_identified": False}, [], OURS) == "look"
    assert _severity(Kind.SCALE, d, [], OTHER) is None
    assert _severity(Kind.SCALE, {"expected_labels_source": "?"}, [], OURS) is None


@pytest.mark.parametrize(
    ("best", "last", "stopped", "severity", "said"),
    [
        (4, 4, False, "look", "Epoch 5, the last one, was the best"),
        (4, 4, True, "fine", "Epoch 5 of 5"),
        (3, 4, False, "fine", "Epoch 4 of 5 was the best and was kept"),
        (0, 4, True, "look", "got worse after the first epoch"),
        (0, 0, False, "look", "Epoch 1, the last one, was the best"),
        (-1, 4, False, None, ""),
    ],
)
def test_length_of_training(best: int, last: int, stopped: bool, severity: str | None, said: str) -> None:
    history = [{"epoch": epoch} for epoch in range(last + 1)]
    found = _about(Kind.LENGTH, {"best_epoch": best, "stopped_early": stopped}, history, OURS)
    assert (found.severity if found else None) == severity
    assert said in (sentence(found) if found else "")


@pytest.mark.parametrize(
    ("gap", "severity", "said"),
    [
        (-1.0, "fine", "about as well"),
        (0.0, "fine", "about as well"),
        (0.25, "fine", "0.25 nats"),
        (0.5, "fine", "0.50 nats"),
        (0.75, "look", "0.75 nats"),
    ],
)
def test_overfitting(gap: float, severity: str, said: str) -> None:
    history = [
        {"epoch": 0, "train_log_likelihood": 5.0, "held_out_log_likelihood": -5.0},
        {"epoch": 1, "train_log_likelihood": -2.0, "held_out_log_likelihood": -2.0 - gap},
    ]
    found = _about(Kind.OVERFITTING, {"best_epoch": 1}, history, OURS)
    assert found is not None
    assert (found.severity, said in sentence(found)) == (severity, True)
    assert _severity(Kind.OVERFITTING, {"best_epoch": 1}, history, OTHER) is None


@pytest.mark.parametrize(
    ("total", "severity", "said"),
    [
        (500, "fine", "50 held-out images chose"),
        (490, "look", "49 held-out images chose"),
        (10, "look", "1 held-out image chose the epoch."),
        (4, "look", "No image was held out"),
    ],
)
def test_held_out_images(total: int, severity: str, said: str) -> None:
    found = _about(Kind.HELD_OUT, {"num_images": total}, [], {"fit": {"held_out": 0.1}})
    assert found is not None
    assert (found.severity, said in sentence(found)) == (severity, True)


def test_known_labels() -> None:
    found = {one.kind: one for one in advise({"known_counts": {"a": [0, 9], "b": [9, 0], "c": [10, 0]}}, [], OURS)}
    never, rarely = found[Kind.NEVER_KNOWN], found[Kind.RARELY_KNOWN]
    assert (never.severity, never.labels) == ("act", ("a",))
    assert sentence(never) == "1 of 3 labels is never known to be present: a."
    assert (rarely.severity, rarely.labels) == ("look", ("b",))
    assert sentence(rarely) == "1 label is known to be present in fewer than 10 images: b."
    assert Kind.KNOWN not in found
    fine = _about(Kind.KNOWN, {"known_counts": {"c": [10, 0], "d": [11, 0]}}, [], OURS)
    assert fine is not None
    assert sentence(fine) == "Each label is known to be present in at least 10 images."


def test_the_most_pressing_comes_first() -> None:
    d = {
        "predicted_count": 9.0, "expected_labels": 2.0, "expected_labels_identified": True, "expected_labels_source": "stated",
        "num_images": 100, "best_epoch": 1, "stopped_early": True, "known_counts": {"a": [0, 0], "b": [3, 0]}, **_held_out(0),
    }  # fmt: skip
    found = advise(d, [{"epoch": e} for e in range(3)], {"fit": {"held_out": 0.1}})
    severities = [one.severity for one in found]
    assert severities == sorted(severities, key=["act", "look", "fine"].index)
    assert set(severities) == {"act", "look", "fine"}
    assert found[0].kind is Kind.SKILL


def test_nothing_missing_or_strange_raises() -> None:
    assert [one.kind for one in advise({}, [], {})] == [Kind.UNMEASURED]
    good = {
        "predicted_count": 2.0, "expected_labels": 2.0, "expected_labels_identified": False, "expected_labels_source": "stated",
        "num_images": 100, "best_epoch": 0, "stopped_early": False, "known_counts": {"a": [7, 0]}, "contradiction": None,
        "evenness": None, "prior": {"a": 0.1}, "warnings": [], **_held_out(0.1),
    }  # fmt: skip
    epochs = [{"epoch": 0, "train_log_likelihood": -1.0, "held_out_log_likelihood": -2.0}]
    config = {"model": {"objective": "collapsed"}, "fit": {"held_out": 0.1}}

    def say(*args: Any) -> None:
        assert all(sentence(one) and title(one) and todo(one) is not None for one in advise(*args))

    for key, value in itertools.product(good, STRANGE):
        say({**good, key: value}, epochs, config, {}, {"a": 0.99})
        say({key: value}, epochs, {}, None)
        fit_warnings({key: value})
    for value in STRANGE:
        say(good, [dict.fromkeys(epochs[0], value)], config)
        say(good, epochs, {"model": None, "fit": None})
        say(good, epochs, {**config, "fit": {"held_out": value}})
        say(good, epochs, config, {"calibration_error": value, "num_images": value})
        say(good, epochs, config, {"calibration_error": 0.01, "num_images": value, "without_image": value, "map": value})
        say({**good, "known_counts": {"a": value, "b": [value, value]}}, epochs, config)
        say({**good, "without_image": {"held_out_log_likelihood": value, "num_held_out": value}}, epochs, config)
        stored = {"kind": "contradiction", "severity": "act", "labels": [], "facts": {"claims": value}, "todo": []}
        say({**good, "contradiction": stored}, epochs, config)
        say({**good, "contradiction": {**stored, "todo": value}}, epochs, config)


def test_labels_that_were_not_expected_everywhere_are_named() -> None:
    prior = {"person": 0.9, "sky": 0.99, "cat": 0.1}
    everywhere = {"person": 0.995, "sky": 0.995, "cat": 0.5}
    found = _about(Kind.EVERYWHERE, {"prior": prior}, [], {}, prevalence=everywhere)
    assert found is not None
    assert found.labels == ("person",)
    assert sentence(found) == "The fit finds person in nearly every image, which was not expected."
    assert _about(Kind.EVERYWHERE, {"prior": prior}, [], {}, prevalence=prior) is None
    assert _about(Kind.EVERYWHERE, {}, [], {}, prevalence=everywhere) is None


# --- findings that a fit has kept -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("severity", Severity)
def test_a_finding_survives_json(kind: Kind, severity: Severity) -> None:
    one = Finding(kind, severity, ("a", "ü"), {"least": 3, "text": "x"}, (Todo.STATE_COUNT, Todo.FIND_IMAGES))
    assert Finding.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert title(one) and sentence(one) and warning(one).endswith(todo(one))


@pytest.mark.parametrize("step", Todo)
def test_everything_to_do_has_words(step: Todo) -> None:
    assert todo(Finding(Kind.NOTE, Severity.ACT, facts={"text": ""}, todo=(step,))).endswith(".")


@pytest.mark.parametrize("stored", [None, 3, [], {}, "", {"kind": "count"}, {"kind": "no such", "severity": "act"}])
def test_what_is_no_finding_is_left_out(stored: Any) -> None:
    assert Finding.from_dict(stored) is None
    assert fit_warnings({"warnings": [stored]}) == []


def test_a_contradiction_is_to_be_acted_upon() -> None:
    claims = [
        {"group": "vehicle", "other": "colour = = <=; x", "equal": False, "left": 512.0, "right": 300.4},
        {"group": "doors", "other": "car", "equal": True, "left": 1200.0, "right": 100.0},
    ]
    stored = Finding(
        Kind.CONTRADICTION, Severity.ACT, facts={"claims": claims, "more": 2}, todo=(Todo.WEIGHT_LABELS,)
    ).to_dict()
    one = _about(Kind.CONTRADICTION, {"contradiction": stored}, [], {})
    assert one is not None
    assert sentence(one) == (
        'Known labels contradict the label space and the annotation: "vehicle" should be known at most as often as '
        '"colour = = <=; x" (it is 512 against 300), "doors" should be known as often as "car" (it is 1,200 against 100), '
        "and 2 more."
    )
    assert "weighted-positive" in todo(one)
    fine = _about(Kind.CONTRADICTION, {"contradiction": None}, [], {})
    assert fine is not None and fine.severity == "fine"
    assert _about(Kind.CONTRADICTION, {}, [], {}) is None


def test_evenness_is_worth_a_look() -> None:
    for least, most, said in ((40, 40, "in 40 images"), (1, 1, "in 1 image"), (38, 41, "in 38 to 41 images")):
        facts = {"least": least, "most": most}
        stored = Finding(Kind.EVENNESS, Severity.LOOK, facts=facts, todo=(Todo.SAY_PER_LABEL_SEARCH,)).to_dict()
        one = _about(Kind.EVENNESS, {"evenness": stored}, [], {})
        assert one is not None
        assert (one.severity, sentence(one)) == ("look", f"Each label is known {said}: more even than chance would make it.")
        assert "per-label-search" in todo(one)
    assert _about(Kind.EVENNESS, {"evenness": None}, [], {}) is None


def test_sentences_of_version_0_1_are_shown_as_they_are() -> None:
    said = "known labels contradict the label space = x; either this, or that"
    found = advise({"contradiction": said, "evenness": "40 images each; so it is", "warnings": [said]}, [], {})
    notes = {one.severity: one for one in found if one.kind is Kind.NOTE}
    assert sentence(notes[Severity.ACT]) == said
    assert sentence(notes[Severity.LOOK]) == "40 images each; so it is"
    assert fit_warnings({"warnings": [said]}) == [said]
