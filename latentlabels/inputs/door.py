"""The one door: whatever a user gives, folder, files, glob, array, tensor, DataFrame, Dataset or .npz, becomes `Inputs`."""

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
from ..words import count, listed
from .alignment import (
    as_observed,
    as_truth,
    column_names,
    column_order,
    frame_names,
    in_rows_of,
    is_frame,
    selected,
)
from .arrays import check_against, item_look, item_pixels, looks_at, pictures_of, rgb_of, span_of
from .batches import Batches, InMemory, Streamed
from .copies import Print, find_copies, prints_of
from .embeddings import is_embeddings, load_embeddings, vectors_of
from .images import FilePictures, LeftOut, check_images, decode_images, report_unreadable
from .inputs import Inputs, Pictures, Resized, Wanted
from .levels import BYTES, UNIT, Levels, Span
from .looks import Look, PixelNote, conclude, sentence
from .rgb import Size, resized

if TYPE_CHECKING:
    import pandas as pd

    from .alignment import Labels

    Images = (
        str | Path | Sequence[str] | Sequence[Path] | Dataset[object] | Tensor | ArrayLike | pd.DataFrame | Inputs
    )  # what a user may give

MEMORY_BUDGET = 4 << 30  # bytes of decoded images that are kept; beyond it images are read as training goes
_LOOKED_AT = 4  # items of a Dataset that tell its size


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
class _Given:
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

    def take(self, rows: NDArray[np.int64]) -> _Given:
        items = _rows_of(self.items, rows)
        names, shown = (None if given is None else tuple(given[row] for row in rows) for given in (self.names, self.shown))
        observed = None if self.observed is None else self.observed.take(rows)
        truth = None if self.truth is None else self.truth[rows]
        return _Given(items, names, shown, self.rows[rows], self.place, observed, truth, self.columns)


def read_inputs(
    images: Images,
    observed: Labels | None = None,
    truth: Labels | None = None,
    *,
    space: LabelSpace | None,
    wanted: Wanted,
    how: Reading | None = None,
) -> Inputs:
    """Make `Inputs` of whatever a user gives.

    Names beat positions: where both the inputs and a table have names, rows are matched by name. Files and folders have
    names, and so have an .npz with `images`, a DataFrame's index, and an `Observed` with `images`. Of a folder or an .npz,
    a table selects; of a list of files or a DataFrame it has to name each one.

    Args:
        images: a folder, a file, a glob, an .npz, a list of image files, a Dataset of images, an array or tensor of images
            (N, 3, H, W) or (N, H, W, 3), of greys (N, H, W), or of embeddings (N, D), a DataFrame of embeddings, or `Inputs`.
        observed: known labels: `Observed`, a DataFrame, or an array (N, K) of 1, 0, -1.
        truth: complete labels of the same kinds.
        space: the label space; None to take that of `observed`.
        wanted: what the model takes.
        how: details of reading.

    Raises:
        DataError: inputs of another kind or size, or names that do not agree; both sides are named.
        ObservationError: labels that cannot be read or contradict the space.
    """
    how = Reading() if how is None else how
    if isinstance(images, Inputs):
        return _again(images, observed, truth, space, wanted)
    frames = is_frame(images) and (is_frame(observed) or is_frame(truth))
    given = _given(images, space, wanted, how, observed is None, frames)
    table = given.observed if observed is None else as_observed(observed, space, given.shown, frames)
    if observed is not None and table is not None:
        given, table = _matched(given, table, "observed", bool(how.folder.part))
    complete = given.truth
    space = space if table is None else table.space
    if truth is not None:
        if space is None:
            raise DataError("truth is given, but the labels have no names; give LatentLabels(space, ...), or an Observed")
        whole = as_truth(truth, space, given.shown, frames)
        if table is None and given.place is not None:
            given, whole = _matched(given, whole, "truth")
        names = given.names if given.names is not None else (None if table is None else table.images)
        complete = in_rows_of(names, whole, len(given.rows), "truth").values
    return _loaded(given, table, complete, wanted, how)


def read_files(files: list[Path] | Contents, wanted: Wanted, how: Reading) -> Inputs:
    """These image files, in this order, none looked for; those that cannot be read have no row.

    Raises:
        DataError: as `how.unreadable` says.
    """
    shown = tuple(str(file) for file in files)
    return _loaded(_Given(files, shown, shown, np.arange(len(files))), None, None, wanted, how)


