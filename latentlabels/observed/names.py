"""Names of labels and images: in one Unicode form, and which name on one side is which on the other."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from .file_kinds import IMAGE_SUFFIXES

_Parts = tuple[str, ...]
_HYPHEN = re.compile(r"(?<=[^\W_])[-_\u2010\u2011](?=[^\W_])")  # between letters or digits: "A-" and "A" are two labels
_COLUMNS = ("image", "file_name", "filename", "image_name")


def name_column(labels: Iterable[str]) -> str:
    """What the column of image names is called in a table of these labels: `image`, or else the first name that is no label.

    >>> name_column(["cat", "dog"]), name_column(["Image", "text"])
    ('image', 'file_name')
    """
    taken = {label.strip().casefold() for label in labels}
    numbered = (f"image_name_{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (*_COLUMNS, *numbered) if name not in taken)


def nfc(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which names are compared: an accent has two spellings, one look.

    Files copied from a Mac often have the other form (NFD). A file is opened by its name as it is on disk.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def label_name(text: str) -> str:
    r"""The label that a folder, a cell or a column names: without blanks at either end, in NFC.

    Bytes that are not UTF-8 become ``\xff``, since labels are written into files.
    """
    return nfc(text.strip()).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def full_name(group: str, label: str) -> str:
    """What a label is called whose name stands in the columns of several groups: "top: red", beside "bottom: red"."""
    return f"{group}: {label}"


def rough(name: str) -> str:
    """What is left of a name without case, blanks and invisible signs: names of one rough form may be one label."""
    folded = nfc(nfc(name).casefold())
    return nfc("".join(sign for sign in folded if not sign.isspace() and unicodedata.category(sign) != "Cf"))


def near_equal(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of two or more different names that differ only in case, blanks, hyphens or Unicode form, in the order given.

    >>> near_equal(["T-shirt", "bike", "t_shirt", "t shirt ", "bike"])
    [('T-shirt', 't_shirt', 't shirt ')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[rough(_HYPHEN.sub("", unicodedata.normalize("NFKC", name)))].append(name)  # NFKC: "ｃａｒ" in full width
    return [tuple(group) for group in groups.values() if len(group) > 1]


class Match(NamedTuple):
    """A known name for a given one.

    Attributes:
        name: the known name.
        how: "exact"; "form" if Unicode form or blanks at the ends differ; "case" if case or other blanks do.
    """

    name: str
    how: Literal["exact", "form", "case"]


class KnownNames:
    """Finds a given name among known ones: exactly, or else in NFC without blanks at the ends, or else but for case and blanks.

    Args:
        names: the known names, each of which matches itself.
    """

    def __init__(self, names: Iterable[str]):
        self._exact = dict.fromkeys(names)
        self._form: dict[str, list[str]] = defaultdict(list)
        self._rough: dict[str, list[str]] = defaultdict(list)
        for name in self._exact:
            self._form[label_name(name)].append(name)
            self._rough[rough(name)].append(name)

    def find(self, name: str) -> Match | None:
        """The only known name that fits best; None where none fits, or several do."""
        if name in self._exact:
            return Match(name, "exact")
        same = self._form.get(label_name(name), [])
        if same:
            return Match(same[0], "form") if len(same) == 1 else None
        like = self._rough.get(rough(name), [])
        return Match(like[0], "case") if len(like) == 1 else None


def match_names(wanted: Sequence[str], stored: Sequence[str]) -> list[int | None]:
    """For each wanted name the number of the stored name that means the same image.

    Two names mean the same image if they are equal, or equal in NFC, or else if they end alike: the longest common
    ending of whole path parts counts, so that ``export/cat/1.png`` finds ``photos/cat/1.png``. A name without a file
    ending (``cat/1``) finds the one that has it. A name that could be several stored ones finds none, and neither do two
    different names that would share a stored one equally well.

    Args:
        wanted: N names.
        stored: M names.

    Returns:
        N numbers from 0 to M - 1; None where no stored name, or more than one, fits.
    """
    exact, composed = _numbered(stored), _numbered(map(nfc, stored))
    index: _Endings | None = None
    found: dict[str, tuple[int, int] | None] = {}  # the stored name, and how well it fits
    for name in dict.fromkeys(wanted):
        for numbers, key, how_well in ((exact, name, 1_001), (composed, nfc(name), 1_000)):
            if key in numbers:
                number = numbers[key]
                found[name] = None if number is None else (number, how_well)
                break
        else:
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


def _numbered(names: Iterable[str]) -> dict[str, int | None]:
    """The number of each name; None for a name that occurs twice."""
    numbers: dict[str, int | None] = {}
    for number, name in enumerate(names):
        numbers[name] = None if name in numbers else number
    return numbers


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
    return PurePosixPath(nfc(name).replace("\\", "/")).parts


def _stem(name: str) -> _Parts:
    path = PurePosixPath(nfc(name).replace("\\", "/"))
    return path.with_suffix("").parts if path.suffix.lower() in IMAGE_SUFFIXES else path.parts
