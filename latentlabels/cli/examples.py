"""`examples.npz` in a run folder: a few images and their probabilities, which the report shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..estimator import LatentLabels

_NUMBER = 6


def write_examples(
    run: Path,
    model: LatentLabels,
    files: Sequence[Path],
    observed: NDArray[np.int8] | None = None,
    truth: NDArray[np.int8] | None = None,
) -> None:
    """Write a few of the images, evenly spaced among those that can be read.

    Args:
        run: the run folder.
        model: the fitted estimator.
        files: N images.
        observed: (N, K) what is known of them.
        truth: (N, K) their complete labels.
    """
    import numpy as np

    from ..data.images import read_image, resize, unreadable

    step = max(len(files) // _NUMBER, 1)
    chosen = list(range(0, len(files), step))[:_NUMBER]
    bad = {path for path, _ in unreadable([files[row] for row in chosen])}
    chosen = [row for row in chosen if files[row] not in bad]
    if not chosen:
        return
    size = model.image_size
    size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    pictures = np.stack([resize(read_image(files[row], size), size) for row in chosen])
    arrays: dict[str, NDArray[np.generic]] = {"images": pictures, "marginals": model.predict_proba(pictures)}
    if observed is not None:
        arrays["observed"] = observed[chosen]
    if truth is not None:
        arrays["truth"] = truth[chosen]
    np.savez_compressed(run / "examples.npz", **arrays)  # type: ignore[arg-type]
