"""Sums behind `Metrics`, over blocks of images: all of it but `by_label`, which needs all probabilities of a label at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..space import LabelSpace, OneOf
from .figures import CalibrationCurve, LabelScores, Metrics
from .refused import Array, checked, checked_counts, checked_log_prob

_BINS = 15


class Calibration:
    """Predicted probabilities and observed frequencies, in bins.

    Args:
        bins: number of bins of equal width.
        sums: what `state` gave, to continue from.
    """

    def __init__(self, bins: int = _BINS, sums: Sequence[Sequence[float]] | None = None):
        self.bins = bins
        count, present, predicted = np.zeros((3, bins)) if sums is None else np.asarray(sums, np.float64)
        self._count, self._present, self._predicted = count.astype(np.int64), present, predicted

    def add(self, present: npt.NDArray[np.bool_], p: Array) -> None:
        """Count entries (B, K)."""
        where = np.minimum((p.ravel() * self.bins).astype(np.int64), self.bins - 1)
        self._count += np.bincount(where, minlength=self.bins)
        self._predicted += np.bincount(where, p.ravel(), self.bins)
        self._present += np.bincount(where, present.ravel(), self.bins)

    def count(self, p: float, number: int, present: int) -> None:
        """Count `number` entries of one probability, of which some are present."""
        place = min(int(p * self.bins), self.bins - 1)
        self._count[place] += number
        self._predicted[place] += p * number
        self._present[place] += present

    def curve(self) -> CalibrationCurve:
        """The curve of all entries."""
        predicted, frequency = (
            tuple(float(s) / int(n) if n else None for s, n in zip(total, self._count, strict=True))
            for total in (self._predicted, self._present)
        )
        return CalibrationCurve(predicted, frequency, tuple(int(n) for n in self._count))

    def state(self) -> list[list[float]]:
        """The sums, as plain numbers."""
        return [self._count.tolist(), self._present.tolist(), self._predicted.tolist()]


@dataclass
class _Sums:
    """Sums over images."""

    num_images: int = 0
    squares: float = 0.0
    right: int = 0
    log_prob: float | None = None
    impossible: int = 0
    distance: float = 0.0
    count_log_prob: float | None = None


class Evaluation:
    """Metrics of images that come in blocks. They do not depend on how images are divided into blocks, but for rounding.

    Args:
        num_labels: K.
        space: names and groups the K labels; without it they are free and numbered.
        predicted_by: the space that the predictions come from, where it is another one; see `evaluate`.
        state: what `state` gave, to continue from.

    Raises:
        DataError: a space of another number of labels.
    """

    def __init__(
        self, num_labels: int, space: LabelSpace | None = None, predicted_by: LabelSpace | None = None,
        state: Mapping[str, Any] | None = None,
    ):  # fmt: skip
        self.space = LabelSpace.free(f"label {k}" for k in range(num_labels)) if space is None else space
        self.predicted_by = predicted_by or self.space
        for given, what in ((self.space, "space"), (self.predicted_by, "predicted_by")):
            if given.num_labels != num_labels:
                raise DataError(f"marginals have {num_labels} columns, but {what} has {given.num_labels} labels")
        self._groups = [
            g for g in self.space.groups if isinstance(g, OneOf) and (g.optional or self.space.parent(g) is not None)
        ]
        self._sums = _Sums() if state is None else _Sums(**state["sums"])
        by_label = np.zeros((3, num_labels), np.int64) if state is None else np.asarray(state["by_label"], np.int64)
        self._hits, self._wrong, self._shown = by_label
        self._calibration = Calibration(_BINS, None if state is None else state["calibration"])
        self._choices = {group.name: self.space.columns(group) for group in self.space.groups if isinstance(group, OneOf)}
        stored = {} if state is None else state["confusion"]
        self._confusion = {
            name: Counter({(true, said): number for true, said, number in stored.get(name, ())}) for name in self._choices
        }

    @property
    def rivals(self) -> tuple[tuple[int, ...], ...]:
        """Of each label the columns that it may be confused with: the others of its group, and those of no group."""
        free = [k for k, label in enumerate(self.space.labels) if self.space.group_of(label).name not in self._choices]
        among = [tuple(self._choices.get(self.space.group_of(label).name, free)) for label in self.space.labels]
        return tuple(tuple(k for k in columns if k != own) for own, columns in enumerate(among))

    def state(self) -> dict[str, Any]:
        """The sums so far, ready for JSON; a new `Evaluation` continues from them exactly."""
        by_label = [part.tolist() for part in (self._hits, self._wrong, self._shown)]
        confusion = {
            name: [[*cell, number] for cell, number in sorted(cells.items())] for name, cells in self._confusion.items()
        }
        calibration = self._calibration.state()
        return {"sums": asdict(self._sums), "by_label": by_label, "calibration": calibration, "confusion": confusion}

    def add(
        self, truth: npt.ArrayLike, marginals: npt.ArrayLike, log_prob: npt.ArrayLike | None = None,
        count_probs: npt.ArrayLike | None = None,
    ) -> None:  # fmt: skip
        """Count B images; arguments as of `evaluate`, the optional ones with all blocks or none.

        Raises:
            DataError: as `evaluate`.
        """
        present, p = checked(truth, marginals)
        self._sums.num_images += len(p)
        self._sums.squares += float(((p - present) ** 2).sum())
        self._calibration.add(present, p)
        decided = p > 0.5
        self._hits += (decided & present).sum(0)
        self._wrong += (decided ^ present).sum(0)
        self._shown += present.sum(0)
        self._add_groups(present, p)
        self._add_choices(present, p)
        self._add_counts(present, p, count_probs)
        if log_prob is not None:
            values = checked_log_prob(log_prob, len(p))
            self._sums.log_prob = (self._sums.log_prob or 0.0) + float(values.sum())
            self._sums.impossible += int(np.isneginf(values).sum())

    def _add_groups(self, present: npt.NDArray[np.bool_], p: Array) -> None:
        for group in self._groups:
            columns = self.space.columns(group)
            applies = _any_present(p[:, columns], [self.predicted_by.labels[k] for k in columns], self.predicted_by)
            self._sums.right += int(((applies > 0.5) == present[:, columns].any(1)).sum())

    def _add_choices(self, present: npt.NDArray[np.bool_], p: Array) -> None:
        """Count what a group shows and what is most probable of it; the number after its last label stands for none."""
        for name, columns in self._choices.items():
            shown, of_group = present[:, columns], p[:, columns]
            none = 1 - _any_present(of_group, [self.predicted_by.labels[k] for k in columns], self.predicted_by)
            said = np.column_stack([of_group, none]).argmax(1)
            true = np.where(shown.any(1), shown.argmax(1), len(columns))
            one = shown.sum(1) <= 1
            self._confusion[name].update(zip(true[one].tolist(), said[one].tolist(), strict=True))

    def _add_counts(self, present: npt.NDArray[np.bool_], p: Array, count_probs: npt.ArrayLike | None) -> None:
        numbers = present.sum(1)
        if count_probs is None:
            self._sums.distance += float(np.abs(p.sum(1) - numbers).sum())
            return
        counts = checked_counts(count_probs, len(p))
        self._sums.distance += float(np.abs(counts @ np.arange(counts.shape[1]) - numbers).sum())
        inside = numbers < counts.shape[1]
        found = np.where(inside, counts[np.arange(len(counts)), np.where(inside, numbers, 0)], 0.0)
        with np.errstate(divide="ignore"):  # a number that was given no chance costs infinity
            self._sums.count_log_prob = (self._sums.count_log_prob or 0.0) + float(np.log(found).sum())

    def result(self, labels: LabelScores) -> Metrics:
        """The metrics of all images.

        Args:
            labels: the K labels on the same images; see `score_labels`.
        """
        precisions = [one.average_precision for one in labels.figures]
        scored = [value for value in precisions if value is not None]
        shown = self._shown > 0
        label_f1 = 2 * self._hits[shown] / (2 * self._hits + self._wrong)[shown]
        hits, wrong, sums, total = int(self._hits.sum()), int(self._wrong.sum()), self._sums, self._sums.num_images
        curve = self._calibration.curve()
        return Metrics(
            num_images=total,
            num_labels=self.space.num_labels,
            num_labels_without_positive=self.space.num_labels - len(scored),
            map=float(np.mean(scored)) if scored else None,
            per_label_ap=dict(zip(self.space.labels, precisions, strict=True)),
            nll=None if sums.log_prob is None else -sums.log_prob / total,
            num_impossible=None if sums.log_prob is None else sums.impossible,
            brier=sums.squares / (total * self.space.num_labels),
            calibration_error=curve.error,
            calibration_error_above=labels.above.error if sum(labels.above.count) else None,
            label_calibration_error=float(np.mean([one.calibration_error for one in labels.figures])),
            f1=2 * hits / (2 * hits + wrong) if hits or wrong else 1.0,
            macro_f1=float(label_f1.mean()) if label_f1.size else None,
            count_error=sums.distance / total,
            count_nll=None if sums.count_log_prob is None else -sums.count_log_prob / total,
            group_accuracy=sums.right / (total * len(self._groups)) if self._groups else None,
            calibration=curve,
            per_label=dict(zip(self.space.labels, labels.figures, strict=True)),
            confusion={name: self._named(name) for name in self._choices},
        )

    def _named(self, group: str) -> tuple[tuple[str | None, str | None, int], ...]:
        """The cells of a group's table of confusion, by name."""
        names: list[str | None] = [*(self.space.labels[k] for k in self._choices[group]), None]
        return tuple((names[true], names[said], number) for (true, said), number in sorted(self._confusion[group].items()))


def _any_present(p: Array, labels: Sequence[str], predicted: LabelSpace) -> Array:
    groups: dict[str, list[int]] = {}
    for k, label in enumerate(labels):
        groups.setdefault(predicted.group_of(label).name, []).append(k)
    # labels of one group exclude each other, so that their probabilities add; different groups count as independent
    absent = np.prod([1 - np.minimum(p[:, columns].sum(1), 1) for columns in groups.values()], axis=0)
    return 1 - absent
