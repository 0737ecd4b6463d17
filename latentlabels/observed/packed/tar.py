"""Tar shards: an index of their members by the headers, so that each is read by its offset and nothing is unpacked.

WebDataset's rule names the parts of a sample: ``dir/0001.jpg`` and ``dir/0001.cls`` have the key ``dir/0001``, which ends at
the first
point of the file name; what follows is the field. See https://github.com/webdataset/webdataset.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import AmbiguousError, Choice, DataError
from ...words import listed
from ..file_kinds import IMAGE_SUFFIXES

_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Members:
    """The files in a tar.

    Attributes:
        path: the tar.
        names: M names, in the order of the file.
        offsets: (M,) where the content of each begins.
        sizes: (M,) its bytes.
        ended: whether the mark of the end is there; a tar that was cut off between two files lacks it.
    """

    path: Path
    names: tuple[str, ...]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    ended: bool


def members(path: Path) -> Members:
    """Index a tar by its headers; the contents are skipped.

    Raises:
        DataError: no tar, or one that is cut off; the place is named.
    """
    status = os.stat(path)
    return _members(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _members(path: Path, size: int, changed: int) -> Members:
    names: list[str] = []
    places: list[tuple[int, int]] = []
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # which it would keep, one object for each file
                name = member.name.removeprefix("./")
                if member.isreg() and not _hidden(name):
                    names.append(name)
                    places.append((member.offset_data, member.size))
            end = tar.offset
    except (tarfile.TarError, EOFError) as error:
        place = _end_of(places)
        raise DataError(
            f"{path}: not a whole tar: {error} after byte {place:,} of {size:,}"
            + (f" ({names[-1]})" if names else "")
            + "; it was cut off or damaged, get it again"
        ) from None
    if places and sum(places[-1]) > size:
        raise DataError(
            f"{path}: cut off in {names[-1]}, which begins at byte {places[-1][0]:,} and has {places[-1][1]:,} bytes, but "
            "the file ends "
            f"at byte {size:,}; get it again"
        )
    found = np.asarray(places, np.int64).reshape(-1, 2)
    return Members(path, tuple(names), found[:, 0], found[:, 1], _is_end(path, end))


def _is_end(path: Path, end: int) -> bool:
    """Whether zeros, the mark of the end, follow the last member; tarfile takes damage there for the end."""
    with path.open("rb") as file:
        file.seek(end)
        block = file.read(_BLOCK)
    if block.strip(b"\0"):
        raise DataError(f"{path}: not a valid tar from byte {end:,} on; it was damaged, get it again")
    return bool(block)


def _hidden(name: str) -> bool:
    """What is no sample: hidden files, as macOS adds them, and WebDataset's own remarks, ``__name__``."""
    last = name.rpartition("/")[2]
    return (
        last.startswith(".") or name.startswith(("__MACOSX/", "PaxHeader")) or (last.startswith("__") and last.endswith("__"))
    )


