"""Which name on one side is which on the other: images and tables are often named from different folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from .image_files import IMAGE_SUFFIXES

_Parts = tuple[str, ...]
_COLUMNS = ("image", "file_name", "filename", "image_name")


def name_column(labels: Iterable[str]) -> str:
    """What the column of image names is called in a table of these labels: `image`, or else the first name that is no label.

    >>> name_column(["cat", "dog"]), name_column(["Image", "text"])
    ('image', 'file_name')
    """
    taken = {label.strip().casefold() for label in labels}
    numbered = (f"image_name_{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (*_COLUMNS, *numbered) if name not in taken)


def match_names(wanted: Sequence[str], stored: Sequence[str]) -> list[int | None]:
    """For each wanted name the number of the stored name that means the same image.

    Two names mean the same image if they are equal, or else if they end alike: the longest common ending of whole path
    parts counts, so that ``export/cat/1.png`` finds ``photos/cat/1.png``. A name without a file ending (``cat/1``) finds
    the one that has it. A name that could be several stored ones finds none, and neither do two different names that
    would share a stored one equally well.

    Args:
        wanted: N names.
        stored: M names.

    Returns:
        N numbers from 0 to M - 1; None where no stored name, or more than one, fits.
    """
    exact: dict[str, int] = {}
    doubled: set[str] = set()
    for row, name in enumerate(stored):
        if exact.setdefault(name, row) != row:
            doubled.add(name)
    index: _Endings | None = None
    found: dict[str, tuple[int, int] | None] = {}  # the stored name, and how well it fits
    for name in dict.fromkeys(wanted):
        if name in exact:
            found[name] = None if name in doubled else (exact[name], 1_000)
            continue
        index = _Endings(stored) if index is None else index
        found[name] = index.find(name)
    best: dict[int, list[int]] = defaultdict(list)
    for fit in found.values():
        if fit is not None:
            best[fit[0]].append(fit[1])
    rows: dict[str, int | None] = {}
    for name, fit in found.items():
        alone = fit is not None and max(best[fit[0]]) == fit[1] and best[fit[0]].count(fit[1]) == 1
        rows[name] = fit[0] if fit is not None and alone else None
    return [rows[name] for name in wanted]


class _Endings:
    """Stored names by each of their endings, with and without the ending of the file."""

    def __init__(self, stored: Iterable[str]):
        self.whole: dict[_Parts, list[int]] = defaultdict(list)
        self.stems: dict[_Parts, list[int]] = defaultdict(list)
        for row, name in enumerate(stored):
            parts, stem = _parts(name), _stem(name)
            for depth in range(1, len(parts) + 1):
                self.whole[parts[-depth:]].append(row)
                self.stems[stem[-depth:]].append(row)

    def find(self, name: str) -> tuple[int, int] | None:
        """The only stored name of the longest common ending, and how well it fits."""
        for ends, parts, bonus in ((self.whole, _parts(name), 1), (self.stems, _stem(name), 0)):
            for depth in range(len(parts), 0, -1):
                fits = ends.get(parts[-depth:])
                if fits is not None:
                    return (fits[0], 2 * depth + bonus) if len(fits) == 1 else None
        return None


def _parts(name: str) -> _Parts:
    return PurePosixPath(name.replace("\\", "/")).parts


def _stem(name: str) -> _Parts:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_suffix("").parts if path.suffix.lower() in IMAGE_SUFFIXES else path.parts
