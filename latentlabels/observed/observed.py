"""`Observed`: the known labels of N images, as int8 of 1 (present), 0 (absent) and -1 (unknown)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ObservationError
from ..providers import provided
from ..space import LabelSpace
from ..space.feasibility import impossible_rows
from ..words import listed
from .arrays import check_values, known_values
from .contradictions import impossible
from .dataset_labels import read_dataset
from .folder import read_folder
from .frame import read_frame
from .image_files import Tree
from .known_table import DenseKnown, KnownTable
from .options import Contradictions, ReadOptions, list_of_texts, stated_options
from .reading import read_known
from .record import HowRead
from .sparse import known_table
from .wide import wide_frame, write_wide

if TYPE_CHECKING:
    import pandas as pd
    import torch


@dataclass(frozen=True, eq=False, init=False)
class Observed:
    """A table of known labels: a row for each image, a column for each label of the space.

    Args:
        known: int8 (N, K) of 1 known present, 0 known absent, -1 unknown; or a `KnownTable`.
        space: the label space of the columns.
        images: N names, relative to a folder of images or absolute; None where they have none.
        how_read: what a reader took for what; None where no reader was at work.
        extra: further texts about each image, N each, by name: the column of a split, for example.

    Raises:
        ObservationError: sizes that differ, other values, or known labels that no valid label set agrees with.
    """

    known: KnownTable
    space: LabelSpace
    images: tuple[str, ...] | None = None
    how_read: HowRead | None = None
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __init__(
        self,
        known: NDArray[np.int8] | KnownTable,
        space: LabelSpace,
        images: tuple[str, ...] | None = None,
        how_read: HowRead | None = None,
        extra: Mapping[str, tuple[str, ...]] | None = None,
    ):
        table = known if isinstance(known, KnownTable) else DenseKnown(_checked(known, space))
        if table.shape[1] != space.num_labels:
            raise ObservationError(_wrong_shape(table.shape, space))
        if images is not None and len(images) != len(table):
            raise ObservationError(f"{len(images)} image names, but {len(table)} rows of observed")
        fields = {"known": table, "space": space, "images": images, "how_read": how_read, "extra": dict(extra or {})}
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        self.check_consistent()

    @cached_property
    def values(self) -> NDArray[np.int8]:
        """All entries: int8 (N, K) of 1, 0 and -1. A sparse table is made dense for it, which takes N * K bytes."""
        return self.known.dense()

    # --- readers ----------------------------------------------------------------------------------------

    @classmethod
    def from_entries(
        cls,
        rows: ArrayLike,
        columns: ArrayLike,
        values: ArrayLike,
        num_rows: int,
        space: LabelSpace,
        images: Sequence[str] | None = None,
        how_read: HowRead | None = None,
        extra: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Observed:
        """From single entries, in any order; a large table with few known entries is kept sparse and never made dense.

        Args:
            rows: (S,) the row that an entry is about, from 0 to N - 1.
            columns: (S,) its label, from 0 to K - 1.
            values: (S,) 1 known present, 0 known absent; an entry of -1 says nothing.
            num_rows: N.
            space: the K labels.
            images: N names.
            how_read: what a reader took for what.
            extra: further texts about each image, N each, by name.

        Raises:
            ObservationError: sizes that differ, numbers out of range, two entries that disagree, or rows that contradict
                the label space.
        """
        known = known_table(rows, columns, values, (num_rows, space.num_labels), space.labels)
        return cls(known, space, None if images is None else tuple(images), how_read, extra)

    @classmethod
    def from_array(
        cls,
        values: ArrayLike,
        space: LabelSpace,
        images: Sequence[str] | None = None,
        *,
        absent: Any = None,
        unknown: Any = None,
        first_row: int = 0,
        options: ReadOptions | None = None,
    ) -> Observed:
        """From an array (N, K) of 1, 0 and -1; NaN is read as unknown, as a table's empty cells give it.

        Two kinds of arrays are read as they stand, but with a `DataWarning`, since they often mean something else. In an
        array with exactly one 1 in each row and 0 elsewhere, 0 may mean "not the label that was noted": ``unknown=0`` or
        ``absent=0`` says which. In one of 1 and -1, without a 0 and with several 1 in a row, -1 may mean "not shown":
        ``absent=-1`` or ``unknown=-1`` says which.

        Args:
            values: (N, K).
            space: the K labels.
            images: N names.
            absent: the value, or values, that mean absent: 0.
            unknown: the value, or values, that mean unknown: -1.
            first_row: number of the first row, for errors, where these are a part of a larger array.
            options: all that can be stated, instead of `absent` and `unknown`.

        Raises:
            ObservationError: other values, a wrong number of columns, or rows that contradict the label space.
        """
        options = stated_options(absent=absent, unknown=unknown) if options is None else options
        array = known_values(values, space, options, first_row)
        return cls(array, space, None if images is None else tuple(str(name) for name in images))

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        space: LabelSpace | None = None,
        *,
        merge: bool = True,
        strict: bool = False,
        unlabelled: str | Sequence[str] = (),
        ignore: str | Sequence[str] = (),
        contradictions: Contradictions = "refuse",
        options: ReadOptions | None = None,
    ) -> Observed:
        """Read an ImageFolder: an image in ``label/`` or ``group/label/`` has that label known present.

        The same image (byte by byte) in several folders is one row with several known labels. Names of folders are compared
        in NFC without blanks at the ends. Hidden folders and those of the system (``@eaDir``, ``__MACOSX``) are left out.
        Folders called like images that nobody sorted (``unsorted``) are images without known labels, and those called like
        a part of a split (``test``) are left out, each with a warning, unless the space declares them.

        Args:
            root: the folder.
            space: the label space; None: every folder is a free label.
            merge: False leaves every file a row of its own, for annotations by which each was found by itself
                (`Annotation.one_positive`).
            strict: what is otherwise a `DataWarning` is an error.
            unlabelled: folders of images without any known label: names, or paths relative to the root.
            ignore: folders to leave out.
            contradictions: what becomes of known labels that exclude each other: "refuse" raises an error that lists them,
                "unknown" forgets them, "vote" keeps what most folders say.
            options: all of this at once; the other arguments then do not count.

        Raises:
            DataError: no such folder, or no images in it.
            ObservationError: a folder that is not a label of the space, or images whose known labels exclude each other.
        """
        if options is None:
            options = ReadOptions(
                merge=merge,
                strict=strict,
                unlabelled=list_of_texts(unlabelled),
                ignore=list_of_texts(ignore),
                contradictions=contradictions,
            )
        return cls(*read_folder(Path(root), space, options))

    @classmethod
    def from_table(
        cls,
        path: str | Path,
        space: LabelSpace | None = None,
        *,
        unlisted: str | None = None,
        images_root: str | Path | None = None,
        strict: bool = False,
        tree: Tree | None = None,
        **stated: Any,
    ) -> Observed:
        """From a table, or from a file of another tool.

        A wide table has a column of image names and one for each label, of 1, 0 or empty. A long one has the columns
        ``image, label`` and, if there are absent ones, ``value``. A cell may hold several labels, and a column the labels
        of a group. Where a table can mean two things, a `DataWarning` says how it was read and which argument decides.

        Args:
            path: CSV, TSV, JSON, JSON lines, Parquet, a spreadsheet, or a format of `latentlabels.observed.formats`.
            space: the label space; None: the labels that are found, all free where the file says nothing else.
            unlisted: what a label that the table leaves open means, "unknown" or "absent". May be left out
                where the table says "absent" of any label: the rest is then unknown.
            images_root: where the images are; rows whose image is not there are left out, with a warning.
            strict: what is otherwise a `DataWarning` is an error.
            tree: folders that were listed before, so that each is listed once.
            stated: further fields of `ReadOptions`: absent, unknown, present, image_column, label_columns, ignore,
                separator, split, together, contradictions, format.

        Raises:
            DataError: no such file, or no table.
            ObservationError: what the table says is wrong; file, line, column and the nearest known name are named.
            AmbiguousError: it can mean two things, and no reading is the usual one.
        """
        root = None if images_root is None else Path(images_root)
        options = stated_options(space=space, unlisted=unlisted, images_root=root, strict=strict, tree=tree, **stated)
        return cls.read(path, options)

    @classmethod
    def read(cls, path: str | Path, options: ReadOptions) -> Observed:
        """From a file or folder of any format, as `options` say; see `from_table`."""
        return cls(*read_known(Path(path), options))

    @classmethod
    def from_dataset(cls, dataset: Any, space: LabelSpace | None = None, **stated: Any) -> Observed:
        """From the labels of a Dataset object, whose images then need no table.

        Args:
            dataset: a `datasets.Dataset` of Hugging Face with a column of images, or a torch Dataset whose items are pairs
                (image, labels) or dictionaries with `image` and `label`. Labels are class numbers, names, lists of either, or
                vectors of 1, 0 and -1. The names of classes are those of the features, or of the attribute `classes`.
            space: the label space; None: the labels that are found.
            stated: fields of `ReadOptions`: unlisted, classes, label_columns, image_column and others.

        Raises:
            DataError: items without labels.
            AmbiguousError: what class numbers, columns or unlisted labels mean is unclear.
        """
        found, named = read_dataset(dataset, stated_options(space=space, **stated))
        return cls(found.values, found.space, found.images if named else None, found.how_read, found.extra)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, space: LabelSpace | None = None, *, absent: Any = None, unknown: Any = None
    ) -> Observed:
        """From a DataFrame of 1, 0, -1 and missing (unknown): a column for each label, in any order.

        Args:
            frame: its index names the images; an index that only counts does not. A column ``image`` may stand for the index.
            space: the label space; None: the columns, all free.
            absent: the value, or values, that mean absent; see `from_array`.
            unknown: the value, or values, that mean unknown.

        Raises:
            ObservationError: columns that are no labels, labels without a column, two rows for one image, other values, or
                rows that contradict the label space.
        """
        found = read_frame(frame, space)
        return cls.from_array(found.values, found.space, found.images, absent=absent, unknown=unknown)

    def in_space(self, space: LabelSpace) -> Observed:
        """The same in a space of the same labels, whose order and groups may differ.

        Raises:
            ObservationError: other labels, or known labels that contradict the groups.
        """
        if self.space == space:
            return self
        if {*self.space.labels} != {*space.labels}:
            raise ObservationError(
                f"the observed table has the labels {listed(self.space.labels, 4)}, but the label space has "
                f"{listed(space.labels, 4)}; read the table with this space"
            )
        columns = [self.space.index(label) for label in space.labels]
        return Observed(self.known.in_columns(columns), space, self.images, self.how_read, self.extra)

    # --- what it holds ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.known)

    def __repr__(self) -> str:
        return f"Observed({len(self)} images, {self.space.num_labels} labels, {int(self.num_known.sum())} known)"

    def _repr_html_(self) -> str:
        """What a notebook shows: how much is known, the labels, and the first images."""
        return str(provided("notebook view")(self))

    @property
    def num_known(self) -> NDArray[np.int64]:
        """How many labels of each image are known, present or absent: (N,)."""
        return self.known.num_known

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each label on how many images it is known to be present, and absent."""
        present, absent = self.known.counts()
        return {label: (int(present[k]), int(absent[k])) for k, label in enumerate(self.space.labels)}

    @property
    def never_present(self) -> tuple[str, ...]:
        """The labels that are known to be present on no image."""
        return tuple(label for label, (present, _) in self.counts().items() if not present)

    def check_consistent(self) -> None:
        """Check that some valid label set agrees with each row.

        Raises:
            ObservationError: the first row that none agrees with, and why; how many more there are.
        """
        wrong = impossible(self.known, self.space)
        if len(wrong):
            raise impossible_rows(wrong, self.known.rows, self.space, self.images)

    def take(self, rows: ArrayLike) -> Observed:
        """Some rows, by number or by a mask (N,).

        Raises:
            ObservationError: a mask of another length.
        """
        index = np.asarray(rows)
        if index.dtype == bool and index.shape != (len(self),):
            raise ObservationError(f"the mask has shape {index.shape}, but observed has {len(self)} rows")
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(int)
        names = None if self.images is None else tuple(self.images[int(i)] for i in index)
        extra = {name: tuple(texts[int(i)] for i in index) for name, texts in self.extra.items()}
        return Observed(self.known.take(index), self.space, names, self.how_read, extra)

    def to_tensor(self) -> torch.Tensor:
        """The values as an int8 tensor (N, K)."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(self.values))

    def to_frame(self) -> pd.DataFrame:
        r"""A DataFrame of 1, 0 and missing, images as index, labels as columns.

        The index is called `image`, or if a label has that name `file_name`; names that are not UTF-8 have their bytes
        written as ``\xNN``.
        """
        return wide_frame(self.values, self.space.labels, self.images)

    def write(self, path: str | Path) -> Path:
        """Write a wide table, which `from_table` reads again with ``unlisted="unknown"``, block by block.

        Parquet or JSON lines where the file's ending says so, CSV otherwise.
        """
        return write_wide(Path(path), self.known, self.space.labels, self.images)


def _checked(values: Any, space: LabelSpace) -> NDArray[np.int8]:
    if not isinstance(values, np.ndarray) or values.dtype != np.int8:
        kind = getattr(values, "dtype", type(values).__name__)
        raise ObservationError(f"observed is of {kind}, but int8 is expected; use Observed.from_array")
    if values.ndim != 2 or values.shape[1] != space.num_labels:
        raise ObservationError(_wrong_shape(values.shape, space))
    check_values(values, space)
    return values


def _wrong_shape(shape: tuple[int, ...], space: LabelSpace) -> str:
    return (
        f"observed has shape {shape}, but the label space has {space.num_labels} labels; "
        f"give (N, {space.num_labels}), one column for each label"
    )
