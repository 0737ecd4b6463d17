"""How known labels are read: what a user states about a table, a folder or a file of another tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError, ObservationError, nearest
from ..space import LabelSpace
from .image_files import Tree
from .names import label_name

Texts = tuple[str, ...]
Unlisted = Literal["unknown", "absent"]
Contradictions = Literal["refuse", "unknown", "vote"]

MEANINGS: tuple[Literal["present", "absent", "unknown"], ...] = ("present", "absent", "unknown")
ALL = "*"
"""Beside names of columns: all of them."""
CONTRADICTIONS: tuple[str, ...] = ("refuse", "unknown", "vote")
UNLISTED: tuple[str, ...] = ("unknown", "absent")


@dataclass(frozen=True)
class ReadOptions:
    """What a user states about known labels; every default is "see from the data, and ask where they can mean two things".

    Attributes:
        space: the label space; None for the labels that are found, all free where the source says nothing else.
        format: the name of a format; None to see it from the file.
        unlisted: what a label means that the source does not mention; None where the source says it.
        present: texts that mean "present": for all columns, or by column (`ALL` for the others).
        absent: texts that mean "absent".
        unknown: texts that mean "unknown".
        image_column: the column of image names.
        label_columns: the columns of labels, or of label names; None for all that nothing else is said about, and "*" for
            these beside others that are named.
        ignore: columns or folders that are neither.
        classes: the names behind class numbers 0, 1, ...; `()` where the source names them, or has no numbers.
        separator: what stands between several labels in one cell; "" where a cell is always one name.
        part: the parts of the data set that are read, such as "train", where the source or the column `split` names parts;
            `()` for all of them.
        split: a column that says which images are held out.
        together: a column whose equal values mark images that belong together.
        unlabelled: folders of images without any known label.
        contradictions: what happens to known labels that exclude each other, and to statements that disagree:
            "refuse" raises an error that lists them, "unknown" forgets them, "vote" lets the majority decide.
        complete: whether every label of every image is known, so that what is not present is absent.
        listing: whether contradictions are only listed, in `HowRead`, without an error or a warning; "refuse" then leaves
            them unknown.
        merge: whether copies of an image in several folders are one image.
        strict: whether what would be left out is an error.
        ambiguous: whether what can mean two things is an error, or read the usual way with a warning.
        images_root: the folder of the images; rows without an image there are left out.
        tree: folders that were listed before, so that each is listed once.
    """

    space: LabelSpace | None = None
    format: str | None = None
    unlisted: Unlisted | None = None
    present: Texts | Mapping[str, Texts] = ()
    absent: Texts | Mapping[str, Texts] = ()
    unknown: Texts | Mapping[str, Texts] = ()
    image_column: str | None = None
    label_columns: Texts | None = None
    ignore: Texts = ()
    classes: Texts = ()
    separator: str | None = None
    part: Texts = ()
    split: str | None = None
    together: str | None = None
    unlabelled: Texts = ()
    contradictions: Contradictions = "refuse"
    complete: bool = False
    listing: bool = False
    merge: bool = True
    strict: bool = False
    ambiguous: Literal["refuse", "warn"] = "warn"
    images_root: Path | None = None
    tree: Tree | None = None

    def __post_init__(self) -> None:
        _one_of("unlisted", self.unlisted, (None, *UNLISTED))
        _one_of("contradictions", self.contradictions, CONTRADICTIONS)

    @property
    def refuses(self) -> bool:
        """Whether contradictions are an error."""
        return self.contradictions == "refuse" and not self.listing

    @property
    def policy(self) -> Contradictions:
        """What happens to contradictions, if they are no error."""
        return "unknown" if self.listing and self.contradictions == "refuse" else self.contradictions

    def stated(self, meaning: Literal["present", "absent", "unknown"], column: str) -> Texts:
        """The texts that mean something in a column, as the user states it; `()` where nothing is stated.

        What is stated for one column comes before what is stated for all of them (`ALL`).
        """
        own = {name: self._of_column(name, column) for name in MEANINGS}
        named = {text for texts in own.values() for text in texts}
        given: Texts | Mapping[str, Texts] = getattr(self, meaning)
        every = given.get(ALL, ()) if isinstance(given, Mapping) else given
        return (*own[meaning], *(text for text in every if text not in named))

    @property
    def stated_columns(self) -> Texts:
        """The columns that values are stated for."""
        given = [getattr(self, name) for name in MEANINGS]
        return tuple(dict.fromkeys(column for one in given if isinstance(one, Mapping) for column in one if column != ALL))

    def _of_column(self, meaning: str, column: str) -> Texts:
        """What is stated for a column alone; its heading may differ in capitals where no other one fits."""
        given = getattr(self, meaning)
        if not isinstance(given, Mapping):
            return ()
        heading = label_name(column)
        exact = [name for name in given if label_name(name) == heading]
        alike = exact or [name for name in given if label_name(name).lower() == heading.lower()]
        return given[alike[0]] if len(alike) == 1 and alike[0] != ALL else ()


def _one_of(name: str, value: str | None, known: Sequence[str | None]) -> None:
    if value not in known:
        names = [one for one in known if one is not None]
        choices = " or ".join(f'"{one}"' for one in names)
        raise ObservationError(f"expected {name}={choices}, not {value!r}{nearest(str(value), names)}")


def texts(value: object) -> Texts | dict[str, Texts]:
    """Stated values as texts: of one value, a list of them, or either by column; None gives `()`.

    >>> texts(-1), texts([0, "no"]), texts({"bus": -1})
    (('-1',), ('0', 'no'), {'bus': ('-1',)})
    """
    if isinstance(value, Mapping):
        return {str(column): list_of_texts(one) for column, one in value.items()}
    return list_of_texts(value)


_FLAGS = {True: ("true", "yes", "on", "y"), False: ("false", "no", "off", "n")}
"""What YAML reads as true and false."""


def list_of_texts(value: object) -> Texts:
    """Stated values as texts: of one value or a list of them; None gives `()`."""
    if value is None:
        return ()
    many = value if isinstance(value, list | tuple | set) else [value]
    return tuple(text for one in many for text in (_FLAGS[one] if isinstance(one, bool) else (str(one).strip(),)))


def class_names(value: object) -> Texts:
    """Names of classes: a list of them, names with commas between them, or the path of a file with one on each line.

    Raises:
        DataError: a file that is not UTF-8 text.
    """
    names = list_of_texts(value)
    if len(names) != 1:
        return names
    path = Path(names[0])
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it in UTF-8") from None
        return tuple(line.strip() for line in lines if line.strip())
    return tuple(part.strip() for part in names[0].split(","))


def stated_options(**stated: Any) -> ReadOptions:
    """`ReadOptions` of arguments as people write them: single values or lists, numbers or texts.

    Raises:
        ObservationError: a name that is not a field of `ReadOptions`, or a value that it cannot have.
    """
    known = [field.name for field in fields(ReadOptions)]
    for name in stated:
        if name not in known:
            raise ObservationError(f"unknown argument {name}{nearest(name, known)} (known: {', '.join(known)})")
    given = {name: value for name, value in stated.items() if value is not None}
    for name in ("present", "absent", "unknown"):
        if name in given:
            given[name] = texts(given[name])
    for name in ("label_columns", "ignore", "unlabelled", "part"):
        if name in given:
            given[name] = list_of_texts(given[name])
    if "classes" in given:
        given["classes"] = class_names(given["classes"])
    return ReadOptions(**given)
