"""Metrics against values worked out by hand, an independent formula, and labels drawn from the probabilities."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from latentlabels.errors import DataError
from latentlabels.metrics import (
    Evaluation,
    average_precisions,
    calibration_curve,
    evaluate,
    map_known,
    score_constant,
    score_labels,
)
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    ]
)
TRUTH = np.array([[1, 0, 1, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0]])
P = np.array(
    [
        [0.9, 0.1, 0.7, 0.2, 0.4, 0.3, 0.2],
        [0.4, 0.6, 0.1, 0.3, 0.0, 0.1, 0.8],
        [0.3, 0.7, 0.2, 0.1, 0.1, 0.1, 0.6],
    ]
)


def test_by_hand() -> None:
    m = evaluate(TRUTH, P, np.log([0.1, 0.2, 0.4]), space=SPACE)
    assert (m.num_images, m.num_labels, m.num_labels_without_positive) == (3, 7, 1)
    assert m.per_label_ap == {
        "blue": 1.0, "red": 1.0, "car": 1.0, "bike": 1.0, "2-doors": None, "4-doors": 1.0, "striped": 1.0,
    }  # fmt: skip
    assert m.map == 1.0
    assert m.nll == pytest.approx(-math.log(0.1 * 0.2 * 0.4) / 3)
    assert m.num_impossible == 0
    assert m.brier == pytest.approx(((P - TRUTH) ** 2).sum() / 21)
    # above 0.5: blue, car | red, striped | red, striped: 5 hits, 1 false; missed are 4-doors and bike
    assert m.f1 == pytest.approx(2 * 5 / (2 * 5 + 1 + 2))
    assert m.macro_f1 == pytest.approx((1 + 1 + 1 + 0 + 0 + 2 / 3) / 6)
    assert m.count_error == pytest.approx((abs(2.8 - 3) + abs(2.3 - 3) + abs(2.1 - 1)) / 3)
    # vehicle: 0.9, 0.4, 0.3 where truth is yes, yes, no; doors: 0.7, 0.1, 0.2 where it is yes, no, no
    assert m.group_accuracy == pytest.approx(5 / 6)
    assert m.count_nll is None


def test_average_precision_by_hand() -> None:
    truth = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])
    p = np.array([[0.9, 0.5], [0.8, 0.5], [0.7, 0.5], [0.6, 0.5]])
    m = evaluate(truth, p)
    # ranks of the positives are 2 and 4; with all tied, the precision is the share of positives
    assert m.per_label_ap == pytest.approx({"label 0": (1 / 2 + 2 / 4) / 2, "label 1": 0.5})
    assert m.map == pytest.approx(0.5)


def test_constant_guess_is_scored_by_its_frequency() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 3)) < 0.3).astype(int)
    m = evaluate(truth, np.full((400, 3), 0.3))
    assert m.calibration_error == pytest.approx(abs(truth.mean() - 0.3))
    assert m.map == pytest.approx(truth.mean())
    assert m.f1 == 0 and m.macro_f1 == 0


def test_calibration_error_against_an_independent_formula() -> None:
    rng = np.random.default_rng(1)
    p, truth = rng.random((200, 4)), (rng.random((200, 4)) < 0.4).astype(int)
    expected = 0.0
    for b in range(15):
        inside = (p >= b / 15) & ((p < (b + 1) / 15) | (b == 14))
        expected += abs(truth[inside].sum() - p[inside].sum()) / p.size
    assert evaluate(truth, p).calibration_error == pytest.approx(expected)


def test_labels_drawn_from_the_probabilities_are_calibrated_and_drifted_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    p = rng.random((20_000, 3))
    truth = (rng.random(p.shape) < p).astype(int)
    assert evaluate(truth, p).calibration_error < 0.01
    assert evaluate(truth, p**2).calibration_error > 0.1


def test_calibration_curve_bins() -> None:
    curve = calibration_curve([[1], [0], [1], [1]], [[0.0], [0.1], [0.9], [1.0]], bins=2)
    assert curve.count == (2, 2)
    assert curve.predicted == pytest.approx((0.05, 0.95))
    assert curve.frequency == (0.5, 1.0)
    assert curve.error == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)
    empty = calibration_curve([[1]], [[1.0]], bins=4)
    assert empty.predicted == (None, None, None, 1.0) and empty.count == (0, 0, 0, 1)
    with pytest.raises(DataError, match="bins is 0"):
        calibration_curve([[1]], [[1.0]], bins=0)


def test_map_known_counts_the_unknown_as_not_known_present() -> None:
    observed = np.array([[1, -1, 0], [-1, -1, -1], [0, -1, 1], [1, -1, -1]], np.int8)
    p = np.array([[0.9, 0.5, 0.1], [0.8, 0.4, 0.9], [0.7, 0.3, 0.8], [0.6, 0.2, 0.2]])
    # label 0: positives at ranks 1 and 4; label 1: none, left out; label 2: positive at rank 2
    assert map_known(observed, p) == pytest.approx(((1 + 2 / 4) / 2 + 1 / 2) / 2)
    assert map_known(np.full((2, 2), -1), np.full((2, 2), 0.5)) is None
    with pytest.raises(DataError, match="observed holds 2"):
        map_known(np.array([[2]]), np.array([[0.5]]))


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1)])
def test_constant_truth_raises_nothing(value: int, shape: tuple[int, int]) -> None:
    m = evaluate(np.full(shape, value), np.full(shape, 0.7), np.zeros(shape[0]), np.ones((shape[0], 1)))
    if value:
        assert m.map == 1 and m.f1 == 1 and m.macro_f1 == 1 and m.num_labels_without_positive == 0
    else:
        assert m.map is None and m.macro_f1 is None and m.f1 == 0 and m.num_labels_without_positive == shape[1]
    assert m.calibration_error == pytest.approx(abs(0.7 - value))
    assert m.group_accuracy is None
    json.dumps(m.to_dict(), allow_nan=False)


def test_nothing_present_and_nothing_predicted_is_right() -> None:
    assert evaluate(np.zeros((2, 2)), np.zeros((2, 2))).f1 == 1


def test_counts() -> None:
    counts = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    truth, p = np.array([[1, 1, 0], [0, 1, 0]]), np.full((2, 3), 0.5)
    m = evaluate(truth, p, count_probs=counts)
    assert m.count_error == pytest.approx((abs(1.6 - 2) + abs(0.5 - 1)) / 2)
    assert m.count_nll == pytest.approx(-(math.log(0.7) + math.log(0.5)) / 2)
    more = evaluate(np.array([[1, 1, 1], [0, 1, 0]]), p, count_probs=counts)
    assert more.count_nll == math.inf  # three labels were given no chance
    assert more.to_dict()["count_nll"] is None


def test_impossible_truth_makes_the_likelihood_infinite_and_is_counted() -> None:
    m = evaluate(TRUTH, P, [-1.0, -np.inf, -2.0], space=SPACE)
    assert m.nll == math.inf and m.num_impossible == 1
    out = m.to_dict()
    assert out["nll"] is None and out["num_impossible"] == 1
    json.dumps(out, allow_nan=False)


def test_to_dict_holds_every_field() -> None:
    out = json.loads(json.dumps(evaluate(TRUTH, P, space=SPACE).to_dict(), allow_nan=False))
    assert out["per_label_ap"]["2-doors"] is None and out["nll"] is None
    assert sum(out["calibration"]["count"]) == TRUTH.size
    asked = {"map", "brier", "calibration_error", "f1", "macro_f1", "count_error", "group_accuracy", "num_images"}
    assert asked <= set(out)


def test_group_accuracy_of_free_predictions_takes_labels_as_independent() -> None:
    space = LabelSpace([OneOf("g", ["a", "b", "c"], optional=True)])
    truth, p = np.array([[0, 0, 0], [1, 0, 0]]), np.array([[0.2, 0.2, 0.2], [0.3, 0.3, 0.3]])
    # sums 0.6 and 0.9 say twice "applies"; products say 1 - 0.8^3 = 0.488 and 1 - 0.7^3 = 0.657
    assert evaluate(truth, p, space=space).group_accuracy == 0.5
    assert evaluate(truth, p, space=space, predicted_by=LabelSpace.free("abc")).group_accuracy == 1.0
    assert evaluate(truth, p, space=LabelSpace([OneOf("g", ["a", "b", "c"])])).group_accuracy is None


def test_free_labels_that_require_one_are_no_group_question() -> None:
    space = LabelSpace([Free("car"), Free("open", requires="car")])
    assert evaluate([[1, 0]], [[0.5, 0.5]], space=space).group_accuracy is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"marginals": P[:2]}, r"\(3, 7\).*\(2, 7\)"),
        ({"marginals": P[0]}, r"\(3, 7\).*\(7,\)"),
        ({"truth": TRUTH[:0], "marginals": P[:0]}, "nothing to evaluate"),
        ({"truth": np.where(TRUTH, 1, -1)}, "truth holds -1 and the like in 14 places"),
        ({"marginals": np.where(P > 0.85, np.nan, P)}, "NaN in 1 places .*row 0, column 0"),
        ({"marginals": P * 2}, "between 0 and 1.8"),
        ({"marginals": P - 0.5}, "between -0.5 and 0.4"),
        ({"log_prob": [-1.0, -2.0]}, r"\(2,\).*\(3,\)"),
        ({"log_prob": [-1.0, -2.0, np.nan]}, "NaN or values above 0"),
        ({"log_prob": [0.1, 0.2, 0.4]}, "NaN or values above 0"),
        ({"count_probs": np.ones((2, 1))}, r"\(2, 1\).*\(3, n_max \+ 1\)"),
        ({"count_probs": np.full((3, 4), 0.5)}, "do not sum to 1"),
        ({"space": LabelSpace.free("ab")}, "7 columns, but space has 2"),
        ({"predicted_by": LabelSpace.free("ab")}, "7 columns, but predicted_by has 2"),
    ],
)
def test_what_cannot_be_measured_is_an_error(change: dict[str, object], message: str) -> None:
    given = {"truth": TRUTH, "marginals": P, "space": SPACE} | change
    with pytest.raises(DataError, match=message):
        evaluate(**given)  # type: ignore[arg-type]


def test_rounding_beyond_one_is_forgiven() -> None:
    m = evaluate([[1, 0]], np.array([[1.0000005, -0.0000005]], np.float32))
    assert m.brier == 0 and m.calibration_error == 0


# --- block by block -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 50, 200])
def test_metrics_do_not_depend_on_how_images_are_divided(size: int) -> None:
    rng = np.random.default_rng(size)
    y = np.stack([rng.permutation([1, 0, 0]) for _ in range(200)])
    truth = np.concatenate([y, rng.random((200, 4)) < 0.3, np.zeros((200, 1))], 1).astype(np.int8)
    p = rng.random(truth.shape).astype(np.float32)
    log_prob = np.log(rng.random(200))
    log_prob[17] = -np.inf
    counts = rng.dirichlet(np.ones(9), 200)
    space = LabelSpace([OneOf("a", ["x", "y", "z"], optional=True), *(Free(label) for label in "bcdef")])
    whole = evaluate(truth, p, log_prob, counts, space)
    found = Evaluation(8, space)
    for start in range(0, 200, size):
        found.add(*(given[start : start + size] for given in (truth, p, log_prob, counts)))
        found = Evaluation(8, space, state=json.loads(json.dumps(found.state())))  # as a command that is continued
    parts = found.result(score_labels(zip(truth.T == 1, p.T.astype(float), strict=True), truth, found.rivals))
    assert parts.nll == whole.nll == np.inf
    one, other = parts.to_dict(), whole.to_dict()
    assert one.pop("per_label_ap") == other.pop("per_label_ap")
    for key, value in other.pop("calibration").items():
        assert one["calibration"][key] == pytest.approx(value, rel=1e-12), key
    for label, figures in other.pop("per_label").items():
        assert one["per_label"][label] == {k: v if v is None else pytest.approx(v) for k, v in figures.items()}
    assert one.pop("confusion") == other.pop("confusion")
    one.pop("per_label")
    for key, value in other.items():
        assert one[key] == (value if value is None else pytest.approx(value, rel=1e-12)), key


def test_an_average_precision_is_one_at_most() -> None:
    # scikit-learn's sum of shares of a perfect ranking is 1.0000000000000002 for some sizes, such as 9 of 60
    for positives in range(1, 60):
        present = np.arange(60) < positives
        [value] = average_precisions([(present, np.linspace(1, 0, 60))])
        assert value == pytest.approx(1.0)
        assert value is not None
        assert value <= 1.0


# --- label by label --------------------------------------------------------------------------------------


def test_a_label_by_hand() -> None:
    found = evaluate(TRUTH, P, space=SPACE).per_label
    striped = found["striped"]  # 0.2, 0.8, 0.6 where truth is no, yes, no
    assert (striped.support, striped.precision, striped.recall) == (1, 0.5, 1.0)
    assert striped.f1 == pytest.approx(2 / 3)
    assert striped.predicted == pytest.approx(1.6 / 3)
    assert striped.brier == pytest.approx((0.04 + 0.04 + 0.36) / 3)
    assert striped.calibration_error == pytest.approx((0.2 + 0.2 + 0.6) / 3)  # three bins of one entry each
    nothing = found["2-doors"]  # no image shows it, and none is said to
    assert (nothing.support, nothing.average_precision, nothing.precision, nothing.recall, nothing.f1) == (0, *[None] * 4)
    assert found["bike"].precision is None and found["bike"].recall == 0.0


def test_calibration_above_five_percent_leaves_out_what_fills_the_first_bin() -> None:
    truth, p = np.zeros((1000, 1)), np.full((1000, 1), 0.01)
    truth[:100], p[:100] = 1, 0.3
    found = evaluate(truth, p)
    assert found.calibration_error == pytest.approx(0.1 * 0.7 + 0.9 * 0.01)
    assert found.calibration_error_above == pytest.approx(0.7)
    assert found.label_calibration_error == pytest.approx(found.calibration_error)
    assert evaluate([[0]], [[0.05]]).calibration_error_above is None


def test_constant_probabilities_are_scored_without_their_entries() -> None:
    rng = np.random.default_rng(0)
    truth, p = rng.random((300, 4)) < [0.0, 0.02, 0.4, 0.8], np.array([0.1, 0.03, 0.3, 0.7])
    table = np.broadcast_to(p, truth.shape)
    slow = score_labels(zip(truth.T, table.T, strict=True))
    fast = score_constant(truth.sum(0), p, 300)
    assert fast.above.count == slow.above.count
    assert fast.above.error == pytest.approx(slow.above.error)
    for one, other in zip(fast.figures, slow.figures, strict=True):
        for key in ("support", "average_precision", "precision", "recall", "f1", "predicted", "brier", "calibration_error"):
            a, b = getattr(one, key), getattr(other, key)
            assert a == (b if b is None else pytest.approx(b)), key


def test_confusion_within_a_group_by_hand() -> None:
    found = evaluate(TRUTH, P, space=SPACE).confusion
    assert found["colour"] == (("blue", "blue", 1), ("red", "red", 2))
    # 0.7 says car; 0.3, 0.2, 0.1 are less than "none of them"
    assert found["vehicle"] == (("car", "car", 1), ("bike", None, 1), (None, None, 1))
    assert found["doors"] == (("4-doors", "2-doors", 1), (None, None, 2))
    assert evaluate(TRUTH, P, space=SPACE).to_dict()["confusion"]["vehicle"][1] == ["bike", None, 1]


def _scenes(seed: int, size: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Truth of cat, dog, sofa and sky, of which sofas go with cats, and scores that show all of them clearly."""
    rng = np.random.default_rng(seed)
    truth = rng.random((size, 4)) < [0.15, 0.2, 0.1, 0.5]
    truth[:, 2] |= truth[:, 0] & (rng.random(size) < 0.7)
    truth[truth[:, 0], 1] = False
    p = np.clip(np.where(truth, 0.8, 0.15) + rng.normal(0, 0.1, truth.shape), 0, 1)
    return truth, p


