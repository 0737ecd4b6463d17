"""What completely labelled images say of the assumed annotation, of learned numbers, and of mistakes in known labels.

An annotation says how often each label should be the known one, given what images show. Complete images show it: with weights
w, label k should be known with probability m_k = E[y_k w_k / sum_j w_j y_j], the mean over images (of annotations that report
labels one by one, c_k E[y_k]). The known labels of n other images have shares s_k. The two are compared by

    T = sum_k (s_k - m_k)^2 / d_k,      d_k^2 = v_k (1 - v_k) / n + (v_k (c_k - v_k) + 1 / (2 D)) / D,

D the number of complete images, v_k the mean of s_k and m_k by what they are worth, c_k = 1 where one label is picked. To
divide by d_k^2 would count every label alike, but frequent ones tell more: with d_k preferences are found more often. The half
image keeps labels quiet that are too rare for D images to show.

The distribution of T under the annotation is simulated: D images of a population that is like the complete images but has the
shares v, and n known labels with these shares. Where one label is picked, the population weights the complete images, and one
image of each label alone beside them, by exponential tilting (B. Efron 1981, Nonparametric standard errors and confidence
intervals, Canadian Journal of Statistics: of all weights with the wanted mean these are nearest to equal ones). Otherwise
labels are removed from drawn images, or added, each with the same probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..annotation import Annotation
from ..annotation.learned import COVERS, LEARN, Learned
from ..annotation.learning import AnnotationModel, KnownShares
from ..inputs.completed import Completed
from ..observed import Observed
from .finding import Finding, Kind, Severity, Todo

FALSE_ALARM = 0.001
_DOUBT = 0.01
_DRAWS = 999
_LEAST = 5  # complete images that show a label, below which nothing is compared
_NAMED = 3  # labels that a finding names
_STEPS = 60
_SETTLED = 1.5  # factor to within which numbers are known well enough
_WORTHWHILE = 0.9  # what is left of a factor where more images are worth a word
_MORE = (20, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
_NOISE_WIDTH = 1.0  # prior deviation of logit e, see `annotation.learning`

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PickCheck:
    """How the known labels compare with what complete images make of the annotation.

    Attributes:
        p_value: the probability of a difference like this or a larger one, if the annotation holds.
        known: (K,) shares of the known labels; of annotations that report labels one by one, shares of images.
        expected: (K,) the same as the annotation would have it by the complete images.
        z: (K,) their difference in standard errors.
        num_known: n.
        num_complete: D.
    """

    p_value: float
    known: _Floats
    expected: _Floats
    z: _Floats
    num_known: int
    num_complete: int

    @property
    def factor(self) -> _Floats:
        """(K,) how many times as often as expected each label is known; near 1 where too few images show it to tell."""
        least = 0.25 / self.num_complete
        return np.asarray((self.known + least) / (self.expected + least))


def pick_check(table: Observed, annotation: Annotation, draws: int = _DRAWS, seed: int = 0) -> PickCheck | None:
    """Compare known labels with complete images.

    Args:
        table: known labels (N, K), among them complete images, which should be a random sample of all.
        annotation: with numbers, stated or learned.
        draws: simulations of the statistic.
        seed: of the simulations.

    Returns:
        None where there is nothing to compare: fewer than 5 complete images that show a label, no others with a known one, or
        an annotation that does not say which labels become known, or by which images are no random sample.
    """
    if not annotation.says_which or annotation.by_label:
        return None
    shares = KnownShares.of(table.known, table.space, annotation)
    one_by_one = annotation.one_by_one
    complete = shares.complete.numpy()
    complete = complete if one_by_one else complete[complete.any(1)]
    counts = shares.known.numpy()
    num_known = shares.num if one_by_one else int(counts.sum())
    if len(complete) < _LEAST or not num_known or not counts.any():
        return None
    null = _Null(complete, np.asarray(annotation.readiness(table.space.num_labels)), annotation.noise, one_by_one, num_known)
    known = counts / num_known
    statistic, z = null.compare(known, null.expected)
    simulated = null.simulate(null.mean(known, null.expected), draws, np.random.default_rng(seed))
    p_value = (1 + int((simulated >= statistic * (1 - 1e-12)).sum())) / (draws + 1)
    return PickCheck(p_value, known, null.expected, z, num_known, len(complete))


class _Null:
    """What the annotation would have.

    Args:
        complete: (D, K) 0 and 1.
        ready: (K,) weights or rates.
        noise: share of mistakes.
        one_by_one: whether labels are reported one by one.
        num_known: n.
    """

    def __init__(self, complete: _Floats, ready: _Floats, noise: float, one_by_one: bool, num_known: int):
        self.complete, self.ready, self.noise = complete, ready, noise
        self.one_by_one, self.num_known, self.size = one_by_one, num_known, len(complete)
        self.most = ready if one_by_one else np.ones_like(ready)
        self.expected = self._chances(complete).mean(0)

    def _chances(self, shown: _Floats) -> _Floats:
        """(..., K) with which each label becomes known, of images or their means where labels are reported one by one."""
        if self.one_by_one:
            return np.asarray(self.ready * ((1 - self.noise) * shown + self.noise))
        picked = shown * self.ready
        picked = picked / picked.sum(-1, keepdims=True)
        return np.asarray((1 - self.noise) * picked + self.noise * self.ready / self.ready.sum())

    def mean(self, known: _Floats, expected: _Floats) -> _Floats:
        """v: shares (..., K) by known labels and by complete images."""
        worth = self.size / self.most
        return np.asarray((self.num_known * known + worth * expected) / (self.num_known + worth))

    def compare(self, known: _Floats, expected: _Floats) -> tuple[_Floats, _Floats]:
        """The statistic (...) and the differences in standard errors (..., K)."""
        mean = np.clip(self.mean(known, expected), 0, self.most)
        variance = mean * (1 - mean) / self.num_known + (mean * (self.most - mean) + 0.5 / self.size) / self.size
        off, error = known - expected, np.sqrt(variance)
        return np.asarray((off**2 / error).sum(-1)), np.asarray(off / error)

    def simulate(self, shares: _Floats, draws: int, rng: np.random.Generator) -> _Floats:
        """The statistic (draws,) where the shares (K,) are the true ones."""
        if self.one_by_one:
            present = self._drawn(self.num_known, shares, draws, rng)
            told = rng.binomial(present, self.ready) + rng.binomial(self.num_known - present, self.noise * self.ready)
            expected = self._chances(self._drawn(self.size, shares, draws, rng) / self.size)
            return self.compare(told / self.num_known, expected)[0]
        known = rng.multinomial(self.num_known, shares / shares.sum(), draws) / self.num_known
        rows = self._chances(np.concatenate([self.complete, np.eye(len(shares))]))
        base = np.concatenate([np.ones(self.size), np.full(len(shares), 1 / len(shares))])
        weights = _tilted(rows, np.log(base / base.sum()), shares)
        drawn = rng.multinomial(self.size, weights, draws) @ rows / self.size
        return self.compare(known, shares + drawn - weights @ rows)[0]

    def _drawn(self, number: int, shares: _Floats, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """How many of so many drawn images show each label (draws, K), where prevalences are those that the shares imply."""
        wanted = np.clip((shares / self.ready - self.noise) / (1 - self.noise), 0, 1)
        present = rng.multinomial(number, np.full(self.size, 1 / self.size), draws) @ self.complete.astype(np.int64)
        seen = self.complete.mean(0)
        keep = np.minimum(wanted / np.maximum(seen, 1e-12), 1)
        add = np.clip((wanted - seen) / np.maximum(1 - seen, 1e-12), 0, 1)
        return np.asarray(rng.binomial(present, keep) + rng.binomial(number - present, add))


def _tilted(rows: _Floats, base: _Floats, wanted: _Floats) -> _Floats:
    """Weights (R,) of rows (R, K) in proportion to exp(base + rows theta), whose mean is the wanted one (K,), by Newton."""
    theta = np.zeros(rows.shape[1])
    ridge = 1e-9  # means on the edge of what rows can have would need infinite theta

    def dual(at: _Floats) -> tuple[float, _Floats]:
        logs = base + rows @ at
        top = logs.max()
        weights = np.exp(logs - top)
        total = weights.sum()
        return float(top + np.log(total) - at @ wanted + ridge / 2 * at @ at), weights / total

    value, weights = dual(theta)
    for _ in range(_STEPS):
        mean = weights @ rows
        slope = mean - wanted + ridge * theta
        curvature = (rows * weights[:, None]).T @ rows - np.outer(mean, mean) + ridge * np.eye(len(theta))
        step = np.linalg.solve(curvature, slope)
        if float(slope @ step) < 1e-12:
            break
        length = 1.0
        while length > 1e-6:
            trial, proposed = dual(theta - length * step)
            if trial <= value - 1e-4 * length * float(slope @ step):
                break
            length /= 2
        else:
            break
        theta, value, weights = theta - length * step, trial, proposed
    return weights


# --- findings -------------------------------------------------------------------------------------------


def complete_images(table: Observed, annotation: Annotation, completed: Completed | None = None) -> list[Finding]:
    """What complete images say, or that they would say something.

    Args:
        table: known labels.
        annotation: with numbers; the `learned` ones are spoken of.
        completed: what a table of complete images said of labels that were known before.
    """
    found = [_mistaken(completed, annotation), *(_learned(one, table, annotation) for one in annotation.learned.values())]
    if not {"weights", "rates"} & {*annotation.learned}:
        check = pick_check(table, annotation)
        found.append(_told(check, table, annotation) if check is not None else _untold(table, annotation))
    return [one for one in found if one is not None]


def _told(check: PickCheck, table: Observed, annotation: Annotation) -> Finding:
    ranked = np.argsort(-np.abs(check.z))[:_NAMED]
    far = [int(k) for k in ranked if abs(check.z[k]) > 2] or [int(ranked[0])]
    facts = {
        "p_value": check.p_value,
        "annotation": annotation.kind,
        "even": bool(np.ptp(annotation.readiness(table.space.num_labels)) == 0),
        "num_complete": check.num_complete,
        "num_known": check.num_known,
        "factors": [round(float(check.factor[k]), 4) for k in far],
    }
    labels = tuple(table.space.labels[k] for k in far)
    if check.p_value > _DOUBT:
        return Finding(Kind.PICK, Severity.FINE, labels, facts)
    todo = (Todo.LEARN_RATES if annotation.one_by_one else Todo.LEARN_WEIGHTS,)
    return Finding(Kind.PICK, Severity.ACT if check.p_value <= FALSE_ALARM else Severity.LOOK, labels, facts, todo)


def _untold(table: Observed, annotation: Annotation) -> Finding | None:
    """That complete images would tell; None where they would not, or where there are some."""
    space = table.space
    single = any(len(one.labels) == space.num_labels for one in space.exhaustive_sets)
    if not annotation.says_which or annotation.by_label or single or space.num_labels == 1:
        return None
    size = len(annotation.complete_rows(table.known))
    if size >= _LEAST:
        return None
    return Finding(Kind.PICK_UNTOLD, Severity.LOOK, facts={"num_complete": size}, todo=(Todo.SAMPLE_COMPLETE,))


def _mistaken(completed: Completed | None, annotation: Annotation) -> Finding | None:
    if completed is None or not completed.num_checked:
        return None
    wrong, size = completed.num_mistaken, completed.num_checked
    low, high = _binomial_interval(wrong, size)
    facts = {
        "num_mistaken": wrong, "num_checked": size, "low": low, "high": high, "noise": annotation.noise,
        "images": [list(one) for one in completed.mistaken],
    }  # fmt: skip
    if low <= annotation.noise <= high:
        return Finding(Kind.MISTAKEN, Severity.FINE, facts=facts)
    return Finding(Kind.MISTAKEN, Severity.LOOK, facts=facts, todo=(Todo.STATE_NOISE,))


def _binomial_interval(count: int, size: int) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share, which covers 95 % at least."""
    from scipy.stats import beta

    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, size - count + 1))
    high = 1.0 if count == size else float(beta.ppf(0.975, count + 1, size - count))
    return low, high


