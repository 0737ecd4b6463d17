"""From what a command line names to a run, and to images and labels as the run takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DataError
from ..words import quoted
from .label_options import TABLES, as_options, in_words_of_the_command_line
from .output import UsageError

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs import Inputs, InputStream, Reading
    from ..kind import Kind
    from ..observed import Observed, Tree


def load_run(folder: Path) -> LatentLabels:
    """The estimator of a run folder.

    Raises:
        UsageError: no such folder.
        RunError: the folder is not a run folder, or is incomplete or damaged.
    """
    if not folder.exists():
        raise UsageError(f"{folder}: run folder not found; create one with `latentlabels fit ... --out {quoted(folder)}`")
    from ..estimator import LatentLabels

    return LatentLabels.load(folder)


def images_of_run(run: Path) -> Path | None:
    """The folder of images, or the embeddings, that a run was fitted on, if they are still there."""
    from ..fitting.run_folder import read_run

    data = read_run(run).config.get("data") or {}
    found = data.get("embeddings") or data.get("images")
    return Path(found) if found and Path(found).exists() else None


def read_asked(model: LatentLabels, where: Sequence[str], strict: bool = False) -> Inputs:
    """Images by file, folder or glob, or embeddings by file, as the run takes them; each image once.

    Raises:
        UsageError: nothing by that name, or inputs of the other kind.
        DataError: nothing usable in it; with `strict`, an image that cannot be read.
    """
    from ..inputs import concatenated
    from ..kind import Kind
    from ..observed import find_images

    for name in where:
        check_kind(model, name)
        if not Path(name).exists() and not any(sign in name for sign in "*?["):
            raise UsageError(f"{name}: file or folder not found")
    if model.kind is Kind.EMBEDDINGS:
        return concatenated([model.read(Path(name)) for name in where])
    files: list[Path] = []
    for name in where:
        found = find_images(name)
        if not found:
            raise DataError(f"{name}: no images found")
        files += found
    return model.read(list(dict.fromkeys(files)), how=_reading(strict))


def stream_asked(model: LatentLabels, where: Sequence[str], strict: bool = False) -> InputStream:
    """As `read_asked`, to be read block by block."""
    for name in where:
        check_kind(model, name)
        if not Path(name).exists() and not any(sign in name for sign in "*?[{"):
            raise UsageError(f"{name}: file or folder not found")
    return model.stream(list(where), strict=strict)


def check_kind(model: LatentLabels, name: str) -> None:
    """Refuse embeddings for a run on images, and the other way round.

    Raises:
        UsageError: the name and what the run takes are named.
    """
    from ..inputs.embeddings import is_embeddings
    from ..kind import Kind

    given = Kind.EMBEDDINGS if is_embeddings(name.partition("#")[0]) else Kind.IMAGES
    if given is not model.kind:
        raise UsageError(f"{name}: {_refused(model, given)}")


def _refused(model: LatentLabels, given: Kind) -> str:
    if given.value == "embeddings":
        return f'holds embeddings, but this run takes images (its encoder is "{model.encoder}")'
    return "holds images, but this run was fitted on embeddings; give an .npz or .npy"


def one_vector(model: LatentLabels, where: str) -> Inputs:
    """The embedding that ``FILE#ROW`` names, ROW being a number from 0 or the name of an image.

    Raises:
        UsageError: no such file or row.
    """
    from ..observed import match_names

    file, sign, row = where.rpartition("#")
    if not sign:
        file, row = where, ""
    check_kind(model, file)
    if not Path(file).exists():
        raise UsageError(f"{file}: file not found")
    inputs = model.read(Path(file))
    count = len(inputs)
    number = match_names([row], inputs.names)[0] if row else None
    if number is None and row.isascii() and row.isdigit():
        number = int(row)
    if number is None and not row and count == 1:
        number = 0
    if number is None or number >= count:
        what = f'no row "{row}"' if row else f"holds {count:,} embeddings, but one is expected"
        raise UsageError(f"{file}: {what}; give {file}#ROW, a number from 0 to {count - 1} or the name of an image")
    return inputs.take([number])


def read_labels(
    model: LatentLabels, table: Path | None, where: Path | None, reading: dict[str, Any], strict: bool, option: str, tree: Tree
) -> Observed:
    """The labels of a table, or of an array in an .npz, for images or embeddings in one place.

    Args:
        model: a fitted estimator.
        table: of labels; None to take them from the array of an .npz that `option` names.
        where: the folder of images or the file of embeddings.
        reading: what the user states about the table, by option.
        strict: what would be left out is an error.
        option: "observed", "truth" or "complete".
        tree: folders that were listed before.

    Raises:
        UsageError: something that is needed was not given.
    """
    from ..fitting.training_data import known_of
    from ..inputs.embeddings import load_embeddings
    from ..kind import Kind
    from ..shards import is_packed

    images = model.kind is Kind.IMAGES
    if where is None:
        what = "--images DIR, the folder of its images" if images else "--embeddings FILE"
        raise UsageError(f"no {model.kind} given for {table or option}; give {what}")
    packed = images and is_packed(where)
    if not where.exists() and not packed:
        raise UsageError(f"{where}: {'folder' if images else 'file'} not found")
    if packed and table is None:
        table = where
    if images and table is None:
        raise UsageError(
            f"no table of labels; give --{option} TABLE (a column `image`, and one column of 1 or 0 for each label)"
        )
    check_kind(model, str(where))
    if images and not where.is_dir() and not packed:
        raise UsageError(f"{where}: is not a folder; give the folder of the images in {table}")
    if table is None:
        found = load_embeddings(where)
        if not found.has(option):
            raise UsageError(f"{where}: has no array `{option}`; give --{option} TABLE")
        with in_words_of_the_command_line(TABLES):
            return found.known(model.space_, option, as_options(reading))
    if not table.exists() and not is_packed(table):
        raise UsageError(f"{table}: table of labels not found")
    options = as_options(reading, space=model.space_, strict=strict, complete=option != "observed", tree=tree)
    with in_words_of_the_command_line(TABLES):
        return known_of(table, model.kind, where, options)


def read_labelled(model: LatentLabels, where: Path, known: Observed, strict: bool) -> Inputs:
    """The images or embeddings in one place that a table is about, with its labels.

    Raises:
        DataError: rows without an input; with `strict`, an image that cannot be read.
    """
    return model.read(where, known, how=_reading(strict))


def stream_labelled(model: LatentLabels, where: Path, known: Observed, strict: bool, what: str, tree: Tree) -> InputStream:
    """As `read_labelled`, to be read block by block; messages call the table `what`."""
    return model.stream(where, known, strict=strict, what=what, tree=tree)


def _reading(strict: bool) -> Reading:
    from ..inputs import Reading

    mode: Literal["warn", "error"] = "error" if strict else "warn"
    return Reading(unreadable=mode)