def test_two_labels_that_are_confused_on_purpose_are_named() -> None:
    truth, p = _scenes(0)
    clear = evaluate(truth, p, space=LabelSpace.free(["cat", "dog", "sofa", "sky"]))
    assert [one.confused_with for one in clear.per_label.values()] == [None] * 4
    pets = truth[:, :2].any(1)
    for k in (0, 1):  # no score tells a cat from a dog
        p[:, k] = np.clip(np.where(pets, 0.6, 0.1) + np.random.default_rng(k).normal(0, 0.1, len(p)), 0, 1)
    found = evaluate(truth, p, space=LabelSpace.free(["cat", "dog", "sofa", "sky"]))
    cat, dog = found.per_label["cat"].confused_with, found.per_label["dog"].confused_with
    assert cat is not None and dog is not None
    assert (cat.label, dog.label) == (1, 0)
    assert cat.share > 0.9 and cat.otherwise == pytest.approx(truth[~truth[:, 0], 1].mean())
    assert found.per_label["sofa"].confused_with is None and found.per_label["sky"].confused_with is None
    assert found.to_dict()["per_label"]["cat"]["confused_with"]["label"] == "dog"


def test_chance_is_confused_with_nothing() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.random((200, 6)) < 0.2
        found = evaluate(truth, rng.random(truth.shape)).per_label.values()
        alarms += sum(one.confused_with is not None for one in found)
    assert alarms <= 2  # of 240 labels, each with a false alarm in a thousand at most


def test_labels_of_a_group_are_confused_within_it() -> None:
    space = LabelSpace([OneOf("colour", ["blue", "red"]), Free("striped"), Free("dotted")])
    assert Evaluation(4, space).rivals == ((1,), (0,), (3,), (2,))
