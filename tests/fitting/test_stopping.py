"""When a fit stops and what it keeps, on made-up values of epochs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlabels.errors import ConfigError
from latentlabels.fitting.stopping import RULES, EpochValues, Held, Watch, in_one_line, rules_named


def watching(values: list[float | None], rules: str = "likelihood", patience: int = 3, ramp: int = 0) -> Watch:
    """A watch that saw held-out values until it had enough."""
    watch = Watch(rules_named(rules.split()), patience, ramp, {"epoch": torch.tensor(-1)})
    for epoch, value in enumerate(values):
        if watch.exhausted:
            break

        def state(epoch: int = epoch) -> dict[str, Tensor]:
            return {"epoch": torch.tensor(epoch)}

        watch.after_epoch(EpochValues(0.0, value), None, float(epoch), state)
    return watch


@pytest.mark.parametrize("ramp", [0, 1, 4, 20])
@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("best", [0, 2, 6])
def test_patience_counts_from_the_best_epoch_or_the_end_of_the_ramp(ramp: int, patience: int, best: int) -> None:
    watch = watching([-abs(epoch - best) for epoch in range(40)], patience=patience, ramp=ramp)
    found = max(best, ramp)  # the value of another loss, from before the ramp's end, is not compared
    assert watch.best.epoch == found == int(watch.best.state["epoch"])
    assert watch.exhausted and len(watch.history) == found + patience + 1


@pytest.mark.parametrize("ramp", [0, 1, 4, 20])
@pytest.mark.parametrize("best", [0, 2, 6])
def test_a_score_that_is_no_loss_is_compared_across_a_ramp_and_uses_up_no_patience_in_it(ramp: int, best: int) -> None:
    """The mAP against known labels means the same in every epoch; only the patience waits for the ramp."""
    watch = Watch(rules_named(["known-map"]), 8, ramp, {})
    labels = np.array([[1, 0], [0, 1], [0, 0]], np.int8)
    for epoch in range(40):
        if watch.exhausted:
            break
        other = 0.1 if epoch == best else 0.8  # the third image is ranked first, but for the best epoch
        held = Held(labels, None, np.array([[0.7, 0.2], [0.2, 0.7], [other, other]], np.float32))
        watch.after_epoch(EpochValues(0.0, -float(epoch)), held, 0.0, dict)
    assert watch.best.epoch == best
    assert len(watch.history) == max(best, ramp - 1) + 8 + 1


def test_a_fit_that_ends_within_the_ramp_keeps_its_best_epoch() -> None:
    watch = watching([1.0, 3.0, 2.0], ramp=10)
    assert watch.best.epoch == 1 and not watch.exhausted


def test_the_last_of_equal_epochs_is_not_better() -> None:
    watch = watching([1.0] * 10)
    assert watch.best.epoch == 0 and len(watch.history) == 4


@pytest.mark.parametrize("values", [[None] * 9, [5.0, 4.0, 3.0, 2.0, 1.0]])
def test_without_a_score_or_by_none_the_last_epoch_is_kept(values: list[float | None]) -> None:
    watch = watching(values, rules="none" if values[0] else "likelihood")
    assert not watch.exhausted and watch.best.epoch == len(values) - 1


def test_a_fit_goes_on_while_any_rule_gets_better() -> None:
    rules = rules_named(["likelihood", "known-map", "likelihood"])
    assert [rule.name for rule in rules] == ["likelihood", "known-map"]
    watch = Watch(rules, 2, 0, {})
    labels = np.array([[1, 0], [0, 1]], np.int8)
    for epoch in range(6):
        right = 0.5 + 0.1 * epoch if epoch < 4 else 0.1
        held = Held(labels, None, np.array([[right, 0.4], [0.45, right]], np.float32))
        watch.after_epoch(EpochValues(None, -float(epoch)), held, 0.0, dict)
    assert watch.kept["likelihood"].epoch == 0 and watch.reads_labels
    assert watch.kept["known-map"].score == 1.0 and watch.kept["known-map"].epoch < 4
    assert watch.history[3]["score"] == -3.0  # of the first rule


def test_a_rule_that_reads_complete_labels_asks_for_them() -> None:
    held = Held(np.ones((2, 1), np.int8), None, np.ones((2, 1), np.float32))
    with pytest.raises(ConfigError, match=r'"truth-map" needs complete labels; give them as fit\(..., truth=Y\)'):
        RULES["truth-map"].score(0.0, held)
    with pytest.raises(ConfigError, match='unknown stopping rule "known-mp"; did you mean "known-map"'):
        rules_named(["known-mp"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (EpochValues(np.nan, 1.0), "training value is nan"),
        (EpochValues(1.0, np.inf), "held-out value is inf"),
        (EpochValues(1.0, 1.0, np.nan), "expected number of labels value is nan"),
    ],
)
def test_a_value_that_is_not_finite_is_named(values: EpochValues, said: str) -> None:
    watch = Watch(rules_named(["likelihood"]), 3, 0, {})
    with pytest.raises(FloatingPointError, match=f"epoch 1: the {said}; lower fit.learning_rate"):
        watch.after_epoch(values, None, 0.0, dict)
    watch.after_epoch(EpochValues(1.0, -np.inf), None, 0.0, dict)  # what is known of a held-out image was impossible: no error


def test_an_epoch_is_said_in_one_line() -> None:
    row = watching([-1.5]).history[0]
    assert in_one_line(row, 3) == "epoch 1 of 3: training 0.000, held out -1.500 (0 s)"
