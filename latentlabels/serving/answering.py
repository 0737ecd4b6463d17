"""`Answering`: what a person says of images, as known labels: checked against the label space, and kept in a file."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..distributions import LabelVector
from ..errors import LabelSpaceError, nearest
from ..space import Group, LabelSpace
from ..space.feasibility import contradiction, feasible
from ..words import printable
from .answer_file import AnswerFile, Entry
from .problems import ProblemError, saving

NONE = "none"
_SURE = 1e-9


class Answering:
    """Answers about a collection, and about other images by their names.

    Args:
        path: the table of answers.
        names: of the N images of the collection.
        space: the K labels.

    Attributes:
        values: int8 (N, K) of 1, 0, -1: what was said.
        asked: bool (N, K): what was said or skipped.
        revision: (N,) a number for each image, which changes with what is known of it.

    Raises:
        DataError: a file that is no table of answers.
        LabelSpaceError: answers about a label that the space lacks.
    """

    def __init__(self, path: Path, names: Sequence[str], space: LabelSpace):
        self.space, self.lock = space, threading.RLock()
        self.values = np.full((len(names), space.num_labels), -1, np.int8)
        self.asked = np.zeros((len(names), space.num_labels), bool)
        self.revision = np.zeros(len(names), np.int64)
        self._file = AnswerFile(path)
        self._row = {printable(name): row for row, name in enumerate(names)}
        self._changed: set[int] = set()
        self._closed: NDArray[np.int8] | None = None
        self._others: dict[str, NDArray[np.int8]] = {}
        for entry in self._file.entries:
            space.index(entry.label)
            self._note(entry)

    @property
    def path(self) -> Path:
        """The table."""
        return self._file.path

    @property
    def entries(self) -> list[Entry]:
        """All lines, in the order they were given."""
        with self.lock:
            return list(self._file.entries)

    def __len__(self) -> int:
        return len(self._file.entries)

    def of(self, name: str) -> NDArray[np.int8]:
        """What was said of an image: int8 (K,) of 1, 0, -1."""
        row = self._row.get(printable(name))
        if row is not None:
            return self.values[row]
        return self._others.get(printable(name), np.full(self.space.num_labels, -1, np.int8))

    def add(
        self, image: str, label: str | None, group: str | None, value: int | str | None, kind: str = "", decision: str = ""
    ) -> int:  # fmt: skip
        """Check an answer and keep it; it is on the disk when this returns.

        Args:
            image: the name.
            label: what the answer is about, or None.
            group: the group that it is about, or None.
            value: 1 or 0 of a label; a label or "none" of a group; None skips, and takes back what was said.
            kind: why it was asked; see `Entry`.
            decision: about a possible mistake; see `Entry`.

        Returns:
            The number of lines in the table.

        Raises:
            ProblemError: an unknown label, a value that does not fit, answers that are impossible together, or a full disk.
        """
        stated = self._stated(label, group, value)
        name = printable(image)
        if "\n" in name or "\r" in name:
            raise ProblemError("invalid", "the image's name has a line break; rename the file")
        with self.lock:
            entries = [Entry(name, self.space.labels[k], said, kind, decision) for k, said in stated]
            replaced = self._replaced(name, stated)
            row = self.of(name).copy()
            for old in replaced:
                row[self.space.index(old.label)] = -1
            for k, said in stated:
                row[k] = -1 if said is None else said
            if not feasible(row[None], self.space)[0]:
                why = contradiction(row, self.space)
                raise ProblemError("contradiction", f"impossible with what was answered before of this image, because {why}")
            with saving("the answer"):
                self._file.add(entries, replaced)
            for old in replaced:
                self._note(Entry(old.image, old.label, None), asked=False)
            for entry in entries:
                self._note(entry)
            return len(self._file.entries)

    def merged(self, known: NDArray[np.int8], rows: NDArray[np.int64] | None = None) -> NDArray[np.int8]:
        """Known labels (B, K) with the answers over them; known labels that no longer fit are unknown.

        Args:
            known: of the images.
            rows: (B,) which images these are; None for all.
        """
        with self.lock:
            return _over(known, self.values if rows is None else self.values[rows], self.space)

    def implied(self, known: NDArray[np.int8]) -> NDArray[np.int8]:
        """Known labels (B, K) with what the label space makes of them; impossible rows stay as they are."""
        if not len(known):
            return known.copy()
        whole = np.ascontiguousarray(known).view(np.dtype((np.void, known.shape[1]))).reshape(-1)  # far faster than by axis
        _, first, place = np.unique(whole, return_index=True, return_inverse=True)
        distinct = known[first]
        rows = np.flatnonzero((distinct != -1).any(1) & feasible(distinct, self.space))
        if len(rows):
            with torch.no_grad():
                even = LabelVector(self.space, torch.zeros(len(rows), self.space.num_logits, dtype=torch.float64))
                p = even.condition(torch.from_numpy(distinct[rows])).marginals.numpy()
            distinct[rows] = np.where(p < _SURE, 0, np.where(p > 1 - _SURE, 1, -1))
        return np.asarray(distinct[place.reshape(-1)], np.int8)

    def forget_closed(self) -> None:
        """The known labels of the collection are others now."""
        with self.lock:
            self._closed = None
            self.revision += 1

    def closed(self, known: NDArray[np.int8]) -> NDArray[np.int8]:
        """Known labels (N, K) of the collection, the answers over them, and what follows from both by the label space.

        Args:
            known: of the collection, always the same; what did not change since the last call is not worked out again.
        """
        with self.lock:
            if self._closed is None:
                self._closed = self.implied(self.merged(known))
            else:
                rows = np.asarray(sorted(self._changed), np.int64)
                self._closed[rows] = self.implied(_over(known[rows], self.values[rows], self.space))
            self._changed.clear()
            return self._closed

    def _stated(self, label: str | None, group: str | None, value: int | str | None) -> list[tuple[int, int | None]]:
        """Columns and values that an answer states."""
        if (label is None) == (group is None):
            raise ProblemError("invalid", "an answer is about a label or about a group; give one of the two")
        try:
            if label is not None:
                if isinstance(value, str):
                    raise ProblemError("invalid", f'the value of a label is 1, 0 or null, not "{value}"')
                return [(self.space.index(label), value)]
            assert group is not None
            named = self.space.named(group)
            return self._of_group(named, value)
        except LabelSpaceError as error:
            raise ProblemError("unknown-label", str(error)) from None

    def _of_group(self, group: Group, value: int | str | None) -> list[tuple[int, int | None]]:
        columns = self.space.columns(group)
        if value is None:
            return [(k, None) for k in columns]
        if isinstance(value, int):
            raise ProblemError("invalid", f'the value of a group is one of its labels, "{NONE}" or null, not {value}')
        if value in group.labels:
            return [(self.space.index(value), 1)]
        if value in (NONE, getattr(group, "none", None), "none of these"):
            return [(k, 0) for k in columns]
        raise ProblemError("unknown-label", f'group "{group.name}" has no label "{value[:200]}"{nearest(value, group.labels)}')

    def _replaced(self, name: str, stated: Sequence[tuple[int, int | None]]) -> list[Entry]:
        """Earlier lines about the same labels, and about others of a group of which one is now present."""
        columns = {k for k, _ in stated}
        for k, said in stated:
            if said == 1:
                group = self.space.group_of(self.space.labels[k])
                columns |= {c for c in self.space.columns(group) if self.of(name)[c] == 1}
        labels = {self.space.labels[k] for k in columns}
        return [old for old in self._file.entries if old.image == name and old.label in labels]

    def _note(self, entry: Entry, asked: bool = True) -> None:
        k, value = self.space.index(entry.label), -1 if entry.value is None else entry.value
        row = self._row.get(entry.image)
        if row is None:
            self._others.setdefault(entry.image, np.full(self.space.num_labels, -1, np.int8))[k] = value
            return
        self.values[row, k] = value
        self.asked[row, k] = asked
        self._changed.add(row)
        self.revision[row] += 1


def _over(known: NDArray[np.int8], told: NDArray[np.int8], space: LabelSpace) -> NDArray[np.int8]:
    out = np.where(told == -1, known, told).astype(np.int8)
    wrong = ~feasible(np.ascontiguousarray(out), space)
    out[wrong] = told[wrong]
    return out
