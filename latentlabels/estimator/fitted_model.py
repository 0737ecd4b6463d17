"""A fitted model that can be asked: the posterior of images, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .. import objectives
from ..annotation import Annotation
from ..errors import DataError
from ..fitting.batchwise import flat_logits
from ..fitting.fitted import Fitted
from ..fitting.places import Places
from ..inputs import InputBlock, InputParts, Inputs, InputStream, PixelFormat, Reading, Wanted, open_stream, read_inputs
from ..inputs.known_rows import label_rows
from ..observed import Observed, Tree
from ..posterior import Guarantee, Posterior
from ..program import RegionHead
from .attributes import FittedAttributes

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.given import Images


def taken_by(found: Fitted, workers: int, augment: bool | Literal["strong"]) -> Wanted:
    """What a fitted model takes.

    Args:
        found: the fit.
        workers: processes that read images which do not fit into memory.
        augment: how images are changed when they are trained on.
    """
    return Wanted(
        kind=found.kind,
        size=found.image_size,
        format=found.pixels or PixelFormat(),
        num_features=found.num_features,
        workers=workers,
        augment=augment,
        columns=found.columns,
        levels=found.levels,
        features=found.features,
    )


def annotation_of(found: Fitted) -> Annotation:
    """The annotation by which known labels of an image enter its posterior; published losses have none."""
    return objectives.find(found.params["objective"]).conditions_by(found.annotation)


def posterior_of(found: Fitted, inputs: Inputs, conditioned: bool, batch_size: int) -> Posterior:
    """The posterior of all labels.

    Args:
        found: the fit.
        inputs: N images, read in the form that the fit takes.
        conditioned: whether it is conditioned on their known labels, under the annotation.
        batch_size: images that go through the encoder at once.
    """
    rows = torch.arange(len(inputs))
    amortizer, decisions = found.program.model.amortizer, found.decisions
    flat = flat_logits(amortizer, inputs.items, rows, batch_size)
    q, base = amortizer.vector(flat), amortizer.unadjusted(flat)
    places = None
    if isinstance(amortizer.head, RegionHead):
        places = Places(amortizer, inputs.items, rows, batch_size)
    guarantee = None if decisions.conformal is None else Guarantee(decisions.conformal, base)
    posterior = Posterior(q, inputs.names, inputs.pictures, places=places, guarantee=guarantee)
    if not conditioned:
        return posterior
    assert inputs.observed is not None
    known = label_rows(inputs.observed, inputs.answers, asked=True)[rows]
    return posterior.observing(known.numpy(), annotation_of(found))


class FittedModel(FittedAttributes):
    """What can be asked after `fit`. Abstract: `LatentLabels` has the settings."""

    batch_size: int
    workers: int
    augment: bool | Literal["strong"]

    def read(
        self,
        images: Images,
        observed: Labels | None = None,
        truth: Labels | None = None,
        *,
        how: Reading | None = None,
    ) -> Inputs:
        """Read images or embeddings once, in the form that this fitted model takes, to use them several times.

        Args:
            images: as for `fit`, or a folder of any images.
            observed: known labels of these images, as for `fit`.
            truth: complete labels, as for `fit`.
            how: details of reading.

        Raises:
            NotFittedError: before `fit`.
            DataError: inputs of another kind or size.
        """
        wanted = self._as_fitted()
        return read_inputs(images, observed, truth, space=self.fitted_.space, wanted=wanted, how=how)

    def stream(
        self,
        images: str | Path | Sequence[str | Path] | Inputs,
        observed: Observed | None = None,
        *,
        strict: bool = False,
        what: str = "observed",
        tree: Tree | None = None,
    ) -> InputStream:
        """Images or embeddings to go through block by block, in flat memory; nothing is decoded yet.

        Args:
            images: a folder, a file, a glob, or several of them; or `Inputs`.
            observed: known labels of these images. Where both have names, a table selects from one folder or file.
            strict: whether an image that cannot be read is an error.
            what: what `observed` is called in messages.
            tree: folders that were listed before, so that each is listed once.

        Raises:
            NotFittedError: before `fit`.
            DataError: inputs of another kind or size, or names that do not agree.
        """
        wanted, num_labels = self._as_fitted(), self.fitted_.space.num_labels
        if isinstance(images, Inputs):
            inputs = self.read(images, observed)
            return InputParts(inputs, num_labels, None if observed is None else inputs.observed)
        known = None if observed is None else observed.in_space(self.fitted_.space)
        return open_stream(images, known, wanted, num_labels, strict, what, tree)

    def _as_fitted(self) -> Wanted:
        self._check_fitted()
        return taken_by(self.fitted_, self.workers, self.augment)

    def posterior(self, images: Images, observed: Labels | None = None) -> Posterior:
        """The posterior of all labels.

        Args:
            images: as for `fit`, or a folder of any images. Images of another size than the fit's are resized to it.
            observed: known labels of these images, as for `fit`. The posterior is then conditioned on them, under the
                annotation.

        Returns:
            Of the N images that can be read, over K labels.

        Raises:
            NotFittedError: before `fit`.
            DataError: inputs of another kind or size.
            ObservationError: known labels that cannot be read, or that no valid label set agrees with.
        """
        return self._posterior(self.read(images, observed), observed is not None)

    def posterior_blocks(
        self, stream: InputStream, start: int = 0, *, conditioned: bool = True
    ) -> Iterator[tuple[InputBlock, Posterior]]:
        """The posterior of many images, block by block: as `posterior`, but one block at a time is in memory.

        Args:
            stream: see `stream`.
            start: number of the first image.
            conditioned: whether the posterior is conditioned on the known labels of the stream, under the annotation.

        Yields:
            Each block with the posterior of those of its images that can be read: `block.inputs.rows` are their numbers in
            the block, from 0.

        Raises:
            NotFittedError: before `fit`.
        """
        for block in stream.blocks(start):
            yield block, self._posterior(block.inputs, conditioned and stream.known is not None)

    def _posterior(self, inputs: Inputs, conditioned: bool) -> Posterior:
        return posterior_of(self._found, inputs, conditioned, self.batch_size)

    def features(self, images: Images) -> NDArray[np.float32]:
        """What the encoder makes of images: float32 (N, D), by which images can be compared. Of a map, its mean.

        Args:
            images: as for `fit`, or a folder of any images.

        Raises:
            NotFittedError: before `fit`.
        """
        inputs, amortizer = self.read(images), self._found.program.model.amortizer
        amortizer.eval()
        parts = []
        with torch.no_grad():
            for rows in torch.arange(len(inputs)).split(max(self.batch_size, 64)):
                found = amortizer.features(inputs.items.inputs(rows))
                parts.append(found.flatten(2).mean(-1) if found.dim() > 2 else found)
        return torch.cat(parts).float().numpy() if parts else np.zeros((0, 0), np.float32)

    @property
    def conditions_by(self) -> Annotation:
        """The annotation by which known labels of an image enter its posterior; published losses have none."""
        return annotation_of(self._found)

    def predict_proba(self, images: Images) -> NDArray[np.float32]:
        """p(label present | image), ``posterior(images).marginals``: float32 (N, K). Arguments and errors as of `posterior`."""
        return self.posterior(images).marginals

    def score(self, images: Images, truth: Labels | None = None) -> float:
        """The mean log-likelihood of complete label sets, natural logarithm; higher is better.

        Args:
            images: N of them, as for `fit`.
            truth: (N, K) complete labels: `Observed`, a DataFrame or an array. May be left out
                for `Inputs` or an .npz with truth.

        Returns:
            Nats per image; -inf where the model calls one of the label sets impossible.

        Raises:
            NotFittedError: before `fit`.
            DataError: no complete labels.
        """
        inputs = self.read(images, truth=truth)
        if inputs.truth is None:
            raise DataError("score needs complete labels; give score(images, truth)")
        return float(self.posterior(inputs).log_prob(inputs.truth).mean())