def _learned(learned: Learned, table: Observed, annotation: Annotation) -> Finding:
    facts: dict[str, Any] = {
        "parameter": learned.parameter,
        "factor": learned.factor,
        "num_complete": learned.num_complete,
        "groups": list(learned.groups),
    }
    if not learned.num_complete:
        return Finding(Kind.LEARNED, Severity.LOOK, facts=facts, todo=(Todo.SAMPLE_COMPLETE,))
    if learned.factor <= _SETTLED:
        return Finding(Kind.LEARNED, Severity.FINE, facts=facts)
    then = {more: factor_with(more, learned, table, annotation) for more in _MORE}
    enough = [more for more in _MORE if then[more] <= _SETTLED and more <= 3 * learned.num_complete]
    more = enough[0] if enough else min(_MORE, key=lambda one: abs(one - learned.num_complete))  # or as many again
    if then[more] > _WORTHWHILE * learned.factor:  # as many again would change little: labels differ little, by what is known
        return Finding(Kind.LEARNED, Severity.FINE, facts=facts)
    facts |= {"more": more, "factor_then": then[more]}
    return Finding(Kind.LEARNED, Severity.LOOK, facts=facts, todo=(Todo.SAMPLE_MORE,))


def factor_with(more: int, learned: Learned, table: Observed, annotation: Annotation) -> float:
    """`Learned.factor` as it would be with more complete images.

    The posterior precision of each number is that of its prior, and one in proportion to the effective number of known labels
    n' = 1 / (1/n + r/D); see `annotation.learning`. The estimates stay. The prior's variance, which is learned as well, is that
    of the estimates and the mean of the posterior variances, as it is on average.
    """
    stated = {key: value for key, value in annotation.to_config().items() if key != "kind"}
    shares = KnownShares.of(table.known, table.space, type(annotation)(**{**stated, learned.parameter: LEARN}))
    model = AnnotationModel(annotation, shares)
    inverse, size = 1 / model.effective, shares.num_complete
    least = min(1 / max(shares.num, 1), inverse)
    then = least + (inverse - least) * size / (size + more)
    weights = learned.parameter == "weights"
    estimate, high = (torch.tensor(one, dtype=torch.float64) for one in (learned.estimate, learned.high))
    quantile = float(torch.special.ndtri(torch.tensor((1 + COVERS) / 2, dtype=torch.float64)))
    centre = estimate.log() if weights else estimate.logit()
    now = ((high.log() if weights else high.logit()) - centre) / quantile
    prior = centre.var(correction=0) + (now**2).mean() if len(now) > 1 else torch.tensor(_NOISE_WIDTH**2)
    data = (1 / now**2 - 1 / prior).clamp(min=0) * (inverse / then)
    spread = quantile * (1 / torch.maximum(data + 1 / prior, 1 / now**2)).sqrt()
    highest = (centre + spread).exp() if weights else (centre + spread).sigmoid()
    ratios = (highest / estimate).sort().values
    return float(ratios[len(ratios) // 2])
