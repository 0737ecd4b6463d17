"""What a fit reads: the config that a command line makes, its known labels, and their images or embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError, DataWarning, LabelSpaceError, ObservationError, nearest
from ..words import listed
from .output import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..config import Config
    from ..observed import Observed
    from ..space import LabelSpace


@dataclass(frozen=True)
class Training:
    """What a config's `data` and `labels` sections hold.

    Attributes:
        inputs: image files, or embeddings (N, D).
        observed: what is known of them, in the same order.
        truth: complete labels (N, K), where an .npz holds them.
    """

    inputs: Any
    observed: Observed
    truth: NDArray[np.int8] | None

    @property
    def files(self) -> list[Path] | None:
        """The image files; None for embeddings."""
        return self.inputs if isinstance(self.inputs, list) else None


def make_config(
    path: Path | None,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    observed: Path | None = None,
    unlisted: str | None = None,
    embeddings: Path | None = None,
    strict: bool = False,
    overrides: Sequence[str] | None = None,
) -> Config:
    """The config of a file with what the command line sets over it, checked.

    Raises:
        UsageError: neither a config nor data.
        ConfigError, LabelSpaceError: what is wrong in it, with file, line and key, or the flag.
    """
    from ..config import read_config

    if path is None and images is None and embeddings is None and not overrides:
        raise UsageError("no data: give a CONFIG (YAML), --images DIR with a folder of images per label, or --embeddings FILE")
    flags = {
        "data.images": images,
        "data.observed": observed,
        "data.embeddings": embeddings,
        "data.unlisted": unlisted,
        "data.strict": strict or None,
        "labels": labels,
    }
    texts = {key: str(value) if isinstance(value, Path) else value for key, value in flags.items()}
    config = read_config(path, overrides or (), texts)
    config.check_files()
    return config


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """Errors about a key of the config, raised by what reads its values, say where the key stands."""
    try:
        yield
    except ConfigError as error:
        raise config.explain(error) from None
    except DataError as error:
        if str(error).startswith("expected_labels"):
            raise config.explain(ConfigError(f"model.expected_labels: {error}")) from None
        raise


def load_training(config: Config) -> Training:
    """Read the known labels of a config, and find their images or embeddings.

    Raises:
        ConfigError: the config names no data, files that are not there, or sections that do not go together.
        DataError, ObservationError: what is in them cannot be used.
    """
    from ..observed import Observed

    config.check_files()
    data, space = config.data, config.space()
    if data.embeddings is not None:
        return _load_embeddings(config, space)
    assert data.images is not None  # check_files has seen to it
    if data.observed is None:
        from ..annotation import KINDS

        merge = not KINDS[config.annotation.kind].one_positive
        observed = Observed.from_folder(data.images, space, merge=merge, strict=data.strict)
    else:
        observed = read_table(data.observed, space, data.unlisted, data.images, data.strict)
        report_unnamed(data.images, observed, data.observed)
    files = [data.images / name for name in observed.images or ()]
    return Training(files, observed, None)


def read_table(
    path: Path, space: LabelSpace | None, unlisted: str | None, images_root: Path | None = None, strict: bool = False
) -> Observed:
    """A table of known labels; its errors speak of what can be given here.

    Raises:
        UsageError: no such file, or `unlisted` is missing or no such choice.
        DataError, ObservationError: as `Observed.from_table`.
    """
    from ..observed import Observed

    if not path.is_file():
        raise UsageError(f"{path}: no such table of labels")
    if unlisted not in (None, "unknown", "absent"):
        raise UsageError(f'--unlisted {unlisted}: "unknown" or "absent"{nearest(unlisted, ("unknown", "absent"))}')
    try:
        return Observed.from_table(path, space, unlisted=unlisted, images_root=images_root, strict=strict)
    except ObservationError as error:
        if 'unlisted="unknown"' not in str(error):
            raise
        said = str(error).split("Say unlisted", 1)[0]
        raise UsageError(
            f"{said}Say --unlisted unknown (nobody looked, or nobody wrote it down) or --unlisted absent; "
            "in a config, data.unlisted"
        ) from None


def report_unnamed(root: Path, observed: Observed, table: Path) -> None:
    """Warn of images in a folder that a table does not name."""
    from ..observed import find_images

    named = set(observed.images or ())
    unnamed = [name for name in (file.relative_to(root).as_posix() for file in find_images(root)) if name not in named]
    if unnamed:
        said = f"{root}: {len(unnamed):,} images are not in {table}, left out: {listed(unnamed)}"
        warnings.warn(said, DataWarning, stacklevel=2)


def _load_embeddings(config: Config, space: LabelSpace | None) -> Training:
    from ..inputs.images import load_embeddings

    data = config.data
    assert data.embeddings is not None
    found = load_embeddings(data.embeddings)
    if data.observed is not None:
        observed = read_table(data.observed, space, data.unlisted, strict=data.strict)
        rows = rows_of(observed, found, data.embeddings, data.observed)
        truth = _stored_truth(found, observed.space)
        return Training(found["embeddings"][rows], observed, None if truth is None else truth[rows])
    if found["observed"] is None:
        raise ConfigError(
            f"{config.where('data.embeddings')}: data.embeddings: {data.embeddings} holds no array `observed`; "
            "give the known labels as a table, --observed or data.observed"
        )
    if space is None:
        space = _stored_space(found, data.embeddings)
    return Training(found["embeddings"], stored_observed(found, space, data.embeddings), _stored_truth(found, space))


def _stored_space(found: dict[str, Any], path: Path) -> LabelSpace:
    from ..space import LabelSpace

    if found["labels"] is None:
        raise UsageError(f"{path}: no array `labels`, so that its labels have no names; give them by --labels labels.yaml")
    return LabelSpace.free(str(label) for label in found["labels"])


def stored_observed(found: dict[str, Any], space: LabelSpace, path: Path, name: str = "observed") -> Observed:
    """The array `observed` (or another one) of an .npz in the columns of `space`; what it has no column for is unknown.

    Raises:
        ObservationError: columns that the space lacks, values other than 1, 0 and -1, known labels that contradict the space.
    """
    import numpy as np

    from ..observed import Observed
    from ..space import LabelSpace

    values = found[name]
    own = space.labels if found["labels"] is None else tuple(str(label) for label in found["labels"])
    if values.ndim != 2 or values.shape[1] != len(own):
        raise DataError(f"{path}: {name} has shape {values.shape} for {len(own)} labels; give (N, {len(own)})")
    names = None if found["images"] is None else [str(image) for image in found["images"]]
    try:
        read = Observed.from_array(values, LabelSpace.free(own)).values  # checks the values in the file's own columns
        table = np.full((len(values), space.num_labels), -1, dtype=np.int8)
        for column, label in enumerate(own):
            table[:, space.index(label)] = read[:, column]
        return Observed.from_array(table, space, names)
    except (LabelSpaceError, ObservationError) as error:
        raise ObservationError(f"{path}: {error}") from None


def _stored_truth(found: dict[str, Any], space: LabelSpace) -> NDArray[np.int8] | None:
    """The array `truth` in the columns of `space`; None where it does not have them all."""
    import numpy as np

    if found["truth"] is None:
        return None
    own = space.labels if found["labels"] is None else tuple(str(label) for label in found["labels"])
    if not set(space.labels) <= set(own) or found["truth"].shape[1:] != (len(own),):
        return None  # it is for other labels, and few objectives read it
    return np.asarray(found["truth"][:, [own.index(label) for label in space.labels]], dtype=np.int8)


def rows_of(observed: Observed, found: dict[str, Any], embeddings: Path, table: Path) -> NDArray[np.int64]:
    """The embedding of each row of a table: by the images' names, or in order where the embeddings have none.

    Raises:
        DataError: rows without an embedding, or sizes that differ.
    """
    import numpy as np

    vectors, names = found["embeddings"], found["images"]
    if names is None:
        if len(observed) != len(vectors):
            raise DataError(
                f"{embeddings} holds {len(vectors):,} embeddings without image names, and {table} names {len(observed):,} "
                "images; give an .npz with an array `images` of names, or one row for each embedding in the same order"
            )
        return np.arange(len(vectors))
    wanted = observed.images or ()
    rows = match_names(wanted, [str(name) for name in names])
    lost = [name for name, row in zip(wanted, rows, strict=True) if row is None]
    if lost:
        raise DataError(f"{table}: {len(lost):,} of its images have no embedding in {embeddings}: {listed(lost)}")
    return np.asarray(rows, dtype=np.int64)


def match_names(wanted: Sequence[str], stored: Sequence[str]) -> list[int | None]:
    """For each wanted name the number of the stored one: the same, or else the only one of the same file name or stem."""
    exact: dict[str, int] = {name: row for row, name in enumerate(stored)}
    loose: dict[str, set[int]] = {}
    for row, name in enumerate(stored):
        for key in (PurePosixPath(name).name, PurePosixPath(name).stem):
            loose.setdefault(key, set()).add(row)
    found: list[int | None] = []
    for name in wanted:
        fits = loose.get(PurePosixPath(name).name) or loose.get(PurePosixPath(name).stem) or set()
        found.append(exact.get(name, next(iter(fits)) if len(fits) == 1 else None))
    return found
