"""What a user gave, before anything is decoded: files, an array or a Dataset, with the names and labels that come along."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from ..errors import AmbiguousError, DataError
from ..kind import Kind
from ..observed import Observed, Tree, find_images
from ..observed.dataset_labels import has_targets, read_dataset
from ..observed.image_files import files_below, passed_over, report, warn
from ..observed.options import ReadOptions
from ..observed.packed import Contents, contents_of
from ..observed.packed.hugging_face import contents_of_dataset, is_hugging_face
from ..observed.packed.layout import BY_ROW
from ..observed.reading import labels_inside
from ..shards import is_packed
from ..space import LabelSpace
from .alignment import (
    column_names,
    column_order,
    frame_names,
    in_rows_of,
    is_frame,
)
from .embeddings import is_embeddings, load_embeddings
from .inputs import Inputs, Wanted

if TYPE_CHECKING:
    import pandas as pd

    Images = (
        str | Path | Sequence[str] | Sequence[Path] | Dataset[object] | Tensor | ArrayLike | pd.DataFrame | Inputs
    )  # what a user may give


@dataclass(frozen=True)
class Reading:
    """How inputs are read.

    Attributes:
        labelled: whether a folder or an .npz that is given alone also gives the known labels.
        merge: whether copies of an image in several folders of labels are one image.
        strict: whether what a folder of labels would leave out is an error.
        folder: what the user states about a folder of labels besides.
        unreadable: what images that cannot be read are: left out with a warning, an error, or left out in silence, which is
            an error where none can be read, unless it is "rows".
        budget: bytes of images that are kept in memory; None for `MEMORY_BUDGET`.
        tree: folders that were listed before; each folder is listed once.
        recognise: whether copies are looked for, as a fit needs it; the items of a Dataset may be drawn at random and are not
            looked at.
        white: the value of white in images with more than 8 bits, or below 255 with 8 bits; None to see it from the bits in
            use.
    """

    labelled: bool = False
    merge: bool = True
    strict: bool = False
    folder: ReadOptions = field(default_factory=ReadOptions)
    unreadable: Literal["warn", "error", "collect", "rows"] = "warn"
    budget: int | None = None
    tree: Tree | None = None
    recognise: bool = False
    white: float | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """What a user gave, before anything is decoded.

    Attributes:
        items: files, images inside of files, an array, or a Dataset.
        names: that somebody gave, by which tables are matched; None where there are none.
        shown: names for people; None for those of the table, or numbers.
        rows: which of the things given these are.
        place: the folder or file that was given, from which a table may select; None otherwise.
        observed: what it says of itself.
        truth: the same, complete.
        columns: names of the embeddings' columns; None where they have none.
    """

    items: list[Path] | Contents | Tensor | Dataset[object]
    names: tuple[str, ...] | None
    shown: tuple[str, ...] | None
    rows: NDArray[np.int64]
    place: str | None = None
    observed: Observed | None = None
    truth: NDArray[np.int8] | None = None
    columns: tuple[str, ...] | None = None

    def take(self, rows: NDArray[np.int64]) -> Given:
        """Some of them, by number."""
        items = _rows_of(self.items, rows)
        names, shown = (None if given is None else tuple(given[row] for row in rows) for given in (self.names, self.shown))
        observed = None if self.observed is None else self.observed.take(rows)
        truth = None if self.truth is None else self.truth[rows]
        return Given(items, names, shown, self.rows[rows], self.place, observed, truth, self.columns)


def recognise(
    images: Images, space: LabelSpace | None, wanted: Wanted, how: Reading, alone: bool, numbers: bool
) -> Given:  # fmt: skip
    """What a user gave.

    Args:
        images: of any kind that `read_inputs` takes, but `Inputs`.
        space: the label space; None to take that of the data.
        wanted: what the model takes.
        how: details of reading.
        alone: whether no table of labels was given beside.
        numbers: whether the numbers of a DataFrame's index are names.

    Raises:
        DataError: something else, or inputs of the other kind.
    """
    many = isinstance(images, list | tuple) and bool(images) and isinstance(images[0], str | Path)
    if isinstance(images, str | Path) and is_embeddings(images) and not Path(images).is_dir():
        return _stored(Path(images), space, wanted, how, alone)
    if many or isinstance(images, str | Path):
        if wanted.kind is Kind.EMBEDDINGS:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not image files')
        if isinstance(images, str | Path) and is_packed(images):
            return _packed(images, space, how, how.labelled and alone)
        if isinstance(images, str | Path) and how.labelled and alone:
            return _image_folder(Path(images), space, how)
        return _files(images, how.tree)  # type: ignore[arg-type]
    if is_frame(images):
        values = _tensor(images.to_numpy())  # type: ignore[union-attr]
        names, columns = frame_names(images, numbers), column_names(images)  # type: ignore[arg-type]
        order = column_order(columns, wanted.columns)
        values, columns = (values, columns) if order is None else (values[:, order], wanted.columns)
        return Given(values, names, names, np.arange(len(values)), columns=columns)
    if is_hugging_face(images):
        if wanted.kind is Kind.EMBEDDINGS:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not a Dataset of images')
        contents = contents_of_dataset(images, how.folder.image_column)
        names = contents.names if contents.naming != BY_ROW else None
        known = _of_dataset(images, space, how) if how.labelled and alone else None
        return Given(contents, names, names, np.arange(len(contents)), observed=known)
    if isinstance(images, Dataset):
        if wanted.kind is Kind.EMBEDDINGS:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not a Dataset of images')
        if isinstance(images, IterableDataset) or not hasattr(images, "__len__"):
            raise DataError("this Dataset of images lacks __len__ or __getitem__; give one with a length and items by number")
        known = _of_dataset(images, space, how) if how.labelled and alone and _has_targets(images) else None
        return Given(images, None, None, np.arange(len(images)), observed=known)
    values = images if isinstance(images, Tensor) else _tensor(images)
    return Given(values, None, None, np.arange(len(values) if values.dim() else 0))


def kind_given(images: Images) -> Kind:
    """Images or embeddings, by what was given alone: arrays (N, D), DataFrames and files of them are embeddings."""
    if isinstance(images, Inputs):
        return images.kind
    if isinstance(images, str | Path):
        return Kind.EMBEDDINGS if is_embeddings(images) and not Path(images).is_dir() else Kind.IMAGES
    if isinstance(images, Dataset) or is_hugging_face(images):
        return Kind.IMAGES
    if isinstance(images, list | tuple) and images and isinstance(images[0], str | Path):
        return Kind.IMAGES
    try:
        return Kind.EMBEDDINGS if is_frame(images) or np.ndim(images) == 2 else Kind.IMAGES  # type: ignore[arg-type]
    except ValueError:  # rows of different lengths: whoever reads them says so
        return Kind.EMBEDDINGS


def _has_targets(images: Dataset[object]) -> bool:
    with torch.random.fork_rng(devices=[]):  # pictures may be drawn at random: to look is to change nothing
        return has_targets(images)


def _of_dataset(images: object, space: LabelSpace | None, how: Reading) -> Observed:
    """What a Dataset object says of its images.

    Raises:
        AmbiguousError: it can mean several things; where to state which is named.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            known, named = read_dataset(images, replace(how.folder, space=space, strict=how.strict))
        except AmbiguousError as error:
            state = "state it by Observed.from_dataset(dataset, ...), and give that as observed"
            raise AmbiguousError(f"{error.what} ({state})", error.choices) from None
    return Observed(known.values, known.space, known.images if named else None, known.how_read, known.extra)


def _image_folder(root: Path, space: LabelSpace | None, how: Reading) -> Given:
    tree = Tree() if how.tree is None else how.tree
    options = replace(how.folder, merge=how.merge, strict=how.strict, tree=tree)
    if labels_inside(root, tree):
        known = Observed.read(root, replace(options, space=space, images_root=root))
    else:
        known = Observed.from_folder(root, space, options=options)
    assert known.images is not None
    files = [root / name for name in known.images]
    return Given(files, known.images, tuple(map(str, files)), np.arange(len(files)), observed=known)


def _packed(where: str | Path, space: LabelSpace | None, how: Reading, labelled: bool) -> Given:
    """The images inside of files, and, where they are given alone, what is known of them."""
    contents = contents_of(where, how.folder.image_column if labelled else None)
    known = None
    if labelled:
        options = replace(how.folder, space=space, strict=how.strict, tree=how.tree, images_root=None)
        known = in_rows_of(contents.names, Observed.read(Path(where), options), len(contents), "observed")
    else:
        for note in contents.notes:
            report(f"{where}: {note}", how.strict)
    return Given(contents, contents.names, contents.names, np.arange(len(contents)), place=str(where), observed=known)


def _files(images: str | Path | Sequence[str | Path], tree: Tree | None) -> Given:
    tree = Tree() if tree is None else tree
    files = find_images(images, tree)
    folder = Path(images) if isinstance(images, str | Path) and Path(images).is_dir() else None
    others = [] if folder is None else passed_over(files_below(folder, tree), str(folder), pictures_only=True)
    if not files:
        more = "".join(f"\n{line}" for line in others)
        raise DataError(f"{images}: no images found; give a folder, image files or a glob{more}")
    for line in others:
        warn(line)
    shown = tuple(str(file) for file in files)
    if folder is not None:
        names = tuple(file.relative_to(folder).as_posix() for file in files)
        return Given(files, names, shown, np.arange(len(files)), place=str(images))
    return Given(files, shown, shown, np.arange(len(files)))


