"""`Posterior`: the label distribution of N images, and queries of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .annotation import Annotation, Ignorable
from .annotation.asked import without_asking
from .decisions import Aim, Conformal, Thresholds, expected_thresholds
from .decisions.conformal import Kind as SetKind
from .distributions import LabelVector
from .errors import DataError, LabelSpaceError, ObservationError
from .metrics import Metrics, evaluate
from .observed import name_column
from .providers import provided
from .questions import Question, Wanted, next_questions
from .space import LabelSpace
from .space.feasibility import contradiction, feasible, in_words, stated_row
from .words import count, printable

if TYPE_CHECKING:
    import pandas as pd

    from .fitting.places import Places


@dataclass(frozen=True, eq=False)
class Guarantee:
    """What label sets with a guarantee are made from.

    Attributes:
        conformal: complete images that were not used in the fit.
        distribution: of the N images of a posterior, before calibration, as the scores of the complete images are.
    """

    conformal: Conformal
    distribution: LabelVector


_NEVER = 1e-12  # a label of this probability is not conditioned on: it may be impossible


class Posterior:
    """The exact posterior p(y | x, known labels) of N images over K labels.

    Args:
        distribution: batch shape (N,).
        images: N image names, or None to number the images.
        pictures: N pictures to show: arrays (3, H, W), or paths of image files; None without pictures.
        known: int8 (N, K) of 1, 0, -1: what the distribution was conditioned on, for display.
        places: of each label the posterior of its place; None of a model without regions.
        guarantee: what `sets` is made from; None before `LatentLabels.calibrate`.

    Raises:
        ValueError: another number of names than of images.
    """

    def __init__(
        self,
        distribution: LabelVector,
        images: Sequence[str] | None = None,
        pictures: Any = None,
        known: NDArray[np.int8] | None = None,
        places: Places | None = None,
        guarantee: Guarantee | None = None,
    ):
        self.distribution = distribution
        self.places = places
        self.guarantee = guarantee
        self.pictures = pictures
        self.known = known
        size = distribution.batch_shape[0]
        self.images = tuple(images) if images is not None else tuple(str(i) for i in range(size))
        if len(self.images) != size:
            raise ValueError(f"{len(self.images)} image names, but the posterior has {size} images")
        self._marginals: NDArray[np.float32] | None = None

    @property
    def space(self) -> LabelSpace:
        """The label space, whose labels are the columns."""
        return self.distribution.space

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        known = 0 if self.known is None else int((np.asarray(self.known) != -1).sum())
        given = f", {known:,} known" if known else ""
        return f"Posterior({count(len(self), 'image')}, {count(self.space.num_labels, 'label')}{given})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the first images with the probabilities of their foremost labels."""
        with torch.random.fork_rng(devices=[]):  # pictures of a Dataset may be drawn at random: to look is to change nothing
            return str(provided("notebook view")(self))

    def __getitem__(self, rows: Any) -> Posterior:
        """The posterior of some of the images: by number, slice, numbers or a mask (N,); always a `Posterior`."""
        index = np.arange(len(self))[rows]
        index = np.atleast_1d(index)
        with torch.no_grad():
            chosen = self.distribution.take(torch.from_numpy(index))
        pictures = None if self.pictures is None else _Chosen(self.pictures, index)
        known = None if self.known is None else np.asarray(self.known)[index]
        places = None if self.places is None else self.places.take(index)
        names, own = [self.images[i] for i in index], self.guarantee
        if own is not None:
            own = Guarantee(own.conformal, own.distribution.take(torch.from_numpy(index)))
        return Posterior(chosen, names, pictures, known, places, own)

    @property
    def marginals(self) -> NDArray[np.float32]:
        """p(label present), float32 (N, K)."""
        if self._marginals is None:
            with torch.no_grad():
                self._marginals = self.distribution.marginals.numpy().astype(np.float32).clip(0.0, 1.0)
        return self._marginals

    def given(self, present: Sequence[str] = (), absent: Sequence[str] = ()) -> Posterior:
        """The posterior given that these labels are present and absent in every image.

        Args:
            present: labels; also the empty outcome of an optional group, by its name (`LabelSpace.empty_outcome`).
            absent: labels.

        Raises:
            LabelSpaceError: a label that the space lacks.
            ObservationError: labels that exclude each other, or that contradict known labels.
        """
        if isinstance(present, str) or isinstance(absent, str):
            raise LabelSpaceError("present and absent are lists of labels, for example present=['car']")
        row = stated_row(self.space, present, absent)
        given = np.broadcast_to(row, (len(self), self.space.num_labels))
        known = given if self.known is None else np.where(given == -1, self.known, given)
        with torch.no_grad():
            try:
                conditioned = self.distribution.condition(torch.from_numpy(row).expand(len(self), -1), Ignorable())
            except ObservationError as error:
                wrong = np.flatnonzero(~feasible(np.ascontiguousarray(known), self.space))
                why = f"{error}"
                if len(wrong):
                    before = contradiction(known[int(wrong[0])], self.space)
                    why = f"impossible with the known labels of image {self.images[int(wrong[0])]}, because {before}"
                raise ObservationError(f"{in_words(present, absent)}: {why}") from None
        return Posterior(conditioned, self.images, self.pictures, known, self.places)

    def observing(self, observed: NDArray[np.int8], how: Annotation) -> Posterior:
        """The posterior given the known labels of each image, (N, K) of 1, 0, -1 and `annotation.asked.ASKED`.

        Args:
            observed: what is known.
            how: the annotation of the labels that were picked.

        Raises:
            ObservationError: known labels that are impossible; the rows are named.
        """
        with torch.no_grad():
            conditioned = self.distribution.condition(torch.as_tensor(observed, dtype=torch.int8), how)
        told = without_asking(torch.as_tensor(observed)).numpy()
        return Posterior(conditioned, self.images, self.pictures, told, self.places)

    @property
    def has_places(self) -> bool:
        """Whether `where` can say where labels are: whether the model has regions."""
        return self.places is not None

    def where(self, label: str) -> NDArray[np.float32]:
        """Where a label is: for each place of a grid over the image the probability that it shows the label.

        It is p(place | image, label present), so that the places of an image sum to 1 however probable the label is;
        ``where(label) * marginals[:, column, None, None]`` is the probability that the label is present and shown there.
        Given the image, the place of a label depends on no other label: known labels and `given` leave it as it is. Of a
        label of a group it is the place that speaks for the label's own outcome.

        Args:
            label: one of the space.

        Returns:
            float32 (N, h, w) in [0, 1]: 7 x 7 places with most encoders at 224 px. ``plots.where`` draws them over the
            pictures.

        Raises:
            LabelSpaceError: a label that the space lacks.
            DataError: a model that was fitted without ``regions=True``.
        """
        self.space.index(label)
        if self.places is None:
            raise DataError(
                "this model knows labels of whole images, not of places; fit with LatentLabels(..., regions=True), or "
                "model.regions: true"
            )
        return self.places(label)

    def explore(self, rows: Sequence[int] | None = None, title: str = "Explore", height: int = 760) -> Any:
        """A page on which you state labels of an image and see the others move; a notebook shows it.

        Args:
            rows: numbers of the images to show; None for 24 of them, half of which the model is least sure of.
            title: the page's heading.
            height: of the frame in a notebook, pixels.

        Returns:
            An `Exploration`; its ``save("explore.html")`` writes the page to a file that needs no network.
        """
        return provided("explore")(self, rows, title, height)

    def log_prob(self, truth: NDArray[np.int8]) -> NDArray[np.float64]:
        """log p(y | ...) of complete label sets (N, K) in nats, -inf where impossible: float64 (N,).

        Raises:
            ValueError: a table of another size.
        """
        y = torch.as_tensor(np.asarray(truth), dtype=torch.float32)
        if y.shape != (len(self), self.space.num_labels):
            raise ValueError(f"truth has shape {tuple(y.shape)}, but the posterior has {(len(self), self.space.num_labels)}")
        with torch.no_grad():
            return self.distribution.log_prob(y).numpy().astype(np.float64)

    def evaluate(self, truth: NDArray[np.int8], space: LabelSpace | None = None) -> Metrics:
        """Metrics against complete label sets (N, K) of 0 and 1: ranking, calibration, likelihood, counts.

        Args:
            truth: (N, K).
            space: the space whose groups are evaluated, if not the posterior's own (for published losses).

        Raises:
            DataError, ValueError: a table of another size, or with other values.
        """
        return evaluate(
            truth, self.marginals, self.log_prob(truth), self.count_probs(), space or self.space, predicted_by=self.space
        )

    def thresholds(self, aim: Aim | str = "f1-micro") -> Thresholds:
        """The best thresholds for these images by the posterior's own expectation; no label is read.

        Args:
            aim: what they are good for: "f1" (or "f1-micro"), "macro-f1" (or "f1-macro"), "precision=0.9" or "recall=0.9".

        Raises:
            ConfigError: an unknown aim.
        """
        return expected_thresholds(self.marginals, aim)

    def sets(self, coverage: float = 0.9, kind: SetKind = "joint") -> NDArray[np.int8]:
        """Label sets with a guarantee, after `LatentLabels.calibrate`: which labels are in the set of each image.

        If the complete images that the model was calibrated by, and these images, are drawn alike, and none was used in the
        fit:

        - "joint": all labels of an image are in its set, with a probability of at least `coverage`.
        - "label": of the images that show a label, a share of at least `coverage` has it in the set, for each label. Labels
          that too few complete images show are in every set.

        It holds whether or not the model is right; a bad model has large sets. See `latentlabels.decisions.conformal`.

        Args:
            coverage: above 0 and below 1.
            kind: which promise is kept.

        Returns:
            int8 (N, K). A set may hold several labels of a group that exclude each other: one of them is present.

        Raises:
            DataError: a model that was not calibrated, fewer complete images than the coverage needs, or a posterior given
                known labels.
            ConfigError: an unknown kind, or a coverage out of range.
        """
        if self.known is not None:
            raise DataError("sets hold for images without known labels; ask posterior(images) without known labels")
        if self.guarantee is None:
            raise DataError("sets need complete images; call calibrate(images, complete), then ask for the posterior again")
        inclusion = self.guarantee.conformal.inclusion(coverage, kind)
        with torch.no_grad():
            marginals = self.guarantee.distribution.marginals.clamp(0.0, 1.0).float().numpy()
        return inclusion.sets(marginals)

    def sample(self, size: int) -> NDArray[np.int8]:
        """Joint draws of all labels: int8 (size, N, K). Seeded by ``torch.manual_seed``."""
        return self.distribution.sample(torch.Size([size])).numpy().astype(np.int8)

    def mode(self) -> NDArray[np.int8]:
        """The most probable label set of each image: int8 (N, K)."""
        return self.distribution.mode().numpy().astype(np.int8)

    def entropy(self) -> NDArray[np.float32]:
        """Uncertainty of the whole label set in nats: float32 (N,)."""
        with torch.no_grad():
            return self.distribution.entropy().numpy().astype(np.float32)

    def count_probs(self) -> NDArray[np.float32]:
        """P(n labels present), n = 0..n_max: float32 (N, n_max + 1)."""
        with torch.no_grad():
            return self.distribution.count_probs().numpy().astype(np.float32)

    def group_probs(self) -> dict[str, NDArray[np.float32]]:
        """For each group the probability that it applies (that any of its labels is present): (N,) each."""
        return {g.name: self.marginals[:, self.space.columns(g)].sum(1).clip(0.0, 1.0) for g in self.space.groups}

    def next_questions(
        self,
        n: int = 20,
        features: NDArray[np.floating[Any]] | None = None,
        known: NDArray[np.int8] | None = None,
        per_label: bool = False,
        random_share: float = 0.05,
        seed: int = 0,
        about: str | None = None,
        most_per_image: int | None = None,
    ) -> list[Question]:
        """The questions about these images whose answers are expected to teach most.

        A question is about one label, or about a group of labels that exclude each other. Its gain is the expected reduction of
        the entropy of the image's label set, exact. Questions that are nearly copies of each other are not asked together.

        Args:
            n: how many; fewer where fewer are open.
            features: (N, D) by which images are compared; None to compare their label probabilities.
            known: (N, K) of 1, 0, -1: further labels that are not asked. What the posterior is given is never asked.
            per_label: ask each label by itself, those of groups too.
            random_share: share of the questions that are drawn at random from all open ones, in [0, 1].
            seed: of the random share.
            about: the label of interest; the gain is then about this label alone.
            most_per_image: how many questions one image is asked at most; None for any number.

        Returns:
            The chosen questions, the best first, and after them the random ones.

        Raises:
            DataError: numbers out of range, or tables of another size.
            LabelSpaceError: a label of interest that the space lacks.
        """
        both = self.known
        if known is not None:
            both = known if both is None else np.where(np.asarray(both) == -1, known, both)
        wanted = Wanted(n, per_label, random_share, seed, about, most_per_image)
        with torch.no_grad():
            return next_questions(self.distribution, self.images, both, features, wanted)

    def co_occurrence(self, labels: Sequence[str] | None = None) -> NDArray[np.float32]:
        """How often two labels are present together: the exact mean of P(both) over the images.

        Args:
            labels: L of them, or None for all K, which takes K times the work of one conditional query.

        Returns:
            float32 (L, L), symmetric; the diagonal is each label's prevalence.

        Raises:
            LabelSpaceError: a label that the space lacks.
        """
        names = self.space.labels if labels is None else tuple(labels)
        columns = [self.space.index(label) for label in names]
        together = np.zeros((len(columns), len(columns)))
        for row, column in enumerate(columns):
            share = self.marginals[:, column].astype(np.float64)
            observed = torch.full((len(self), self.space.num_labels), -1, dtype=torch.int8)
            observed[:, column] = torch.from_numpy(np.where(share > _NEVER, 1, -1).astype(np.int8))
            with torch.no_grad():
                found = self.distribution.condition(observed).marginals.numpy()[:, columns]
            together[row] = np.where(share > _NEVER, share, 0.0) @ found / max(len(self), 1)
        return ((together + together.T) / 2).astype(np.float32)  # equal but for rounding

    def to_frame(self) -> pd.DataFrame:
        r"""The marginals as a pandas DataFrame, images as index, labels as columns.

        The index is called `image`, or if a label has that name `file_name`; names that are not UTF-8 have their bytes
        written as ``\xNN``.
        """
        import pandas as pd

        names = [printable(name) for name in self.images]
        index = pd.Index(names, name=name_column(self.space.labels))
        return pd.DataFrame(self.marginals, index=index, columns=list(self.space.labels))


class _Chosen:
    """Some of the pictures of a posterior, which may be an array, a list of files or a Dataset."""

    def __init__(self, pictures: Any, index: NDArray[np.int64]):
        self.pictures, self.index = pictures, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> Any:
        return self.pictures[int(self.index[row])]