def _matched(given: _Given, table: Observed, what: str, part: bool = False) -> tuple[_Given, Observed]:
    """Inputs and table with the same rows: what a place holds is selected, everything else is put in order.

    Whether the user asks for a `part` alone: then it is no surprise that others are not used.
    """
    if given.place is None or given.names is None or table.images is None:
        return given, in_rows_of(given.names, table, len(given.rows), what)
    if isinstance(given.items, list):
        given = _with_others(given, given.items, table)
    assert given.names is not None
    rows = selected(given.names, table, str(given.place), what)
    if len({*rows.tolist()}) < len(given.names) and not part:
        used = {*rows.tolist()}
        left = [name for row, name in enumerate(given.names) if row not in used]
        warn(f"{given.place}: {count(len(left), 'image')} not in {what}, so not used: {listed(left)}")
    return replace(given.take(rows), rows=np.arange(len(rows))), table  # a table that selects is what was given


def _with_others(given: _Given, files: list[Path], table: Observed) -> _Given:
    """The images of a folder, and those that a table names by absolute paths elsewhere."""
    here = Path(str(given.place)).resolve()
    named = [Path(name) for name in table.images or () if Path(name).is_absolute()]
    others = [file for file in named if here not in file.resolve().parents and file.is_file()]
    if not others:
        return given
    names = tuple(str(file) for file in others)
    rows = np.arange(len(files) + len(others))
    return replace(given, items=files + others, names=(given.names or ()) + names, shown=(given.shown or ()) + names, rows=rows)


# --- what was given -----------------------------------------------------------------------------------------------------


def _given(
    images: Images, space: LabelSpace | None, wanted: Wanted, how: Reading, alone: bool, numbers: bool
) -> _Given:  # fmt: skip
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
        return _Given(values, names, names, np.arange(len(values)), columns=columns)
    if is_hugging_face(images):
        if wanted.kind is Kind.EMBEDDINGS:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not a Dataset of images')
        contents = contents_of_dataset(images, how.folder.image_column)
        names = contents.names if contents.naming != BY_ROW else None
        known = _of_dataset(images, space, how) if how.labelled and alone else None
        return _Given(contents, names, names, np.arange(len(contents)), observed=known)
    if isinstance(images, Dataset):
        if wanted.kind is Kind.EMBEDDINGS:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not a Dataset of images')
        if isinstance(images, IterableDataset) or not hasattr(images, "__len__"):
            raise DataError("this Dataset of images lacks __len__ or __getitem__; give one with a length and items by number")
        known = _of_dataset(images, space, how) if how.labelled and alone and _has_targets(images) else None
        return _Given(images, None, None, np.arange(len(images)), observed=known)
    values = images if isinstance(images, Tensor) else _tensor(images)
    return _Given(values, None, None, np.arange(len(values) if values.dim() else 0))


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


def _image_folder(root: Path, space: LabelSpace | None, how: Reading) -> _Given:
    tree = Tree() if how.tree is None else how.tree
    options = replace(how.folder, merge=how.merge, strict=how.strict, tree=tree)
    if labels_inside(root, tree):
        known = Observed.read(root, replace(options, space=space, images_root=root))
    else:
        known = Observed.from_folder(root, space, options=options)
    assert known.images is not None
    files = [root / name for name in known.images]
    return _Given(files, known.images, tuple(map(str, files)), np.arange(len(files)), observed=known)


def _packed(where: str | Path, space: LabelSpace | None, how: Reading, labelled: bool) -> _Given:
    """The images inside of files, and, where they are given alone, what is known of them."""
    contents = contents_of(where, how.folder.image_column if labelled else None)
    known = None
    if labelled:
        options = replace(how.folder, space=space, strict=how.strict, tree=how.tree, images_root=None)
        known = in_rows_of(contents.names, Observed.read(Path(where), options), len(contents), "observed")
    else:
        for note in contents.notes:
            report(f"{where}: {note}", how.strict)
    return _Given(contents, contents.names, contents.names, np.arange(len(contents)), place=str(where), observed=known)


def _files(images: str | Path | Sequence[str | Path], tree: Tree | None) -> _Given:
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
        return _Given(files, names, shown, np.arange(len(files)), place=str(images))
    return _Given(files, shown, shown, np.arange(len(files)))


def _stored(path: Path, space: LabelSpace | None, wanted: Wanted, how: Reading, alone: bool) -> _Given:
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
    return _Given(torch.from_numpy(found.embeddings), found.images, found.names, rows, str(path), known, truth)


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


# --- loading ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Loaded:
    items: Batches
    size: Size | None = None
    levels: Levels | None = None
    pictures: Pictures | None = None
    shapes: NDArray[np.int64] | None = None
    kept: NDArray[np.int64] | None = None
    left_out: tuple[LeftOut, ...] = ()
    prints: tuple[Print, ...] = ()
    notes: tuple[PixelNote, ...] = ()


