"""Metrics against values worked out by hand, an independent formula, and labels drawn from the probabilities."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from latentlabels.errors import DataError
from latentlabels.metrics import Evaluation, average_precisions, calibration_curve, evaluate, map_known
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
    parts = found.result(average_precisions(zip(truth.T == 1, p.T.astype(float), strict=True)))
    assert parts.nll == whole.nll == np.inf
    one, other = parts.to_dict(), whole.to_dict()
    assert one.pop("per_label_ap") == other.pop("per_label_ap")
    for key, value in other.pop("calibration").items():
        assert one["calibration"][key] == pytest.approx(value, rel=1e-12), key
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
