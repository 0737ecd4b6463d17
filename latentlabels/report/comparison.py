"""Two runs side by side: their verdicts and figures, what differs in their settings, and what each label gains or loses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checks import Verdict
from ..checks.measures import COMPARED, Style
from ..errors import RunError
from ..words import finite, quoted
from .contents import Contents, gather

_DEVIATIONS = 2.0
_Pair = tuple[Contents, Contents]

_FIT = (
    ("num_images", "images", Style.COUNT),
    ("expected_labels", "expected labels per image", Style.NUMBER),
    ("predicted_count", "predicted labels per image", Style.NUMBER),
    ("seconds", "seconds", Style.COUNT),
)


@dataclass(frozen=True)
class Figure:
    """A figure of both runs.

    Attributes:
        name: what it is.
        values: of the first run and of the second; None where it is missing.
        style: how it is written.
        better: whether higher is better; None where neither is.
        sizes: images that each was measured on; None where it was not measured on images.
        is_comparable: whether both were measured on the same images and labels.
    """

    name: str
    values: tuple[float | None, float | None]
    style: Style
    better: bool | None
    sizes: tuple[float | None, float | None] = (None, None)
    is_comparable: bool = True

    @property
    def said(self) -> tuple[str, str]:
        """Both in words."""
        a, b = (self.style.said(value, size) for value, size in zip(self.values, self.sizes, strict=True))
        return a, b

    def better_of(self, names: tuple[str, str]) -> str:
        """The name of the better run; "" where neither is as far as the shown digits tell, or they cannot be compared."""
        a, b = self.values
        if not self.is_comparable or self.better is None or a is None or b is None or self.said[0] == self.said[1]:
            return ""
        return names[(b > a) == self.better]


@dataclass(frozen=True)
class LabelChange:
    """A label in both runs.

    Attributes:
        label: its name.
        values: average precision on complete labels, or the area under the ROC curve on held-out known labels.
        support: images that show it, of those measured on; the smaller number.
    """

    label: str
    values: tuple[float, float]
    support: int

    @property
    def gain(self) -> float:
        """Of the second run over the first."""
        return self.values[1] - self.values[0]

    @property
    def is_clear(self) -> bool:
        """Whether it is more than two standard errors of the difference, as if the images were other ones each time.

        On the same images the difference is more certain than that, so that nothing is called clear too early.
        """
        variance = sum(max(value * (1 - value), 1 / (4 * self.support)) / self.support for value in self.values)
        return abs(self.gain) > _DEVIATIONS * math.sqrt(variance)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        known = {"label": self.label, "values": list(self.values), "support": self.support}
        return {**known, "gain": self.gain, "clear": self.is_clear}


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        names: of their folders.
        verdicts: on them.
        figures: of both.
        same_images: whether both were evaluated on images with the same complete labels, as far as they share labels; None
            where one was not evaluated.
        differs: key of the config, and its value in each; None where it is not set.
        changes: labels of both, the greatest loss first.
        measured_by: what the labels' figures are.
        alone: labels of the first run alone, and of the second alone.
    """

    names: tuple[str, str]
    verdicts: tuple[Verdict, Verdict]
    figures: tuple[Figure, ...]
    same_images: bool | None
    differs: tuple[tuple[str, Any, Any], ...]
    changes: tuple[LabelChange, ...]
    measured_by: str
    alone: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def caution(self) -> str:
        """Why figures cannot be compared, in words; "" where they can."""
        said = []
        if any(self.alone):
            said.append("The runs have different labels, so figures over all labels do not say which run is better.")
        if self.same_images is False:
            said.append("The runs were evaluated on different images, so their figures cannot be compared.")
        elif self.same_images is None:
            said.append(
                "Not both runs were evaluated on complete labels. Run latentlabels evaluate for both, on the same images."
            )
        return " ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "verdicts": [one.to_dict() for one in self.verdicts],
            "same_images": self.same_images,
            "figures": [{"name": one.name, "values": list(one.values), "higher_is_better": one.better} for one in self.figures],
            "differs": [{"key": key, "values": [a, b]} for key, a, b in self.differs],
            "measured_by": self.measured_by,
            "labels": [one.to_dict() for one in self.changes],
            "only_in": [list(labels) for labels in self.alone],
        }