def _end_of(places: Sequence[tuple[int, int]]) -> int:
    return -(-sum(places[-1]) // _BLOCK) * _BLOCK if places else 0


def read_at(path: Path, offset: int, size: int) -> bytes:
    """The content of a member.

    Raises:
        DataError: the tar is shorter now.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise DataError(f"{path}: ends at byte {offset + len(content):,}, inside of a file of {size:,} bytes; get it again")
    return content


def split_name(name: str) -> tuple[str, str]:
    """The key and the field of a member: ``("dir/0001", "seg.png")``; the field in small letters."""
    folder, _, last = name.rpartition("/")
    stem, _, field = last.partition(".")
    return (f"{folder}/{stem}" if folder else stem), field.lower()


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of tar shards.

    Attributes:
        source: the name that the user gave, for messages.
        shards: the tars.
        keys: N keys, in the order of the shards.
        shard: (N,) which tar a sample is in.
        fields: by field ("jpg", "cls") offset and size of each sample's part: (N, 2), with -1 where a sample lacks it.
        names: by field the names of the members as they are spelt, "" where a sample lacks it.
        notes: what looks wrong, as sentences.
    """

    source: str
    shards: tuple[Path, ...]
    keys: tuple[str, ...]
    shard: NDArray[np.int32]
    fields: dict[str, NDArray[np.int64]]
    names: dict[str, list[str]]
    notes: tuple[str, ...]

    def read(self, field: str, row: int) -> bytes | None:
        """The content of a sample's part; None where it lacks it."""
        offset, size = (int(at) for at in self.fields[field][row])
        return None if offset < 0 else read_at(self.shards[int(self.shard[row])], offset, size)

    def all_of(self, field: str) -> list[bytes | None]:
        """The contents of a field of all samples; each tar is opened once."""
        out: list[bytes | None] = []
        places = self.fields[field]
        for number, shard in enumerate(self.shards):
            rows = np.flatnonzero(self.shard == number)
            with shard.open("rb") as file:
                for offset, size in places[rows].tolist():
                    if offset < 0:
                        out.append(None)
                    else:
                        file.seek(offset)
                        out.append(file.read(size))
        return out


def samples(source: str, shards: Sequence[Path]) -> Samples:
    """The samples of tar shards, by WebDataset's rule for names.

    Raises:
        DataError: a tar that is cut off or damaged, no samples, a field that a sample has twice, a key in two shards.
    """
    row_of: dict[str, int] = {}
    shard_of: list[int] = []
    parts: dict[str, dict[int, tuple[int, int]]] = {}
    names: dict[str, dict[int, str]] = {}
    notes: list[str] = []
    for number, path in enumerate(shards):
        found = members(path)
        if not found.ended:
            last = found.names[-1] if found.names else "nothing"
            notes.append(f"{path.name} lacks the mark of its end and may be cut off after {last}")
        for key, group in _grouped(found).items():
            row = row_of.setdefault(key, len(row_of))
            if row < len(shard_of):
                raise DataError(
                    f'{source}: the key "{key}" is in {shards[shard_of[row]]} and in {path}; keys must be different over all '
                    "shards: give only one of the two, or write them with other keys"
                )
            shard_of.append(number)
            for field, at in group:
                if row in parts.setdefault(field, {}):
                    name = found.names[at]
                    raise DataError(f'{path}: "{name}" is there twice; write the shard again with one file for each name')
                parts[field][row] = int(found.offsets[at]), int(found.sizes[at])
                names.setdefault(field, {})[row] = found.names[at]
    if not row_of:
        raise DataError(f"{source}: holds no samples; WebDataset names them NAME.jpg and NAME.cls (or .json, .txt)")
    places = {}
    for field, given in parts.items():
        table = np.full((len(row_of), 2), -1, np.int64)
        table[list(given)] = list(given.values())
        places[field] = table
    spelt = {field: [given.get(row, "") for row in range(len(row_of))] for field, given in names.items()}
    return Samples(source, tuple(shards), tuple(row_of), np.asarray(shard_of, np.int32), places, spelt, tuple(notes))


def _grouped(found: Members) -> dict[str, list[tuple[str, int]]]:
    """The members of a tar by key: field and number of each.

    Where all fields of a key begin alike, as those of ``photo.v2.jpg`` and ``photo.v2.cls`` do, that is part of the name.
    """
    groups: dict[str, list[tuple[str, int]]] = {}
    for number, name in enumerate(found.names):
        key, field = split_name(name)
        if field:
            groups.setdefault(key, []).append((field, number))
    out: dict[str, list[tuple[str, int]]] = {}
    for key, group in groups.items():
        starts = {field.rpartition(".")[0] for field, _ in group}
        start = starts.pop() if len(starts) == 1 else ""
        if start:
            group = [(field.rpartition(".")[2], number) for field, number in group]
        out[f"{key}.{start}" if start else key] = group
    return out


def image_fields(found: Samples, asked: str | None) -> list[str]:
    """For each sample the field of its image; "" where it has none.

    Args:
        found: the samples.
        asked: the field that the user states; None to see it from the names.

    Raises:
        AmbiguousError: samples with several images.
        DataError: no sample has an image, or the stated field is not there.
    """
    present = {field: table[:, 0] >= 0 for field, table in found.fields.items()}
    if asked is not None:
        if asked.lower() not in present:
            raise DataError(f'{found.source}: no sample has a part "{asked}" (parts: {listed(sorted(present), 10)})')
        return [asked.lower() if there else "" for there in present[asked.lower()].tolist()]
    images = [field for field in present if f".{field.rpartition('.')[2]}" in IMAGE_SUFFIXES]
    if not images:
        raise DataError(f"{found.source}: no sample has an image (parts: {listed(sorted(present), 10)})")
    out = np.full(len(found.keys), "", object)
    many = {dotted: np.zeros(len(out), np.int64) for dotted in (True, False)}
    for field in sorted(images, key=lambda field: "." not in field):  # NAME.jpg counts before NAME.mask.png
        there = present[field]
        many["." in field] += there
        out[there] = field
    doubled = np.flatnonzero((many[False] > 1) | ((many[False] == 0) & (many[True] > 1)))
    if len(doubled):
        row = int(doubled[0])
        choices = [Choice({"image_column": field}, found.names[field][row]) for field in images if present[field][row]]
        raise AmbiguousError(f'{found.source}: the sample "{found.keys[row]}" has several images', choices)
    return out.tolist()
