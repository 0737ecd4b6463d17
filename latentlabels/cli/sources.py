"""Where a verb's images, embeddings and tables come from, and how rows of one are found in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError, LabelSpaceError, ObservationError
from .output import UsageProblem, existing, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..config import Config
    from ..estimator import LatentLabels
    from ..labels import LabelSpace
    from ..observed import Observed


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
    assert data.images is not None
    if data.observed is None:
        observed = Observed.from_folder(data.images, space, strict=data.strict)
    else:
        observed = Observed.from_table(
            data.observed, _table_space(data.observed, space), unlisted=data.unlisted, images_root=data.images, strict=data.strict
        )
    files = [data.images / name for name in observed.images or ()]
    return Training(files, observed, None)


def _load_embeddings(config: Config, space: LabelSpace | None) -> Training:
    import numpy as np

    from ..data.images import load_embeddings
    from ..observed import Observed

    data = config.data
    assert data.embeddings is not None
    found = load_embeddings(data.embeddings)
    vectors, names = found["embeddings"], found.get("images")
    labels = None if found.get("labels") is None else [str(label) for label in found["labels"]]
    truth = found.get("truth")
    if data.observed is not None:
        observed = Observed.from_table(data.observed, _table_space(data.observed, space), unlisted=data.unlisted)
        if names is None:
            if len(observed) != len(vectors):
                raise DataError(
                    f"{data.embeddings} holds {len(vectors):,} embeddings without image names, and {data.observed} has "
                    f"{len(observed):,} rows; give an .npz with an array `images` of names, or one row for each embedding"
                )
        else:
            rows = match_names(observed.images or (), [str(name) for name in names])
            lost = [name for name, row in zip(observed.images or (), rows, strict=True) if row < 0]
            if lost:
                raise DataError(f"{data.observed}: {len(lost):,} of its images have no embedding in {data.embeddings}: {listed(lost)}")
            vectors, truth = vectors[rows], None if truth is None else truth[rows]
    elif found.get("observed") is not None:
        if labels is None and space is None:
            raise ConfigError(f"{data.embeddings}: no array `labels`, so that the labels have no names; give a labels.yaml")
        stored = LabelSpace_free(labels) if labels is not None else space
        assert stored is not None
        values = np.asarray(found["observed"], dtype=np.int8)
        target = space or stored
        values = reorder(values, stored.labels, target, data.embeddings)
        truth = None if truth is None else reorder(np.asarray(truth, dtype=np.int8), stored.labels, target, data.embeddings)
        observed = Observed.from_array(values, target, images=None if names is None else [str(name) for name in names])
    else:
        raise ConfigError(
            f"{config.where('data.embeddings')}: data.embeddings: {data.embeddings} holds no array `observed`; "
            "give the known labels as data.observed, a table"
        )
    return Training(vectors, observed, truth)


def LabelSpace_free(labels: Sequence[str]) -> LabelSpace:  # noqa: N802
    """A space of free labels."""
    from ..labels import LabelSpace

    return LabelSpace.free(labels)
