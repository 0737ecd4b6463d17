"""From what a command line names to a config and its training data; errors are in the command line's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError
from ..words import quoted
from .label_options import as_flags, as_keys, in_words_of_the_command_line
from .output import UsageError
from .sources import load_run

if TYPE_CHECKING:
    from ..config import Config
    from ..inputs import Inputs, Reading, Wanted


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
        if error.key is not None:
            raise config.explain(ConfigError(str(error), key=error.key)) from None
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
    from ..fitting.settling import settle, wanted_by

    if config.fit.init_from is None:
        return wanted_by(config.model, config.fit, features)
    from ..fitting.warm_start import as_before, wanted_after

    before = load_run(config.fit.init_from).fitted_
    settings, _ = settle(as_before(config.model, before), config.fit.accelerator)
    return wanted_after(settings, config.fit, before) if features else wanted_by(settings, config.fit, False)
