"""Each rule of advice at its border, from plain dicts; whatever is missing or strange, nothing is raised."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from latentlabels.checks.advice import Advice, advise

OURS: dict[str, Any] = {"model": {"objective": "collapsed"}}
STRANGE = (None, math.nan, math.inf, -math.inf, "text", [], {}, True, -1, 0)


def _about(check: str, *args: Any) -> Advice | None:
    found = [one for one in advise(*args) if one.check == check]
    assert len(found) <= 1
    return found[0] if found else None


def _verdict(check: str, *args: Any) -> str | None:
    found = _about(check, *args)
    return None if found is None else found.verdict


@pytest.mark.parametrize(
    ("predicted", "verdict"),
    [(2.0, "fine"), (2.5, "fine"), (1.6, "fine"), (2.51, "look"), (1.59, "look"), (3.0, "look"), (3.01, "act"), (1.33, "act")],
)
def test_number_of_labels(predicted: float, verdict: str) -> None:
    d = {"predicted_count": predicted, "expected_labels": 2.0}
    found = _about("number of labels", d, [], OURS)
    assert found is not None
    assert found.verdict == verdict
    assert found.found == f"{predicted:.2f} labels per image are predicted, 2.00 were expected"
    assert bool(found.todo) == (verdict != "fine")
    other = _about("number of labels", d, [], {"model": {"objective": "focal"}})
    assert other is not None
    assert other.verdict == ("fine" if verdict == "fine" else "look")  # a published loss never promised it


def test_what_fixes_the_scale() -> None:
    d = {"expected_labels_identified": True, "expected_labels_source": "expected_labels, as stated"}
    assert _about("what fixes the scale", d, [], OURS) == Advice("what fixes the scale", "expected_labels, as stated", "fine")
    assert _verdict("what fixes the scale", {**d, "expected_labels_identified": False}, [], OURS) == "look"
    assert _verdict("what fixes the scale", d, [], {"model": {"objective": "focal"}}) is None
    assert _verdict("what fixes the scale", {"expected_labels_source": "?"}, [], OURS) is None


@pytest.mark.parametrize(
    ("best", "last", "stopped", "verdict", "said"),
    [
        (4, 4, False, "look", "the last epoch, 4, was the best"),
        (4, 4, True, "fine", "epoch 4 of 0 to 4"),
        (3, 4, False, "fine", "epoch 3 of 0 to 4 was the best and is kept"),
        (0, 4, True, "look", "got worse after the first epoch"),
        (0, 0, False, "look", "the last epoch, 0, was the best"),
        (-1, 4, False, None, ""),
    ],
)
def test_length_of_training(best: int, last: int, stopped: bool, verdict: str | None, said: str) -> None:
    history = [{"epoch": epoch} for epoch in range(last + 1)]
    found = _about("length of training", {"best_epoch": best, "stopped_early": stopped}, history, OURS)
    assert (found.verdict if found else None) == verdict
    assert said in (found.found if found else "")


@pytest.mark.parametrize(
    ("gap", "verdict", "said"),
    [
        (-1.0, "fine", "about as well"),
        (0.0, "fine", "about as well"),
        (0.25, "fine", "0.25 nats"),
        (0.5, "fine", "0.50 nats"),
        (0.75, "look", "0.75 nats"),
    ],
)
def test_overfitting(gap: float, verdict: str, said: str) -> None:
    history = [
        {"epoch": 0, "train_log_likelihood": 5.0, "held_out_log_likelihood": -5.0},
        {"epoch": 1, "train_log_likelihood": -2.0, "held_out_log_likelihood": -2.0 - gap},
    ]
    found = _about("overfitting", {"best_epoch": 1}, history, OURS)
    assert found is not None
    assert (found.verdict, said in found.found) == (verdict, True)
    assert _verdict("overfitting", {"best_epoch": 1}, history, {"model": {"objective": "focal"}}) is None


@pytest.mark.parametrize(
    ("total", "verdict", "said"),
    [(500, "fine", "50 images"), (490, "look", "49 held-out images"), (4, "look", "no image was held out")],
)
def test_held_out_images(total: int, verdict: str, said: str) -> None:
    found = _about("held-out images", {"num_images": total}, [], {"fit": {"held_out": 0.1}})
    assert found is not None
    assert (found.verdict, said in found.found) == (verdict, True)


def test_known_labels() -> None:
    found = {one.check: one for one in advise({"known_counts": {"a": [0, 9], "b": [4, 0], "c": [5, 0]}}, [], OURS)}
    assert found["labels never known"].verdict == "act"
    assert found["labels never known"].found == "1 of 3 labels are never known to be present: a"
    assert found["labels rarely known"].verdict == "look"
    assert found["labels rarely known"].found == "1 label known present in fewer than 5 images: b"
    assert "labels known" not in found
    assert _about("labels known", {"known_counts": {"c": [5, 0], "d": [6, 0]}}, [], OURS) == Advice(
        "labels known", "each label is known present in at least 5 images", "fine"
    )


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.0, "fine"), (0.05, "fine"), (0.0501, "look"), (None, "look"), (math.nan, "look")]
)
def test_complete_labels(error: float | None, verdict: str) -> None:
    found = _about("complete labels", {}, [], OURS, {"calibration_error": error, "num_images": 1200})
    assert found is not None
    assert found.verdict == verdict
    measured = error is not None and not math.isnan(error)
    assert ("on 1,200 completely labelled images" in found.found) == measured
    assert ("latentlabels evaluate" in found.todo) == (not measured)


def test_the_most_pressing_comes_first() -> None:
    d = {
        "predicted_count": 9.0, "expected_labels": 2.0, "expected_labels_identified": True, "expected_labels_source": "stated",
        "num_images": 100, "best_epoch": 1, "stopped_early": True, "known_counts": {"a": [0, 0], "b": [3, 0]},
    }  # fmt: skip
    verdicts = [one.verdict for one in advise(d, [{"epoch": e} for e in range(3)], {"fit": {"held_out": 0.1}})]
    assert verdicts == sorted(verdicts, key=["act", "look", "fine"].index)
    assert set(verdicts) == {"act", "look", "fine"}


def test_nothing_missing_or_strange_raises() -> None:
    assert [one.check for one in advise({}, [], {})] == ["complete labels"]
    keys = (
        "predicted_count", "expected_labels", "expected_labels_identified", "expected_labels_source", "num_images",
        "best_epoch", "stopped_early", "known_counts",
    )  # fmt: skip
    good = {
        "predicted_count": 2.0, "expected_labels": 2.0, "expected_labels_identified": False, "expected_labels_source": "stated",
        "num_images": 100, "best_epoch": 0, "stopped_early": False, "known_counts": {"a": [7, 0]},
    }  # fmt: skip
    epochs = [{"epoch": 0, "train_log_likelihood": -1.0, "held_out_log_likelihood": -2.0}]
    config = {"model": {"objective": "collapsed"}, "fit": {"held_out": 0.1}}
    for key, value in itertools.product(keys, STRANGE):
        advise({**good, key: value}, epochs, config, {})
        advise({key: value}, epochs, {}, None)
    for value in STRANGE:
        advise(good, [dict.fromkeys(epochs[0], value)], config)
        advise(good, epochs, {"model": None, "fit": None})
        advise(good, epochs, {**config, "fit": {"held_out": value}})
        advise(good, epochs, config, {"calibration_error": value, "num_images": value})
        advise(good, epochs, config, {"calibration_error": 0.01, "num_images": value})
        advise({**good, "known_counts": {"a": value, "b": [value, value]}}, epochs, config)


def test_a_contradiction_is_to_be_acted_upon() -> None:
    said = "known labels contradict the label space; either this, or that"
    one = next(one for one in advise({"contradiction": said}, [], {}) if one.check == "label space and annotation")
    assert (one.found, one.verdict, one.todo) == ("known labels contradict the label space", "act", "either this, or that")
    fine = next(one for one in advise({"contradiction": None}, [], {}) if one.check == "label space and annotation")
    assert fine.verdict == "fine"
    assert not [one for one in advise({}, [], {}) if one.check == "label space and annotation"]


def test_labels_that_were_not_expected_everywhere_are_named() -> None:
    prior = {"person": 0.9, "sky": 0.99, "cat": 0.1}
    everywhere = {"person": 0.995, "sky": 0.995, "cat": 0.5}
    found = [
        one for one in advise({"prior": prior}, [], {}, prevalence=everywhere) if one.check == "labels said to be everywhere"
    ]
    assert [one.found for one in found] == ["nearly every image is said to show person, which was not expected"]
    assert not [
        one for one in advise({"prior": prior}, [], {}, prevalence=prior) if one.check == "labels said to be everywhere"
    ]
    assert not [one for one in advise({}, [], {}, prevalence=everywhere) if one.check == "labels said to be everywhere"]


def test_evenness_is_worth_a_look() -> None:
    (one,) = [one for one in advise({"evenness": "40 images each; annotation per-label-search says so: really"}, [], {})
              if one.check == "numbers of images"]  # fmt: skip
    assert (one.found, one.verdict, one.todo) == ("40 images each", "look", "annotation per-label-search says so: really")
    assert not [one for one in advise({"evenness": None}, [], {}) if one.check == "numbers of images"]
