"""The prediction that never looks at an image: each label's prevalence, for every image.

What a fit has learned from images is what it gains on this. It is exact, costs nothing, and needs known labels alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ..annotation import Annotation
from ..distributions import LabelVector, NonEmptyLabelVector
from ..distributions.nonempty import EMPTY_ODDS
from ..metrics import Evaluation, Metrics, score_constant
from ..observed.known_table import KnownTable, table_of
from ..program.starting_point import Anchor, prior_logits
from ..space import LabelSpace
from ..words import finite

_BLOCK = 1 << 21  # entries of a block of complete labels
_CHUNK = 20_000_000  # entries of a table of label sets that are looked at together
_DRAWS = 999  # rankings by chance
_RANKS = 20_000_000  # ranks that are drawn altogether, at most as a rule


def prevalence_prediction(space: LabelSpace, prevalence: npt.ArrayLike, nonempty: bool = False) -> LabelVector:
    """The label distribution of an image that nobody has looked at, batch shape ().

    Args:
        space: the label space.
        prevalence: (K,) share of the images that show each label, as `derive_prior` gives it.
        nonempty: whether the empty label set counts little, as in fits of images with one known label each.
    """
    logits = prior_logits(space, np.asarray(prevalence, np.float64)).double()
    return NonEmptyLabelVector(space, logits, EMPTY_ODDS) if nonempty else LabelVector(space, logits)


def without_image(truth: npt.ArrayLike, space: LabelSpace, prevalence: npt.ArrayLike) -> Metrics:
    """What `metrics.evaluate` says of that prediction: the row "without looking at the image" of a table.

    Args:
        truth: (N, K) complete labels to measure on; the prediction does not read them.
        space: the label space.
        prevalence: (K,), from known labels.
    """
    y = np.asarray(truth)
    q = prevalence_prediction(space, prevalence)
    marginals, counts = q.marginals.numpy(), q.count_probs().numpy()
    found, shown = Evaluation(space.num_labels, space), np.zeros(space.num_labels)
    for start in range(0, max(len(y), 1), max(_BLOCK // space.num_labels, 1)):
        part = y[start : start + max(_BLOCK // space.num_labels, 1)]
        rows, which = np.unique(part, axis=0, return_inverse=True)
        with torch.no_grad():
            log_prob = q.expand([len(rows)]).log_prob(torch.as_tensor(rows, dtype=torch.float64)).numpy()[which.reshape(-1)]
        same, numbers = (np.broadcast_to(one, (len(part), len(one))) for one in (marginals, counts))
        found.add(part, same, log_prob, numbers)
        shown += part.sum(0)
    return found.result(score_constant(shown.astype(np.int64), marginals.astype(np.float64), len(y)))


def stored_prevalence(diagnostics: Mapping[str, Any], space: LabelSpace) -> npt.NDArray[np.float64] | None:
    """(K,) the prevalences that the diagnostics of a fit hold; None where they do not."""
    given = diagnostics.get("prior")
    values = [finite(given.get(label)) for label in space.labels] if isinstance(given, Mapping) else [None]
    return None if None in values else np.array(values, np.float64)


def evaluation_document(
    metrics: Metrics, diagnostics: Mapping[str, Any], space: LabelSpace, truth: npt.ArrayLike
) -> dict[str, Any]:
    """What evaluation.json holds: the metrics of a fit, and under `without_image` those without looking at the image.

    Args:
        metrics: of the fit.
        diagnostics: of the fit, with its prevalences; of a run without them, the second part is None.
        space: the label space.
        truth: (N, K) complete labels.
    """
    prevalence = stored_prevalence(diagnostics, space)
    plain = None
    if prevalence is not None:
        plain = without_image(truth, space, prevalence).to_dict()
        for key in ("calibration", "per_label_ap", "per_label", "confusion"):
            del plain[key]
    return {**metrics.to_dict(), "without_image": plain, **skill_figures(metrics.to_dict(), plain)}


def skill_figures(metrics: Mapping[str, Any], plain: Mapping[str, Any] | None) -> dict[str, float | None]:
    """What looking at images adds, in figures that a prediction which never looks at one has 0 of.

    Args:
        metrics: of the fit, as evaluation.json holds them.
        plain: of the prediction without looking, likewise; None where it is not known.

    Returns:
        `brier_skill`, 1 - Brier score / Brier score without looking, the Brier skill score (D. S. Wilks, Statistical Methods in
        the Atmospheric Sciences, chapter 8); `nll_gain`, nats per image by which the negative log-likelihood is smaller;
        `nll_skill`, that as a share; `ranking_skill` and `decision_skill`, the way of the mAP and of the macro-F1 at 0.5 from
        their values without looking to 1. None where a figure behind it is missing or infinite.
    """

    def figure(of: Mapping[str, Any] | None, key: str) -> float | None:
        return None if of is None else finite(of.get(key))

    (brier, brier0), (nll, nll0), (ap, ap0), (f1, f10) = (
        (figure(metrics, key), figure(plain, key)) for key in ("brier", "nll", "map", "macro_f1")
    )
    return {
        "brier_skill": 1 - brier / brier0 if brier is not None and brier0 else None,
        "nll_gain": nll0 - nll if nll is not None and nll0 is not None else None,
        "nll_skill": 1 - nll / nll0 if nll is not None and nll0 else None,
        "ranking_skill": (ap - ap0) / (1 - ap0) if ap is not None and ap0 is not None and ap0 < 1 else None,
        "decision_skill": (f1 - f10) / (1 - f10) if f1 is not None and f10 is not None and f10 < 1 else None,
    }


class KnownScore(NamedTuple):
    """How probable known labels are without looking at images.

    Attributes:
        log_likelihood: natural logarithm, the mean over images.
        num_images: images with a known label.
    """

    log_likelihood: float
    num_images: int


def known_log_likelihood(
    observed: npt.NDArray[np.int8] | KnownTable, held: npt.NDArray[np.int64], space: LabelSpace, how: Annotation,
    anchor: Anchor, nonempty: bool = False,
) -> KnownScore | None:  # fmt: skip
    """The log-likelihood of held-out known labels under the best prediction that is the same for every image.

    That is log p(o) at the prevalences of `anchor`. Where every image has one known positive and the annotation says no more,
    nothing that is the same for every image can do better than the shares in which labels are known, so that the larger
    of the two counts.

    Args:
        observed: (N, K) of 1, 0 and -1.
        held: rows that were held out.
        space: the label space.
        how: the annotation.
        anchor: prevalences before training.
        nonempty: as of `prevalence_prediction`.

    Returns:
        None where no held-out image has a known label, or the annotation rules these out.
    """
    known = table_of(observed)
    kept = held[known.num_known[held] > 0]
    if not len(kept):
        return None
    q = prevalence_prediction(space, anchor.prevalence, nonempty)
    total = 0.0
    with torch.no_grad():
        for block in known.blocks(kept):
            rows, counts = np.unique(block.values, axis=0, return_counts=True)
            parts = torch.as_tensor(rows).split(max(_CHUNK // space.num_labels, 1))
            values = torch.cat([q.expand([len(part)]).log_marginal(part, how).double() for part in parts])
            total += float((values * torch.as_tensor(counts)).sum())
    value = total / len(kept)
    shares = _shares_of_known(known, held, kept, how)
    best = value if shares is None else max(value, shares)
    return KnownScore(best, len(kept)) if math.isfinite(best) else None


def _shares_of_known(
    known: KnownTable, held: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], how: Annotation
) -> float | None:
    """The same by the shares in which labels are known in the other rows; None where an image knows more than one label."""
    one = (known.num_present == 1) & (known.num_known == 1)
    if how.one_by_one or not how.says_which or not one[kept].all():
        return None
    trained = np.ones(len(known), bool)
    trained[held] = False
    seen = known.take(np.flatnonzero(trained & one)).counts()[0] + 0.5
    return float(np.log(seen / seen.sum())[known.take(kept).entries(1)[1]].mean())


def chance_of_ranking(
    observed: npt.NDArray[np.int8] | KnownTable, seed: int = 0, draws: int | None = None
) -> tuple[float, float] | None:  # fmt: skip
    """What `metrics.map_known` is of images in random order.

    Args:
        observed: (N, K) of 1, 0 and -1.
        seed: of the orders.
        draws: how many; 999, or fewer for very many images, if not given.

    Returns:
        Its expectation, exact, and the largest of the draws: by chance alone a ranking is better with probability
        1 / (draws + 1) at most. None where no label is known to be present.
    """
    known = table_of(observed)
    positives = known.counts()[0]
    positives = positives[positives > 0]
    if not len(positives):
        return None
    total, rng = len(known), np.random.default_rng(seed)
    draws = min(_DRAWS, max(_RANKS // total, 99)) if draws is None else draws
    drawn = np.zeros(draws)
    for size, labels in zip(*np.unique(positives, return_counts=True), strict=True):
        ranks = rng.random((draws, total)).argsort(1)[:, :size] + 1  # a random set of ranks in each row
        ranks.sort(1)
        precision = (np.arange(1, size + 1) / ranks).mean(1)
        drawn += precision
        for _ in range(min(int(labels), 50) - 1):  # further labels with as many positives: drawn again from the same law
            drawn += rng.permutation(precision)
        drawn += precision.mean() * max(int(labels) - 50, 0)
    return float(np.mean([expected_precision(int(size), total) for size in positives])), float(drawn.max() / len(positives))


def expected_precision(positives: int, total: int) -> float:
    """Expected average precision of a random order of `total` images, where `positives` images show the label.

    The image at rank i shows it with probability R / n, and then (i - 1)(R - 1) / (n - 1) of those before it do, on average.
    """
    if total == 1:
        return 1.0
    harmonic = float((1 / np.arange(1, total + 1)).sum())
    return (harmonic + (total - harmonic) * (positives - 1) / (total - 1)) / total
