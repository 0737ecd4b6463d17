"""`Observed`: the known labels of N images, as int8 of 1 (present), 0 (absent) and -1 (unknown)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ObservationError
from ..providers import provided
from ..space import LabelSpace
from ..space.feasibility import check_consistent
from ..words import listed
from ..writing import replacing
from .folder import read_folder
from .frame import read_frame
from .image_files import Tree
from .options import Contradictions, ReadOptions, list_of_texts
from .record import HowRead
from .table import read_table

if TYPE_CHECKING:
    import pandas as pd
    import torch


@dataclass(frozen=True, eq=False)
class Observed:
    """A table of known labels: a row for each image, a column for each label of the space.

    Args:
        values: int8 (N, K) of 1 known present, 0 known absent, -1 unknown.
        space: the label space of the columns.
        images: N names, relative to a folder of images or absolute; None where they have none.
        how_read: what a reader took for what; None where no reader was at work.
        extra: further texts about each image, N each, by name: the column of a split, for example.

    Raises:
        ObservationError: sizes that differ, other values, or known labels that no valid label set agrees with.
    """

    values: NDArray[np.int8]
    space: LabelSpace
    images: tuple[str, ...] | None = None
    how_read: HowRead | None = None
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.values, np.ndarray) or self.values.dtype != np.int8:
            kind = getattr(self.values, "dtype", type(self.values).__name__)
            raise ObservationError(f"observed is of {kind}, but int8 is expected; use Observed.from_array")
        if self.values.ndim != 2 or self.values.shape[1] != self.space.num_labels:
            raise ObservationError(
                f"observed has shape {self.values.shape}, but the label space has {self.space.num_labels} labels; "
                f"give (N, {self.space.num_labels}), one column for each label"
            )
        if self.images is not None and len(self.images) != len(self.values):
            raise ObservationError(f"{len(self.images)} image names, but {len(self.values)} rows of observed")
        _check_values(self.values, self.space)
        self.check_consistent()

    # --- readers ----------------------------------------------------------------------------------------

    @classmethod
    def from_array(cls, values: ArrayLike, space: LabelSpace, images: Sequence[str] | None = None) -> Observed:
        """From an array (N, K) of 1, 0 and -1; NaN is read as unknown, as a table's empty cells give it.

        Raises:
            ObservationError: other values, a wrong number of columns, or rows that contradict the label space.
        """
        try:
            array = np.asarray(values)
        except ValueError:
            raise ObservationError("observed has rows of different lengths; give an array (N, K)") from None
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), -1, array)
        elif array.dtype.kind not in "biu":  # of a DataFrame with missing values
            import pandas as pd

            array = array.astype(object)
            array = np.where(pd.isna(array), -1, array)
        _check_values(array, space)
        return cls(array.astype(np.int8), space, None if images is None else tuple(str(name) for name in images))

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
                merge=merge, strict=strict, unlabelled=list_of_texts(unlabelled), ignore=list_of_texts(ignore), contradictions=contradictions
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
    ) -> Observed:
        """From a table: CSV, TSV, Parquet or JSON lines, wide or long.

        Wide: a column ``image`` and one for each label, of 1, 0 or empty (-1 is "unknown" as well). Long: the columns
        ``image, label`` and, if there are absent ones, ``value``.

        Args:
            path: the table.
            space: the label space; None: the table's labels, all free.
            unlisted: what a label that the table leaves open means, "unknown" or "absent". May be left out
                where the table says "absent" of any label: the rest is then unknown.
            images_root: where the images are; rows whose image is not there are left out, with a warning.
            strict: what is otherwise a `DataWarning` is an error.
            tree: folders that were listed before, so that each is listed once.

        Raises:
            DataError: no such file, or no table.
            ObservationError: what the table says is wrong; file, line, column and the nearest known name are named.
        """
        root = None if images_root is None else Path(images_root)
        return cls(*read_table(Path(path), space, unlisted, root, strict, tree))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, space: LabelSpace | None = None) -> Observed:
        """From a DataFrame of 1, 0, -1 and missing (unknown): a column for each label, in any order.

        Args:
            frame: its index names the images; an index that only counts does not. A column ``image`` may stand for the index.
            space: the label space; None: the columns, all free.

        Raises:
            ObservationError: columns that are no labels, labels without a column, two rows for one image, other values, or
                rows that contradict the label space.
        """
        found = read_frame(frame, space)
        return cls.from_array(found.values, found.space, found.images)

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
        return Observed(np.ascontiguousarray(self.values[:, columns]), space, self.images, self.how_read, self.extra)

    # --- what it holds ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Observed({len(self)} images, {self.space.num_labels} labels, {int(self.num_known.sum())} known)"

    def _repr_html_(self) -> str:
        """What a notebook shows: how much is known, the labels, and the first images."""
        return str(provided("notebook view")(self))

    @property
    def num_known(self) -> NDArray[np.int64]:
        """How many labels of each image are known, present or absent: (N,)."""
        known: NDArray[np.int64] = (self.values != -1).sum(1)
        return known

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each label on how many images it is known to be present, and absent."""
        present, absent = (self.values == 1).sum(0), (self.values == 0).sum(0)
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
        check_consistent(self.values, self.space, self.images)

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
        return Observed(self.values[index], self.space, names, self.how_read, extra)

    def to_tensor(self) -> torch.Tensor:
        """The values as an int8 tensor (N, K)."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(self.values))

    def to_frame(self) -> pd.DataFrame:
        """A DataFrame of 1, 0 and missing, images as index, labels as columns."""
        import pandas as pd

        names = self.images if self.images is not None else tuple(str(i) for i in range(len(self)))
        frame = pd.DataFrame(self.values, index=pd.Index(names, name="image"), columns=list(self.space.labels)).astype("Int8")
        return frame.mask(frame == -1)

    def write(self, path: str | Path) -> Path:
        """Write a wide table, which `from_table` reads again with ``unlisted="unknown"``.

        Parquet or JSON lines where the file's ending says so, CSV otherwise.
        """
        path = Path(path)
        frame = self.to_frame()
        with replacing(path) as temporary:
            if path.suffix.lower() == ".parquet":
                frame.to_parquet(temporary)
            elif path.suffix.lower() in (".jsonl", ".ndjson"):
                frame.reset_index().to_json(temporary, orient="records", lines=True, force_ascii=False)
            else:
                frame.to_csv(temporary)
        return path


def _check_values(array: NDArray[Any], space: LabelSpace) -> None:
    wrong = ~np.isin(array, (-1, 0, 1))
    if wrong.any():
        row, *column = (int(at[0]) for at in np.nonzero(wrong))
        label = f', label "{space.labels[column[0]]}"' if column and column[0] < space.num_labels else ""
        value = array[wrong][0]
        shown = repr(value) if isinstance(value, str) else value
        raise ObservationError(f"observed, row {row}{label}: expected 1 (present), 0 (absent) or -1 (unknown), not {shown}")