def compare(first: str | Path, second: str | Path) -> Comparison:
    """Compare two runs by what their folders hold.

    Raises:
        RunError: no run folder, a damaged one, a fit that is not finished, the same run twice, or runs without a common label.
    """
    if Path(first).resolve() == Path(second).resolve():
        raise RunError(f"{first} and {second} are the same run; give two runs")
    pair = gather(Path(first)), gather(Path(second))
    for one in pair:
        if not one.run.weights:
            raise RunError(
                f"{one.folder}: its fit is not finished; resume it with `latentlabels fit --resume --out {quoted(one.folder)}`"
            )
    short = tuple(one.folder.resolve().name for one in pair)
    names = short if short[0] != short[1] else tuple(str(one.folder) for one in pair)
    labels = [one.run.space.labels for one in pair]
    alone = tuple(tuple(x for x in own if x not in set(other)) for own, other in (labels, labels[::-1]))
    if len(alone[0]) == len(labels[0]):
        raise RunError(f"{first} and {second} have no label in common; give two runs that share labels")
    supports = [_of_labels(one, "per_label", "support") for one in pair]
    same = _same_images(pair, supports)
    changes, measured_by = _changes(pair, supports, bool(same))
    return Comparison(
        (names[0], names[1]), (pair[0].verdict, pair[1].verdict), _figures(pair, same is not False, not any(alone)), same,
        _differs(pair), changes, measured_by, (alone[0], alone[1]),
    )  # fmt: skip


def _same_images(pair: _Pair, supports: list[dict[str, float]]) -> bool | None:
    """Whether as many images show each common label, of as many; None where a run was not evaluated."""
    if not all(supports):
        return None
    a, b = supports
    sizes = [finite(one.metrics.get("num_images")) for one in pair]
    return sizes[0] == sizes[1] and all(a[label] == b[label] for label in a.keys() & b.keys())


# --- what is compared ------------------------------------------------------------------------------------


def _figures(pair: _Pair, same_images: bool, same_labels: bool) -> tuple[Figure, ...]:
    found: list[Figure] = []
    sizes = tuple(finite(one.metrics.get("num_images")) for one in pair)
    for measure in COMPARED:
        a, b = (finite(one.metrics.get(measure.key)) for one in pair)
        both = same_images and same_labels
        found.append(Figure(measure.name, (a, b), measure.style, measure.higher_is_better, (sizes[0], sizes[1]), both))
    gains = [_gain(one) for one in pair]
    name = "gain on held-out known labels, nats per image"
    found.append(Figure(name, (gains[0], gains[1]), Style.NUMBER, True, is_comparable=same_labels))
    for key, name, style in _FIT:
        a, b = (finite(one.run.diagnostics.get(key)) for one in pair)
        found.append(Figure(name, (a, b), style, None))
    kept = [None if one.best_epoch is None else one.best_epoch + 1.0 for one in pair]  # people count from 1
    found.append(Figure("epoch kept", (kept[0], kept[1]), Style.COUNT, None))
    return tuple(one for one in found if one.values != (None, None))


def _gain(contents: Contents) -> float | None:
    """Over not looking at the image: what two runs with other held-out images or annotations can be compared by."""
    plain = contents.run.diagnostics.get("without_image")
    base = finite(plain.get("held_out_log_likelihood")) if isinstance(plain, Mapping) else None
    value = finite(contents.run.diagnostics.get("held_out_log_likelihood"))
    return None if base is None or value is None else value - base


def _of_labels(contents: Contents, key: str, figure: str) -> dict[str, float]:
    """A figure of each label of evaluation.json, where it has one."""
    given = contents.metrics.get(key)
    values = {
        str(label): finite(one.get(figure)) if isinstance(one, Mapping) else None
        for label, one in (given.items() if isinstance(given, Mapping) else ())
    }
    return {label: value for label, value in values.items() if value is not None}


def _changes(pair: _Pair, supports: list[dict[str, float]], same: bool) -> tuple[tuple[LabelChange, ...], str]:
    precisions = [_of_labels(one, "per_label", "average_precision") for one in pair]
    if same or (precisions[0] and precisions[1]):
        measured_by, values = "average precision on complete labels", precisions
        sizes = supports
    else:
        measured_by, ranked = "area under the ROC curve on held-out known labels", [_ranking(one) for one in pair]
        values, sizes = ([{label: pair[i] for label, pair in one.items()} for one in ranked] for i in (1, 0))
    common = [label for label in values[0] if label in values[1] and min(sizes[0][label], sizes[1][label]) > 0]
    found = [
        LabelChange(label, (values[0][label], values[1][label]), int(min(sizes[0][label], sizes[1][label]))) for label in common
    ]
    return tuple(sorted(found, key=lambda one: (one.gain, one.label))), measured_by


def _ranking(contents: Contents) -> dict[str, tuple[float, float]]:
    """Label -> images known to show it, and the area."""
    given = contents.run.diagnostics.get("known_ranking")
    found = {}
    for label, ranked in given.items() if isinstance(given, Mapping) else ():
        values = [finite(x) for x in ranked] if isinstance(ranked, list | tuple) else []
        if len(values) == 2 and values[0] is not None and values[1] is not None:
            found[str(label)] = (values[0], values[1])
    return found


def _differs(pair: _Pair) -> tuple[tuple[str, Any, Any], ...]:
    a, b = (_flat(one.run.config) for one in pair)
    return tuple((key, a.get(key), b.get(key)) for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key))


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat
