"""The held-out part of a fit: which images are in it, and how they were chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from ..errors import ConfigError
from ..inputs import Inputs
from ..inputs.stated import Stated
from ..observed import Observed
from ..observed.few import ALMOST_NONE
from ..observed.image_files import warn
from ..words import count, listed
from .stratified import lost_labels, split_rows


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The two parts of N images.

    Attributes:
        train: rows to train on, sorted.
        held: rows held out, sorted.
        stated: what the user stated about them.
        share: the share wanted; None where the user's own split decides.
        num_together: how many groups of several images were kept together.
        lost: labels known to be present in held-out images alone.
        rare: the number of training images of each label that has fewer than five.
        straddling: images of the user's own split that are held out and have a copy in training.
    """

    train: Tensor
    held: Tensor
    stated: Stated = field(default_factory=Stated)
    share: float | None = None
    num_together: int = 0
    lost: tuple[str, ...] = ()
    rare: Mapping[str, int] = field(default_factory=dict)
    straddling: int = 0

    @property
    def rows(self) -> tuple[Tensor, Tensor]:
        """Rows to train on, and rows held out."""
        return self.train, self.held

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "num_training": len(self.train),
            "num_held_out": len(self.held),
            "num_test": self.stated.num_test,
            "chosen_by": "labels" if self.share is not None else self.stated.split,
            "share": self.share,
            "together_by": self.stated.group,
            "num_together": self.num_together,
            "labels_without_training_image": list(self.lost),
            "labels_with_few_training_images": dict(self.rare),
            "num_straddling": self.straddling,
        }


def hold_out(inputs: Inputs, share: float, seed: int) -> HeldOut:
    """Decide which images are held out: those that the user states, or else a share of each label's.

    Args:
        inputs: N images with known labels, and what is stated about them.
        share: wanted, where nobody states which images.
        seed: of the choice.

    Raises:
        ConfigError: statements that contradict each other.
    """
    assert inputs.observed is not None  # a fit has known labels
    known, stated = inputs.observed.known, Stated() if inputs.stated is None else inputs.stated
    twins = None if inputs.copies is None else inputs.copies.twins
    linked = _linked([one for one in (stated.together, twins) if one is not None])
    several = 0 if linked is None else int((np.bincount(linked) > 1).sum())
    if stated.held is None:
        train, held = split_rows(len(inputs), share, seed, known, linked)
        if share and not len(held):
            warn(
                "no image can be held out: each is the only one of a label, or belongs together with such an image; the fit "
                "runs for all epochs (fit.epochs) and keeps the last one"
            )
        return HeldOut(train, held, stated, share, several, rare=_rare(inputs.observed, train))
    check_stated(inputs, share)
    train, held = (torch.from_numpy(np.flatnonzero(part)) for part in (~stated.held, stated.held))
    lost = tuple(inputs.observed.space.labels[k] for k in lost_labels(known, train))
    if lost:
        warn(
            f"{stated.split}: {count(len(lost), 'label')} without a training image, because all images known to show "
            f"{'it' if len(lost) == 1 else 'them'} are held out: {listed(lost)}; the fit cannot learn "
            f"{'it' if len(lost) == 1 else 'them'}"
        )
    straddling = np.empty(0, np.int64) if linked is None else _straddling(linked, stated.held)
    if len(straddling):
        shown = listed([inputs.names[row] for row in straddling], 3)
        warn(
            f"{stated.split}: {count(len(straddling), 'held-out image')} with a copy among the training images ({shown}); "
            "held-out values look better than they are"
        )
    return HeldOut(train, held, stated, None, several, lost, _rare(inputs.observed, train), len(straddling))


def fold_rows(inputs: Inputs, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each image, (N,) from 0: parts of near-equal size, of each label's images as well.

    Copies, and images that are stated to belong together, are in one fold. A label known to be present in several images (or
    groups of such images) is in at least two folds.

    Args:
        inputs: N images with known labels, and what is stated about them.
        folds: how many, at least 2.
        seed: of the choice.
    """
    assert inputs.observed is not None
    known = inputs.observed.known
    stated = None if inputs.stated is None else inputs.stated.together
    twins = None if inputs.copies is None else inputs.copies.twins
    linked = _linked([one for one in (stated, twins) if one is not None])
    fold, left = np.zeros(len(inputs), np.int64), np.arange(len(inputs))
    for number in range(folds - 1):
        together = None if linked is None else linked[left]
        rest, part = split_rows(len(left), 1 / (folds - number), seed + number, known.take(left), together)
        fold[left[part.numpy()]] = folds - 1 - number
        left = left[rest.numpy()]
    return fold


def warn_of_rare(parts: HeldOut) -> None:
    """Warn of labels that are hardly ever trained on."""
    if parts.rare:
        shown = listed([f'"{label}" {number}' for label, number in sorted(parts.rare.items(), key=lambda one: one[1])])
        have, them = ("has", "it") if len(parts.rare) == 1 else ("have", "them")
        warn(
            f"{count(len(parts.rare), 'label')} {have} fewer than {ALMOST_NONE} training images ({shown}): a fit learns almost "
            f"nothing from so few; label more images that show {them}"
        )


def _rare(table: Observed, train: Tensor) -> dict[str, int]:
    present = table.known.take(train.numpy()).counts()[0]
    return {table.space.labels[k]: int(present[k]) for k in np.flatnonzero((present > 0) & (present < ALMOST_NONE))}


def check_stated(inputs: Inputs, share: float, where: Callable[[str], str] = str) -> None:
    """Refuse statements about the held-out part that contradict each other.

    Args:
        inputs: with what is stated.
        share: `fit.held_out`.
        where: a key of a config as messages have it, for example with its file and line.

    Raises:
        ConfigError: both are named.
    """
    stated = inputs.stated
    if stated is None or stated.held is None:
        return
    if not share:
        raise ConfigError(
            f"{where('fit.held_out')}: 0 holds out no image, but {where('data.split')} holds out "
            f"{int(stated.held.sum()):,} ({stated.split}); leave out one of the two"
        )
    if stated.together is None:
        return
    divided = _straddling(stated.together, stated.held)
    if len(divided):
        shown = listed([inputs.names[row] for row in divided], 3)
        raise ConfigError(
            f"{where('data.together')}: {stated.group} keeps images together that {where('data.split')} divides "
            f"({stated.split}): {count(len(divided), 'held-out image')} ({shown}) belong together with training images; "
            "correct one of the two, or leave out data.together"
        )


def _straddling(together: NDArray[np.int64], held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The held-out rows whose group has training rows."""
    trained = np.zeros(int(together.max(initial=-1)) + 1, bool)
    trained[together[~held]] = True
    return np.flatnonzero(held & trained[together])


def _linked(groupings: list[NDArray[np.int64]]) -> NDArray[np.int64] | None:
    """(N,) numbers, equal for images that any of the groupings links, directly or by way of others; None without any."""
    if len(groupings) < 2:
        return groupings[0] if groupings else None
    count, shift = len(groupings[0]), len(groupings[0])
    links = []
    for grouping in groupings:
        links.append(np.stack([np.arange(count), grouping + shift]))
        shift += int(grouping.max()) + 1
    row, column = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(len(row), bool), (row, column)), shape=(shift, shift))
    found: NDArray[np.int64] = connected_components(graph, directed=False)[1][:count].astype(np.int64)
    return np.unique(found, return_inverse=True)[1].reshape(-1)