def _loaded(
    given: _Given, table: Observed | None, truth: NDArray[np.int8] | None, wanted: Wanted, how: Reading
) -> Inputs:  # fmt: skip
    if isinstance(given.items, list | Contents):
        found = _from_files(given.items, wanted, how)
    elif isinstance(given.items, Tensor):
        found = _from_array(given.items, wanted, how)
    else:
        found = _from_dataset(given.items, wanted, how)
    _remark(found.notes, how)
    theirs = None if table is None else table.images
    names = given.shown or theirs
    out = Inputs(
        kind=wanted.kind,
        items=found.items,
        names=names or tuple(str(row) for row in range(len(given.rows))),
        rows=given.rows,
        given=len(given.rows),
        size=found.size,
        levels=found.levels,
        observed=table,
        truth=truth,
        pictures=found.pictures,
        shapes=found.shapes,
        left_out=found.left_out,
        notes=found.notes,
        named=names is not None,
        columns=given.columns,
        copies=find_copies(found.prints)._replace(of_files=isinstance(given.items, list | Contents)) if found.prints else None,
    )
    if found.kept is None or len(found.kept) == len(given.rows):
        return out
    # the loaded parts have the rows that could be read already, everything else does not yet
    kept = found.kept
    return replace(
        out,
        names=tuple(out.names[row] for row in kept),
        rows=out.rows[kept],
        observed=None if table is None else table.take(kept),
        truth=None if truth is None else truth[kept],
    )


def _from_files(files: list[Path] | Contents, wanted: Wanted, how: Reading) -> _Loaded:
    size = wanted.size or wanted.format.size
    budget = MEMORY_BUDGET if how.budget is None else how.budget
    if len(files) * 3 * size[0] * size[1] <= budget:
        found = decode_images(files, size, wanted.format.interpolation, how.white, wanted.levels, how.recognise)
        judge(found.left_out, len(files), how)
        good = _some(files, found.kept)
        items: Batches = InMemory(torch.from_numpy(found.pixels), wanted.augment)
        return _Loaded(items, size, found.levels, good, found.shapes, found.kept, found.left_out, found.prints, found.notes)
    checked = check_images(files, how.white, wanted.levels, how.recognise)
    judge(checked.left_out, len(files), how)
    bad = {image.name for image in checked.left_out}
    kept = np.array([row for row, file in enumerate(files) if str(file) not in bad], np.int64)
    good = _some(files, kept)
    pictures = FilePictures(good, size, wanted.format.interpolation, checked.levels)
    items = Streamed(pictures, wanted.workers, wanted.augment)
    return _Loaded(items, size, checked.levels, good, None, kept, checked.left_out, checked.prints, checked.notes)


def _some(files: list[Path] | Contents, rows: NDArray[np.int64]) -> list[Path] | Contents:
    return files.take(rows) if isinstance(files, Contents) else [files[row] for row in rows]


def judge(left_out: tuple[LeftOut, ...], total: int, how: Reading) -> None:
    """Say which images cannot be read, as it was asked for."""
    if how.unreadable == "error" and left_out:
        shown = listed([bad.why for bad in left_out], 10)
        raise DataError(f"{len(left_out):,} of {total:,} images cannot be read: {shown}; replace them, or leave out --strict")
    if how.unreadable == "warn" or (how.unreadable != "rows" and len(left_out) == total):
        report_unreadable(left_out, total)


def _remark(notes: Sequence[PixelNote], how: Reading) -> None:
    """Say what is doubtful about the pixels; an error where the reader is strict, unless all is collected.

    Of images that are read part by part, whoever reads them says it of all.
    """
    if how.unreadable == "rows":
        return
    said = [sentence(note) for note in notes]
    if said and how.strict and how.unreadable != "collect":
        raise DataError(f"{'; '.join(said)} (strict)")
    for words in said:
        warn(words)


def _from_array(values: Tensor, wanted: Wanted, how: Reading) -> _Loaded:
    if wanted.kind is Kind.EMBEDDINGS:
        vectors = vectors_of(values)
        check_features(vectors.shape[1], wanted)
        return _Loaded(InMemory(vectors))
    pictures = pictures_of(values)
    if wanted.levels is not None:
        _check_known(span_of(pictures), wanted.levels, "images")
    levels, notes = conclude(*looks_at(pictures), how.white, wanted.levels)
    given = rgb_of(pictures, levels)
    size = wanted.size or (given.shape[2], given.shape[3])
    pixels = resized(given, size, wanted.format.interpolation)
    prints = tuple(prints_of(given)) if how.recognise else ()
    return _Loaded(InMemory(torch.from_numpy(pixels), wanted.augment), size, levels, given, prints=prints, notes=notes)


