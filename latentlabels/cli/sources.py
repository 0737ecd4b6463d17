"""From what a command line names to a config, a run, or inputs; what is wrong with it is said in the command line's words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import AmbiguousError, Choice, ConfigError, DataError, ObservationError
from ..words import quoted
from .label_options import TABLES, as_flags, as_keys, as_options
from .output import UsageError

if TYPE_CHECKING:
    from ..config import Config
    from ..estimator import LatentLabels
    from ..inputs import Inputs, InputStream, Reading, Wanted
    from ..kind import Kind
    from ..observed import Observed, Tree


def make_config(
    path: Path | None,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    observed: Path | None = None,
    complete: Path | None = None,
    answers: Path | None = None,
    reading: Mapping[str, Any] | None = None,
    embeddings: Path | None = None,
    strict: bool = False,
    overrides: Sequence[str] | None = None,
    begin: Path | None = None,
) -> Config:
    """The config of a file with what the command line sets over it, checked.

    A fit that begins with another run has that run's config where no file is given, and its data where no data are given.

    Raises:
        UsageError: neither a config nor data; or no run to begin with.
        ConfigError, LabelSpaceError: what is wrong in it, with file, line and key, or the flag.
    """
    from ..config import read_config

    without: tuple[str, ...] = ()
    if begin is not None:
        if not (begin / "config.yaml").is_file():
            raise UsageError(f"--from {begin}: no run folder there; give one that `latentlabels fit` wrote")
        if path is None:
            path, without = begin / "config.yaml", ("data",) if images is not None or embeddings is not None else ()
    if path is None and images is None and embeddings is None and not overrides:
        raise UsageError("no data: give a CONFIG (YAML), --images DIR with a folder of images per label, or --embeddings FILE")
    flags = {
        "data.images": images,
        "data.observed": observed,
        "data.complete": complete,
        "data.answers": answers,
        "data.embeddings": embeddings,
        "data.strict": strict or None,
        "labels": labels,
        "fit.init_from": begin,
        **{f"data.{name}": value for name, value in as_keys(dict(reading or {})).items()},
    }
    texts = {key: str(value) if isinstance(value, Path) else value for key, value in flags.items()}
    config = read_config(path, overrides or (), texts, without)
    config.check_files()
    return config


def config_of(
    source: Path | None,
    labels: Path | None,
    observed: Path | None,
    reading: dict[str, Any],
    overrides: list[str] | None,
    complete: Path | None = None,
) -> Config:
    """The config that a verb looks at: of a file or a run folder, or of a folder of images or a file alone; never strict.

    Raises:
        UsageError: no such file or folder.
    """
    from ..inputs.embeddings import is_embeddings
    from ..shards import is_packed

    given: dict[str, Any] = {"labels": labels, "observed": observed, "complete": complete, "reading": reading}
    given["overrides"] = overrides
    if source is None:
        return make_config(None, **given)
    if is_packed(source):
        return make_config(None, images=source, **given)
    if not source.exists():
        raise UsageError(f"{source} not found; give a config, a folder of images or an .npz")
    if source.is_dir() and (source / "labels.json").exists() and (source / "config.yaml").exists():
        return make_config(source / "config.yaml", **given)  # a run folder: the data that it was fitted on
    if source.is_dir():
        return make_config(None, images=source, **given)
    if is_embeddings(source):
        return make_config(None, embeddings=source, **given)
    return make_config(source, **given)


def fit_command(source: Path | None, labels: Path | None, config: Config, complete: Path | None = None) -> str:
    """The command that fits what a verb looked at.

    Args:
        source: a config, a folder or a file.
        labels: what --labels gave.
        config: made of them.
        complete: a table of complete images.
    """
    from ..inputs.embeddings import is_embeddings
    from ..shards import is_packed

    if source is None or source.is_dir() or is_packed(source):
        given = f"--images {quoted(config.data.images if source is None else source)}"
    else:
        given = f"--embeddings {quoted(source)}" if is_embeddings(source) else quoted(source)
    options_ = f" --labels {quoted(labels)}" if labels is not None else ""
    table = "" if complete is None else f" --complete {quoted(complete)}"
    if not given.startswith("--"):
        return f"latentlabels fit {given}{options_}{table}"
    observed = "" if config.data.observed is None else f" --observed {quoted(config.data.observed)}"
    return f"latentlabels fit {given}{options_}{observed}{table}{as_flags(config.data)}"


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Errors about a key of the config, raised by what reads its values, say where the key stands."""
    try:
        with in_words_of_the_command_line():
            yield
    except ConfigError as error:
        raise config.explain(error) from None
    except DataError as error:
        if str(error).startswith("expected_labels"):
            raise config.explain(ConfigError(f"model.expected_labels: {error}")) from None
        raise


@contextmanager
def in_words_of_the_command_line(flags: Collection[str] | None = None) -> Iterator[None]:
    """Errors about an argument of a function speak of the flag instead.

    Args:
        flags: the options of a verb that reads no config, by name: what only others can state is no choice. None for all.
    """
    try:
        yield
    except AmbiguousError as error:
        if flags is not None:
            possible = [choice for choice in error.choices if {*choice.settings} <= {*flags}]
            raise UsageError(AmbiguousError(error.what, possible or error.choices).worded(Choice.as_flags)) from None
        keys = sorted({f"data.{key}" for choice in error.choices for key in choice.settings})
        raise UsageError(error.worded(Choice.as_flags, f"; in a config, {', '.join(keys)}")) from None
    except ObservationError as error:
        from ..observed.contradictions import ContradictionError  # it loads numpy, which `--help` need not wait for

        if isinstance(error, ContradictionError):
            raise ObservationError(error.worded(Choice.as_flags)) from None
        raise


def read_training(config: Config, how: Reading | None = None, features: bool = True) -> Inputs:
    """The training data of a config, read once; features in place of pixels where the encoder is not trained.

    Raises:
        ConfigError, DataError, ObservationError: what cannot be used.
    """
    from ..fitting.training_data import training_inputs

    with explained(config):
        return training_inputs(config, _wanted(config, features), how)


def _wanted(config: Config, features: bool) -> Wanted:
    from ..fitting.build import settle, wanted_by

    if config.fit.init_from is None:
        return wanted_by(config.model, config.fit, features)
    from ..fitting.warm_start import as_before, wanted_after

    before = load_run(config.fit.init_from).fitted_
    settings, _ = settle(as_before(config.model, before), config.fit.accelerator)
    return wanted_after(settings, config.fit, before) if features else wanted_by(settings, config.fit, False)


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