def _stored(path: Path, space: LabelSpace | None, wanted: Wanted, how: Reading, alone: bool) -> Given:
    if wanted.kind is not Kind.EMBEDDINGS:
        raise DataError(f'{path}: holds embeddings, but this encoder takes images; give images, or encoder="embedding"')
    found = load_embeddings(path)
    space = found.space() if space is None else space
    known = None
    if how.labelled and alone:
        if space is None:
            raise DataError(f"{path}: has no array `labels`, so its labels have no names; give LatentLabels(space, ...)")
        known = found.known(space, options=how.folder)
    truth = None if space is None else found.complete(space)
    rows = np.arange(len(found.embeddings))
    return Given(torch.from_numpy(found.embeddings), found.images, found.names, rows, str(path), known, truth)


def _rows_of(
    items: list[Path] | Contents | Tensor | Dataset[object], rows: NDArray[np.int64]
) -> list[Path] | Contents | Tensor | Dataset[object]:
    if isinstance(items, list):
        return [items[row] for row in rows]
    if isinstance(items, Contents):
        return items.take(rows)
    if isinstance(items, Tensor):
        return items[torch.from_numpy(rows)]
    return torch.utils.data.Subset(items, rows.tolist())


def _tensor(array: object) -> Tensor:
    if hasattr(array, "toarray"):  # of scipy
        raise DataError("sparse matrices are not supported as inputs; give X.toarray()")
    try:
        values = np.ascontiguousarray(array)  # type: ignore[call-overload]
    except ValueError:
        raise DataError("inputs have rows of different lengths; give an array (N, D) or (N, 3, H, W)") from None
    if values.dtype.kind == "O" and values.ndim > 1:  # numbers all the same, as a DataFrame of several types gives them
        with suppress(TypeError, ValueError):
            values = values.astype(np.float64)
    if values.dtype.kind == "c":
        raise DataError("Complex data not supported: inputs are real numbers; give their parts as columns, for example")
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"inputs must be a folder, image files, a Dataset or an array of numbers, not {type(array).__name__}"
            + (f" of {values.dtype}" if hasattr(array, "dtype") else "")
        )
    values = values.astype(values.dtype.newbyteorder("="), copy=not values.flags.writeable)  # torch warns of read-only memory
    return torch.from_numpy(values)