def _check_known(span: Span, levels: Levels, what: str) -> None:
    """Refuse values beyond those of the fit; whole numbers of more than 8 bits may be new to it."""
    if levels.of(span.numbers) is not None or span.numbers == "real":
        check_against(span, levels, what)


def check_features(number: int, wanted: Wanted) -> None:
    """Refuse embeddings of another size than the model was fitted on.

    Raises:
        DataError: both sizes are named.
    """
    if wanted.num_features not in (None, number):
        raise DataError(
            f"the embeddings have {number} numbers each, but the run was fitted on {wanted.num_features}; compute them with "
            "the same network"
        )


class _ItemPictures(Dataset[Tensor]):
    """The items of a user's Dataset as uint8 tensors (3, H, W), each checked when it is read."""

    def __init__(self, dataset: Dataset[object], levels: Levels):
        self.dataset, self.levels = dataset, levels

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(item_pixels(self.dataset[row], row, self.levels))


def _from_dataset(dataset: Dataset[object], wanted: Wanted, how: Reading) -> _Loaded:
    number = len(dataset)  # type: ignore[arg-type]
    if not number:
        raise DataError("no images: the Dataset is empty")
    looked_at = np.unique(np.linspace(0, number - 1, _LOOKED_AT).round().astype(int)).tolist()
    with torch.random.fork_rng(devices=[]):  # pictures may be drawn at random: to look is to change nothing
        levels, notes = _levels_of_items(dataset, looked_at, wanted, how)
        pictures = _ItemPictures(dataset, levels)
        shapes = {tuple(pictures[row].shape[-2:]) for row in looked_at}
    own = shapes.pop() if len(shapes) == 1 else wanted.format.size
    size = wanted.size or (int(own[0]), int(own[1]))
    items = Streamed(Resized(pictures, size, wanted.format.interpolation), wanted.workers, wanted.augment)
    return _Loaded(items, size, levels, pictures, notes=notes)


def _levels_of_items(
    dataset: Dataset[object], rows: Sequence[int], wanted: Wanted, how: Reading
) -> tuple[Levels, tuple[PixelNote, ...]]:
    """Black and white of a Dataset: from a few items, or, where these have more than 8 bits and no white is known, from all."""
    looks: dict[int, Look] = {row: item_look(dataset[row], row) for row in rows}
    if wanted.levels is not None:
        for row, look in looks.items():
            _check_known(look.span, wanted.levels, f"item {row} of the Dataset")
    levels, _ = conclude([*map(str, looks)], [*looks.values()], how.white, wanted.levels)
    known = Levels() if wanted.levels is None else wanted.levels
    seen = {look.span.numbers for look in looks.values()}
    if levels.stated is None and any(known.of(kind) is None and levels.of(kind) not in (BYTES, UNIT) for kind in seen):
        looks = {row: looks[row] if row in looks else item_look(dataset[row], row) for row in range(len(dataset))}  # type: ignore[arg-type]
    return conclude([*map(str, looks)], [*looks.values()], how.white, wanted.levels)


# --- a second time through the door -------------------------------------------------------------------------------------


def _again(
    inputs: Inputs, observed: Labels | None, truth: Labels | None, space: LabelSpace | None, wanted: Wanted
) -> Inputs:  # fmt: skip
    """What has been read before, for this model."""
    if inputs.kind is not wanted.kind:
        raise DataError(f"the inputs are {inputs.kind}, but this encoder takes {wanted.kind}")
    if inputs.num_features is not None:
        check_features(inputs.num_features, wanted)
    names = inputs.names if inputs.named else None
    table = inputs.observed
    if observed is not None:
        table = in_rows_of(names, as_observed(observed, space, inputs.names), len(inputs), "observed")
    elif table is not None and space is not None:
        table = table.in_space(space)
    complete = inputs.truth
    if truth is not None:
        known = space if table is None else table.space
        if known is None:
            raise DataError("truth is given, but the labels have no names; give LatentLabels(space, ...), or an Observed")
        complete = in_rows_of(names, as_truth(truth, known, inputs.names), len(inputs), "truth").values
    anew = replace(inputs, rows=np.arange(len(inputs)), given=len(inputs))
    out = anew.labelled(table, complete).in_columns(wanted.columns, column_order(inputs.columns, wanted.columns))
    return out if wanted.size is None else out.at_size(wanted.size, wanted.format.interpolation)
