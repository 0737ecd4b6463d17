"""Results of many images, written block by block as they come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import DataError, LatentLabelsError
from ..progress import Phase, Plan, following, phase
from ..words import count, none_readable, printable
from .output import Output
from .sinks import Continued, Sink, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..estimator import LatentLabels
    from ..inputs import InputBlock, InputStream
    from ..posterior import Posterior

    Values = NDArray[np.float32]
    Fill = Callable[["InputBlock", "Posterior"], Values]

T = TypeVar("T")


def write_all(
    stream: InputStream, model: LatentLabels, fill: Fill, sink: Sink, output: Output, conditioned: bool = True
) -> None:
    """A row for each image of a stream, block by block, and at the end notes about what a reader should know.

    Args:
        stream: of N images.
        model: gives their posteriors.
        fill: gives the whole (B, K) of a block, NaN for an empty cell.
        sink: where they go.
        output: where notes go.
        conditioned: whether posteriors take the known labels of the stream into account.

    Raises:
        DataError: no image can be read.
    """
    import numpy as np

    tally = sink.tally
    names: list[str] = []
    values: list[Values] = []
    blocks = model.posterior_blocks(stream, tally.rows, conditioned=conditioned)
    try:
        for block, posterior in watched(blocks, len(stream), tally.rows):
            tally.see(block)
            names += block.names
            values.append(fill(block, posterior))
            if len(tally.unreadable) < tally.rows:  # before the first image that can be read nothing is written
                sink.add(names, np.concatenate(values))
                names, values = [], []
        if len(tally.unreadable) == tally.rows:
            raise DataError(f"{none_readable(tally.rows)}: {'; '.join(tally.why)}")
    except LatentLabelsError:
        if isinstance(sink, Continued):
            sink.part.discard()
        raise
    sink.finish()
    _say(tally, sink, output)


def _say(tally: Tally, sink: Sink, output: Output) -> None:
    from ..observed.image_files import warn

    if tally.unreadable:
        more = "; ..." if len(tally.unreadable) > len(tally.why) else ""
        warn(
            f"{len(tally.unreadable):,} of {tally.rows:,} images cannot be read; {sink.unreadable}: "
            f"{'; '.join(map(printable, tally.why))}{more}"
        )
    if tally.escaped:
        are = "is" if tally.escaped == 1 else "are"
        output.note(f"note: {count(tally.escaped, 'image name')} {are} not UTF-8; their invalid bytes are written as \\xNN")
    if tally.formulas and sink.for_spreadsheets:
        output.note(
            f"note: {count(tally.formulas, 'image name')} {'begins' if tally.formulas == 1 else 'begin'} with =, +, - or @; a "
            "spreadsheet reads such cells as formulas, so import that column as text"
        )


def filled(block: InputBlock, values: Values) -> Values:
    """(B, K) of a block: `values` (b, K) for the inputs that could be read, NaN for the others."""
    import numpy as np

    out = np.full((len(block), values.shape[1]), np.nan, np.float32)
    out[block.inputs.rows] = values
    return out


def watched(
    blocks: Iterable[tuple[InputBlock, T]], total: int, done: int, what: str = "predicting images"
) -> Iterator[tuple[InputBlock, T]]:
    """The same blocks; how far they are is shown."""
    with following(Plan({Phase.EVALUATION: 0.0})), phase(Phase.EVALUATION, what, total, done) as step:
        for block, value in blocks:
            yield block, value
            step(len(block))


def about(run: Path, stream: InputStream, command: str) -> dict[str, str]:
    """What a table was begun with: texts that change with the run, with its inputs, and with how it is made."""
    return {"run": _run_identity(run), "inputs": stream.fingerprint(), "settings": f"{command}, blocks of {stream.size}"}


def _run_identity(run: Path) -> str:
    found = hashlib.sha256()
    for name in ("config.yaml", "labels.json", "weights.safetensors"):
        with (run / name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
