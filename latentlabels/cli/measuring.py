"""What `evaluate` measures, block by block; an interrupted measurement can be continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..checks.known_beside_complete import KnownBesideComplete, known_shares
from ..decisions import ScoredDecisions, Thresholds, score_decisions
from ..errors import DataError
from ..metrics import Evaluation, Metrics, score_labels
from ..observed.image_files import warn
from ..words import count, none_readable
from ..writing import Part
from .interrupt import advise
from .output import Output
from .sinks import Tally, continued
from .streaming import watched

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs import InputStream

_HELD = 64 << 20  # bytes of probabilities that are ranked together
_READ = 1 << 22  # bytes that are read at once


@dataclass(frozen=True)
class Measured:
    """What was measured on N images.

    Attributes:
        metrics: of them.
        decided: F1 at the thresholds of the run, and at the best possible one.
        rows: (N,) their numbers: all but those that cannot be read.
        truth: int8 (N, K) their complete labels.
        unreadable: names of the others.
        part: the file of their probabilities, to be discarded when the results are written.
        mistaken: the share of the fit's known labels that look wrong, see `KnownBesideComplete.result`; None where that is not
            known.
    """

    metrics: Metrics
    decided: ScoredDecisions
    rows: NDArray[np.int64]
    truth: NDArray[np.int8]
    unreadable: list[str]
    part: Part
    mistaken: dict[str, float] | None = None


class _Probabilities:
    """Probabilities in a file, N rows of 4 K + 8 bytes, since a ranking needs all of a label at once.

    Args:
        part: the file.
        num_labels: K.
    """

    def __init__(self, part: Part, num_labels: int):
        self.part, self.num_labels = part, num_labels
        self.record = np.dtype([("row", "<i8"), ("p", "<f4", (num_labels,))])

    def encoded(self, rows: NDArray[np.int64], p: NDArray[np.float32]) -> bytes:
        """Some rows as bytes."""
        out = np.empty(len(rows), self.record)
        out["row"], out["p"] = rows, p
        return out.tobytes()

    def rows(self) -> NDArray[np.int64]:
        """The numbers of all images: (N,)."""
        return np.concatenate([np.empty(0, np.int64), *(part["row"] for part in self._read())])

    def columns(self, truth: NDArray[np.int8]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
        """Of each label whether it is present, and its probability: (N,) each."""
        width = max(_HELD // (4 * len(truth)), 1)
        for first in range(0, self.num_labels, width):
            held = np.concatenate([part["p"][:, first : first + width] for part in self._read()])
            for offset in range(held.shape[1]):
                yield truth[:, first + offset] == 1, held[:, offset].astype(np.float64)

    def decided(self, truth: NDArray[np.int8], thresholds: Thresholds) -> ScoredDecisions:
        """How good decisions on all images are."""

        def blocks() -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
            done = 0
            for part in self._read():
                yield truth[done : done + len(part)] == 1, part["p"]
                done += len(part)

        return score_decisions(blocks, thresholds)

    def _read(self) -> Iterator[NDArray[Any]]:
        with self.part.content.open("rb") as file:
            size = max(_READ // self.record.itemsize, 1)
            while len(part := np.fromfile(file, self.record, size)):
                yield part


def measure(
    run: Path, model: LatentLabels, stream: InputStream, about: Mapping[str, str], resume: bool, output: Output
) -> Measured:  # fmt: skip
    """Measure a model on the images of a stream, whose known labels are complete.

    Args:
        run: the run folder; evaluation.json.part in it holds what is done.
        model: its estimator.
        stream: N images.
        about: what was given, by name; a part that was begun with the same is continued.
        resume: a part that was begun with something else is an error.
        output: where notes go.

    Raises:
        DataError: no image can be read.
        UsageError: such a part, with `resume`.
    """
    assert stream.known is not None
    part = Part(run / "evaluation.json")
    begun = continued(part, about, resume, output)
    tally = Tally() if begun is None else Tally(**begun["tally"])
    size = 0 if begun is None else int(begun["size"])
    space, file = model.space_, _Probabilities(part, model.space_.num_labels)
    found = Evaluation(space.num_labels, space, model.model.amortizer.space, None if begun is None else begun["sums"])
    beside = _beside(model, begun)
    blocks = model.posterior_blocks(stream, tally.rows, conditioned=False)
    for block, posterior in watched(blocks, len(stream), tally.rows, "measuring images"):
        rows = block.start + block.inputs.rows
        if len(rows):
            truth = stream.known.known.rows(rows)
            found.add(truth, posterior.marginals, posterior.log_prob(truth), posterior.count_probs())
            if beside is not None:
                beside.add(posterior.distribution, truth)
        tally.see(block)
        state: dict[str, Any] = {"about": dict(about), "tally": asdict(tally), "sums": found.state()}
        if beside is not None:
            state["beside"] = beside.state
        size = part.add(size, file.encoded(rows, posterior.marginals), state)
        advise(f"{count(tally.rows, 'image')} measured; run the same command again to continue")
    part.cut(size)
    if len(tally.unreadable) == tally.rows:
        part.discard()
        raise DataError(f"{none_readable(tally.rows)}: {'; '.join(tally.why)}")
    if tally.unreadable:
        number = len(tally.unreadable)
        more = "; ..." if number > len(tally.why) else ""
        warn(f"{number:,} of {tally.rows:,} images cannot be read and are left out: {'; '.join(tally.why)}{more}")
    rows = file.rows()
    truth = stream.known.values if len(rows) == len(stream) else stream.known.known.rows(rows)
    decided = file.decided(truth, model.decisions_.thresholds)
    scores = score_labels(file.columns(truth), truth, found.rivals)
    mistaken = None if beside is None else _mistaken(model, beside)
    return Measured(found.result(scores), decided, rows, truth, tally.unreadable, part, mistaken)


def _beside(model: LatentLabels, begun: dict[str, Any] | None) -> KnownBesideComplete | None:
    """What is to be found of the known labels of the fit; None where it cannot, or an earlier version began the file."""
    if model.decisions_.calibration is not None or (begun is not None and "beside" not in begun):
        return None
    shares = known_shares(model.diagnostics_, model.annotation_)
    if shares is None:
        return None
    return KnownBesideComplete(model.annotation_, shares, None if begun is None else begun["beside"])


def _mistaken(model: LatentLabels, beside: KnownBesideComplete) -> dict[str, float] | None:
    held, size = model.diagnostics_["held_out_log_likelihood"], model.diagnostics_["without_image"]["num_held_out"]
    return None if held is None else beside.result(float(held), int(size))
