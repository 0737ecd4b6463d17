"""Early stopping: the epochs of a fit, the best weights by each stopping rule, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError, nearest
from ..metrics import map_known


class Held(NamedTuple):
    """Held-out images after an epoch.

    Attributes:
        observed: (H, K) of 1, 0, -1.
        truth: (H, K) complete labels, or None.
        marginals: (H, K) label probabilities.
    """

    observed: NDArray[np.int8]
    truth: NDArray[np.int8] | None
    marginals: NDArray[np.float32]


@dataclass(frozen=True)
class Rule:
    """What early stopping watches.

    Attributes:
        name: by which a config calls it.
        labels: the labels of held-out images whose mAP counts; None: the objective's own value counts.
        keeps_last: the last epoch is the best one, and nothing stops a fit.
    """

    name: str
    labels: Literal["observed", "truth"] | None = None
    keeps_last: bool = False

    def score(self, value: float | None, held: Held | None) -> float | None:
        """The higher, the better; None where no image is held out.

        Args:
            value: of the objective on held-out images.
            held: their labels and probabilities, if the rule reads labels.

        Raises:
            ConfigError: complete labels are needed and missing.
        """
        if self.labels is None or held is None:
            return value
        labels = getattr(held, self.labels)
        if labels is None:
            raise ConfigError(f'the stopping rule "{self.name}" needs complete labels; give them as fit(..., truth=Y)')
        return map_known(labels, held.marginals)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (Rule("likelihood"), Rule("known-map", "observed"), Rule("truth-map", "truth"), Rule("none", keeps_last=True))
}
"""The rules: "likelihood", the objective's own value on held-out known labels; "known-map", the mAP against them;
"truth-map", the mAP against complete labels of held-out images, for oracles; "none", all epochs."""


def rules_named(names: Sequence[str]) -> tuple[Rule, ...]:
    """Rules by name, each once.

    Raises:
        ConfigError: an unknown name.
    """
    for name in names:
        if name not in RULES:
            raise ConfigError(f'unknown stopping rule "{name}"{nearest(name, RULES)} (known: {", ".join(RULES)})')
    return tuple(RULES[name] for name in dict.fromkeys(names))


@dataclass
class Best:
    """The best epoch so far by one rule.

    Attributes:
        state: its weights.
        epoch: from 0; -1 before the first.
        score: by the rule, higher is better.
    """

    state: dict[str, Tensor]
    epoch: int = -1
    score: float = -np.inf


class EpochValues(NamedTuple):
    """Means over images after an epoch; None where nothing was seen."""

    train: float | None
    held_out: float | None
    count: float | None = None  # type: ignore[assignment]  # a field hides tuple.count, which nobody misses


class Watch:
    """Records each epoch, keeps the best weights of each rule in memory and says when no rule is beaten any more.

    Args:
        rules: the first one decides which weights the fit ends with.
        patience: epochs without a better one, of those in which the loss is what it stays.
        ramp_epochs: epochs, from the first, in which the loss is not yet what it stays; see `Objective.ramp_epochs`. They
            use up no patience, and what the objective's own value was in them is not compared with what it is later.
        state: weights before the first epoch.
    """

    def __init__(self, rules: tuple[Rule, ...], patience: int, ramp_epochs: int, state: dict[str, Tensor]):
        self.rules, self.patience, self.ramp_epochs = rules, patience, ramp_epochs
        self.history: list[dict[str, Any]] = []
        self.kept = {rule.name: Best(state) for rule in rules}

    @property
    def best(self) -> Best:
        """By the first rule."""
        return self.kept[self.rules[0].name]

    @property
    def next_epoch(self) -> int:
        """The epoch to go on with."""
        return int(self.history[-1]["epoch"]) + 1 if self.history else 0

    @property
    def reads_labels(self) -> bool:
        """Whether a rule needs the probabilities of held-out images."""
        return any(rule.labels is not None for rule in self.rules)

    def take_over(self, history: list[dict[str, Any]], kept: Mapping[str, Best]) -> None:
        """Go on from what a checkpoint says."""
        self.history = history
        self.kept |= {name: best for name, best in kept.items() if name in self.kept}

    def after_epoch(
        self, values: EpochValues, held: Held | None, seconds: float, state: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Any]:
        """Record an epoch.

        Args:
            values: of the epoch.
            held: held-out labels and probabilities, if `reads_labels` and images are held out.
            seconds: since the fit began.
            state: gives a copy of the weights, called if they are the best by a rule.

        Returns:
            The epoch's row of the history.

        Raises:
            FloatingPointError: a value that is not finite.
            ConfigError: a rule that reads labels that are not there.
        """
        epoch = self.next_epoch
        _refuse_not_finite(epoch, values)
        scores = {rule.name: rule.score(values.held_out, held) for rule in self.rules}
        row: dict[str, Any] = {
            "epoch": epoch,
            "train_log_likelihood": values.train,
            "held_out_log_likelihood": values.held_out,
            "predicted_count": values.count,
            "score": scores[self.rules[0].name],
            "seconds": round(seconds, 3),
        }
        self.history.append(row)
        beaten = [rule.name for rule in self.rules if self._beats(rule, scores[rule.name], epoch)]
        if beaten:
            copied = state()
            for name in beaten:
                score = scores[name]
                self.kept[name] = Best(copied, epoch, -np.inf if score is None else score)
        return row

    def _beats(self, rule: Rule, score: float | None, epoch: int) -> bool:
        kept = self.kept[rule.name]
        other_loss = rule.labels is None and 0 <= kept.epoch < self.ramp_epochs <= epoch
        return rule.keeps_last or score is None or other_loss or score > kept.score

    @property
    def exhausted(self) -> bool:
        """Whether by every rule the last `patience` epochs were no better than an earlier one."""
        last = self.next_epoch - 1
        return all(
            not rule.keeps_last
            and self.kept[rule.name].epoch >= 0
            and last - max(self.kept[rule.name].epoch, self.ramp_epochs - 1) >= self.patience
            for rule in self.rules
        )


def _refuse_not_finite(epoch: int, values: EpochValues) -> None:
    held = None if values.held_out == -np.inf else values.held_out
    wrong = {"training": values.train, "held-out": held, "expected number of labels": values.count}
    for name, value in wrong.items():
        if value is not None and not np.isfinite(value):
            raise FloatingPointError(
                f"epoch {epoch + 1}: the {name} value is {value}; lower fit.learning_rate, for example to a tenth, or look for "
                "known labels that the label space makes impossible"
            )


def in_one_line(row: Mapping[str, Any], epochs: int) -> str:
    """An epoch of a history in one line; people count epochs from 1, of so many at most."""
    names = {"train_log_likelihood": "training", "held_out_log_likelihood": "held out", "predicted_count": "labels per image"}
    figures = [f"{name} {row[key]:.3f}" for key, name in names.items() if row[key] is not None]
    return f"epoch {row['epoch'] + 1} of {epochs}: {', '.join(figures)} ({row['seconds']:.0f} s)"
