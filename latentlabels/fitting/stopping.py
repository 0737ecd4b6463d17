"""What is watched while a fit goes on: the epochs, the best weights by each stopping rule, when to stop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import lightning
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError
from ..metrics import map_known
from .checkpoint import Checkpoint
from .module import LabelModule

RULES = ("likelihood", "known-map", "truth-map", "none")


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

    def beaten_by(self, rule: str, score: float | None) -> bool:
        """Whether a score is better; without one, or under the rule "none", the last epoch is the best."""
        return rule == "none" or score is None or score > self.score


class Watch(lightning.Callback):
    """Records each epoch, keeps the best weights in memory and stops when no rule is beaten any more.

    The rules: "likelihood", the objective's own value on held-out known labels; "known-map", the mAP against
    them; "truth-map", the mAP against complete labels of held-out images, for oracles; "none", all epochs.

    Args:
        module: what is trained.
        rules: the first one decides which weights the fit ends with.
        patience: epochs without a better one.
        held: gives the held-out images after an epoch; None if there are none.
        history: a dict per epoch, to which is added.
        progress: say each epoch.
    """

    def __init__(
        self,
        module: LabelModule,
        rules: tuple[str, ...],
        patience: int,
        held: Callable[[LabelModule], Held] | None,
        history: list[dict[str, Any]],
        progress: bool = False,
    ):
        self.rules, self.patience, self.held, self.history, self.progress = rules, patience, held, history, progress
        self.stopped = False
        state = _copied(module)
        self.kept = {rule: Best(state) for rule in rules}
        self.started = time.perf_counter()
        for row in history:
            self._take(int(row["epoch"]), {rules[0]: row["score"]}, {})

    @property
    def best(self) -> Best:
        """By the first rule."""
        return self.kept[self.rules[0]]

    def take_over(self, state: Checkpoint) -> None:
        """Go on from what a checkpoint says, which knows the first rule alone."""
        for row in state.history[len(self.history) :]:
            self._take(int(row["epoch"]), {self.rules[0]: row["score"]}, {})
        self.best.state = state.best
        self.history = state.history
        self.stopped = self.exhausted

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Runs after the epoch's validation."""
        module = pl_module
        assert isinstance(module, LabelModule)
        epoch = module.first_epoch + trainer.current_epoch
        train, held_out, count = module.take("train"), module.take("held_out"), module.take("count")
        wrong = {"training": train, "held-out": None if held_out == -np.inf else held_out, "expected number of labels": count}
        for name, value in wrong.items():
            if value is not None and not np.isfinite(value):
                raise FloatingPointError(
                    f"epoch {epoch}: the {name} value is {value}; lower fit.learning_rate (a tenth of it, say), or look for "
                    "known labels that the label space makes impossible"
                )
        scores = self._scores(module, held_out)
        row: dict[str, Any] = {
            "epoch": epoch,
            "train_log_likelihood": train,
            "held_out_log_likelihood": held_out,
            "predicted_count": count,
            "score": scores[self.rules[0]],
            "seconds": round(time.perf_counter() - self.started, 3),
        }
        self.history.append(row)
        if self.progress and trainer.is_global_zero:
            print(_said(row), file=sys.stderr)
        if any(self.kept[rule].beaten_by(rule, score) for rule, score in scores.items()):
            self._take(epoch, scores, _copied(module))
        if self.exhausted:
            self.stopped, trainer.should_stop = True, True

    def _scores(self, module: LabelModule, held_out: float | None) -> dict[str, float | None]:
        """Of each rule."""
        held = self.held(module) if self.held is not None and {"known-map", "truth-map"} & {*self.rules} else None
        scores: dict[str, float | None] = dict.fromkeys(self.rules, held_out)
        if held is not None:
            for rule, labels in (("known-map", held.observed), ("truth-map", held.truth)):
                if rule in scores:
                    if labels is None:
                        raise ConfigError(f'the stopping rule "{rule}" reads complete labels; give them as fit(..., truth=Y)')
                    scores[rule] = map_known(labels, held.marginals)
        return scores

    def _take(self, epoch: int, scores: dict[str, float | None], state: dict[str, Tensor]) -> None:
        for rule, score in scores.items():
            if self.kept[rule].beaten_by(rule, score):
                self.kept[rule] = Best(state, epoch, -np.inf if score is None else score)

    @property
    def exhausted(self) -> bool:
        """Whether by every rule the last `patience` epochs were no better than an earlier one."""
        last = int(self.history[-1]["epoch"]) if self.history else -1
        return all(
            rule != "none" and best.epoch >= 0 and last - best.epoch >= self.patience for rule, best in self.kept.items()
        )


def _copied(module: LabelModule) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def _said(row: dict[str, Any]) -> str:
    """An epoch in one line."""
    names = {"train_log_likelihood": "training", "held_out_log_likelihood": "held out", "predicted_count": "labels per image"}
    figures = [f"{name} {row[key]:.3f}" for key, name in names.items() if row[key] is not None]
    return f"epoch {row['epoch']}: {', '.join(figures)} ({row['seconds']:.0f} s)"
