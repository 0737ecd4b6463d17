"""The rate of mistakes among known labels, and how sure the predictions should have been: both by the likelihood.

log L(e, s) = sum over images of log p(known labels | image, e, s), by out-of-sample probabilities, is a function of two
numbers: the rate of mistakes e, and a sharpness s that multiplies the logits. A fit to labels with mistakes blurs its
predictions: it gives every label a little probability everywhere, which explains the mistakes. Without s the rate would come
out too small; at s = 1 predictions are as the fit made them. The prior is flat for e in [0, 1/2], and normal for log s, around
0 with a standard deviation of 0.2. Where labels are known to be present and to be absent, there is a third number: the share
f of images in which two answers are exchanged (`exchanges`), with a flat prior in [0, 1/2]. The posterior is taken at a few
sharpnesses, rates and shares around its maximum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit
from torch import Tensor

from ..annotation import Annotation
from ..distributions import LabelVector, mixed, sharpened
from . import exchanges
from .mistaken import MistakenLabels, Path, path_of
from .results import Gain, Setting, Wrong

_LEAST, _LARGEST = 1e-6, 0.5
_DROP = 7.0  # of log L, beyond which a rate does not count
_NEGLIGIBLE = 14.0  # the same, of rate, sharpness and share together
_RATES, _SHARPNESSES = 9, 5
_BLUNT, _SHARP = math.log(0.6), math.log(2.0)
_PRIOR = 0.2  # standard deviation of log s
_STEP = 0.04  # of log s, for the curvature
_AT_ONCE = 1 << 21  # numbers (rows x labels x products) that are worked on at once
_PRODUCTS = 24  # of an image's evidence, about
_COMPARED, _OTHERS = 2000, 16  # images whose predictions are compared with those of this many other images

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


class KnownLabels:
    """Known labels of N images, and what the images alone say.

    Args:
        q: p(y | x), batch shape (N,).
        observed: int8 (N, K) of 1, 0, -1; a row without a known label says nothing.
        how: the annotation of labels that are no mistakes.
    """

    def __init__(self, q: LabelVector, observed: NDArray[np.int8], how: Annotation):
        self.q, self.how = q, how
        self.observed = torch.from_numpy(np.ascontiguousarray(observed, np.int8))
        rows = torch.nonzero((self.observed != -1).any(-1)).flatten()
        known = self.observed[rows]
        paths, number, told = path_of(known, how), (known == 1).sum(-1).tolist(), (known != -1).sum(-1).tolist()
        # equally many picks together, and those without anything else known apart
        ways = [(path, m if path is Path.PICKED else 0, t == m == 1) for path, m, t in zip(paths, number, told, strict=True)]
        self.parts: list[tuple[Path, bool, Tensor]] = []
        for way in sorted(set(ways), key=lambda one: (one[0].value, *one[1:])):
            own = rows[torch.tensor([place for place, one in enumerate(ways) if one == way])]
            size = max(1, _AT_ONCE // (observed.shape[1] * _PRODUCTS * 2 ** way[1]))
            self.parts += [(way[0], way[2] and way[0] is Path.PICKED, some) for some in own.split(size)]
        self.exchanges = exchanges.Exchanges(q.space)
        self.may_be_exchanged = torch.zeros(len(self.observed), dtype=torch.bool)
        for path, _, some in self.parts:
            if path is Path.ASKED:
                self.may_be_exchanged[some] = self.exchanges.number(self.observed[some]) > 0
        self._sharpened: dict[float, Sharpened] = {}

    def at(self, log_sharpness: float) -> Sharpened:
        """The same with other logits."""
        if log_sharpness not in self._sharpened:
            self._sharpened[log_sharpness] = Sharpened(self, math.exp(log_sharpness))
        return self._sharpened[log_sharpness]

    def settings(self) -> list[Setting]:
        """The posterior of rate, sharpness and share; of no known labels, the smallest rate."""
        if not self.parts:
            return [Setting(_LEAST, 1.0, 1.0)]

        def value(log_sharpness: float) -> float:
            return self.at(log_sharpness).top - (log_sharpness / _PRIOR) ** 2 / 2

        found = minimize_scalar(lambda one: -value(one), bounds=(_BLUNT, _SHARP), method="bounded", options={"xatol": 0.01})
        best = float(found.x)
        bend = (value(best - _STEP) - 2 * value(best) + value(best + _STEP)) / _STEP**2
        width = 1 / math.sqrt(max(-bend, 1 / _PRIOR**2))
        out = []
        for place in np.linspace(-2, 2, _SHARPNESSES).tolist():
            log_sharpness = best + place * width
            here = self.at(log_sharpness)
            prior = -((log_sharpness / _PRIOR) ** 2) / 2
            out += [(rate, math.exp(log_sharpness), log + prior, share) for rate, share, log in here.grid()]
        top = max(log for _, _, log, _ in out)
        out = [one for one in out if one[2] > top - _NEGLIGIBLE]
        total = sum(math.exp(log - top) for _, _, log, _ in out)
        return [Setting(rate, sharpness, math.exp(log - top) / total, share) for rate, sharpness, log, share in out]

    @torch.no_grad()
    def gain(self, setting: Setting) -> Gain:
        """What looking at the image is worth.

        If a prediction says nothing about its own image in particular, it is as good for another image. The mean of
        several predictions is then better than one of them (Jensen), so that the gain is not above 0 in expectation.
        """
        parts = [rows for _, _, rows in self.parts]
        rows = torch.cat(parts).sort().values if parts else torch.zeros(0, dtype=torch.long)
        others = min(_OTHERS, len(rows) - 1)
        if others < 1:
            return Gain(0.0, math.inf)
        chosen = torch.linspace(0, len(rows) - 1, min(len(rows), _COMPARED)).round().long()
        steps = torch.randperm(len(rows) - 1, generator=torch.Generator().manual_seed(0))[:others] + 1
        differences = []
        for path, _, own in self.parts:
            place = chosen[torch.isin(rows[chosen], own)]
            for some in place.split(max(1, len(own))):
                q = sharpened(self.q.take(rows[some]), setting.sharpness)
                instead = [self.q.take(rows[(some + int(step)) % len(rows)]) for step in steps]
                value = self._log_prob(q, rows[some], path, setting)
                without = self._log_prob(sharpened(mixed(instead), setting.sharpness), rows[some], path, setting)
                differences.append(value - without)
        found = torch.cat(differences).numpy()
        return Gain(float(found.mean()), float(found.std(ddof=1) / math.sqrt(len(found))) if len(found) > 1 else math.inf)

    def _log_prob(self, q: LabelVector, rows: Tensor, path: Path, setting: Setting) -> Tensor:
        """log p(known labels | q) of some rows that came about in one way."""
        value = q.log_marginal(self.observed[rows], mistaken(q, self.how, setting.rate, path)).double()
        some = self.may_be_exchanged[rows].nonzero().flatten()
        if setting.share and len(some):
            observed = self.observed[rows[some]]
            exchanged = exchanges.total(self.exchanges.log_prob(q.take(some), observed), observed)
            flips = value[some] + math.log1p(-setting.share)
            value = value.index_copy(0, some, torch.logaddexp(flips, exchanged + math.log(setting.share)))
        return value


class Sharpened:
    """Known labels with predictions of one sharpness.

    Args:
        known: the labels.
        sharpness: s.
    """

    @torch.no_grad()
    def __init__(self, known: KnownLabels, sharpness: float):
        self.known, self.sharpness = known, sharpness
        self._simple: list[tuple[_Ints, _Floats, _Floats, _Floats]] = []
        for _, simple, rows in known.parts:
            if simple:  # one picked label: what depends on the image does not depend on the rate
                q, observed = self._of(rows), known.observed[rows]
                column = observed.max(-1).indices.unsqueeze(-1)
                right = q.log_marginal(observed, known.how).double().exp()
                present = q.marginals.double().gather(-1, column).squeeze(-1)
                share = torch.as_tensor(known.how.readiness(observed.shape[-1]), dtype=torch.float64)
                named = (share / share.sum())[column].squeeze(-1)
                self._simple.append((rows.numpy(), right.numpy(), present.clamp(0, 1).numpy(), named.numpy()))
        self._exchanged = np.zeros(0)
        if bool(known.may_be_exchanged.any()):
            parts = [exchanges.total(each, known.observed[rows]).numpy() for rows, each in self._by_exchange()]
            self._exchanged = np.concatenate(parts)
        self._best: tuple[float, float] | None = None
        self._flipped: tuple[float, _Floats, _Floats] | None = None

    def _by_exchange(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows with what an exchange says of them, see `Exchanges.log_prob`."""
        for _, _, rows in self.known.parts:
            some = rows[self.known.may_be_exchanged[rows]]
            if len(some):
                yield some, self.known.exchanges.log_prob(self._of(some), self.known.observed[some])

    def _of(self, rows: Tensor) -> LabelVector:
        return sharpened(self.known.q.take(rows), self.sharpness)

    def _others(self, rate: float) -> Iterator[tuple[Tensor, LabelVector, Tensor, MistakenLabels]]:
        for path, simple, rows in self.known.parts:
            if not simple:
                q = self._of(rows)
                yield rows, q, self.known.observed[rows], mistaken(q, self.known.how, rate, path)

    @torch.no_grad()
    def _apart(self, rate: float) -> tuple[float, _Floats]:
        """log L(e, s) of the images that have no exchange, and of each other one if it has none."""
        total = sum(float(np.log((1 - rate) * right + rate * named).sum()) for _, right, _, named in self._simple)
        flips = []
        for rows, q, o, model in self._others(rate):
            value, some = q.log_marginal(o, model).double(), self.known.may_be_exchanged[rows]
            total += float(value[~some].sum())
            flips.append(value[some].numpy())
        return total, np.concatenate([np.zeros(0), *flips])

    def log_likelihood(self, rate: float) -> float:
        """log L(e, s), the mean over shares of exchanges."""
        total, flips = self._apart(rate)
        return total + float(np.logaddexp.reduce(exchanges.shares(flips, self._exchanged)[1]))

    @torch.no_grad()
    def wrong(self, rate: float, share: float = 0.0) -> Wrong:
        """Which known labels are wrong."""
        if self._flipped is None or self._flipped[0] != rate:
            self._flipped = (rate, self._wrong_alone(rate), self._apart(rate)[1])
        _, alone, flips = self._flipped
        exchanged, by_exchange = np.zeros(len(alone)), np.zeros_like(alone)
        if not share or not len(self._exchanged):
            return Wrong(alone, by_exchange, exchanged)
        rows, given = self._given_exchange
        exchanged[rows] = p = expit(self._exchanged - flips + math.log(share) - math.log1p(-share))
        by_exchange[rows] = p[:, None] * given
        return Wrong(alone * (1 - exchanged[:, None]), by_exchange, exchanged)

    @cached_property
    def _given_exchange(self) -> tuple[_Ints, _Floats]:
        """Rows that may have an exchange, and (R, K) the probability that it makes a label wrong if there is one."""
        parts = list(self._by_exchange())
        rows, each = np.concatenate([rows.numpy() for rows, _ in parts]), np.concatenate([one.numpy() for _, one in parts])
        possible = np.where(np.isneginf(self._exchanged), 0.0, self._exchanged)
        return rows, np.exp(each - possible[:, None])

    def _wrong_alone(self, rate: float) -> _Floats:
        """(N, K) the probability that a known label is wrong, if no labels were exchanged; 0 where nothing is known."""
        known = self.known.observed
        out = np.zeros(tuple(known.shape))
        for rows, right, present, named in self._simple:
            columns = known[torch.from_numpy(rows)].max(-1).indices.numpy()
            out[rows, columns] = rate * named * (1 - present) / ((1 - rate) * right + rate * named)
        for own, q, observed, model in self._others(rate):
            p = q.condition(observed, model).marginals.double().clamp(0, 1)
            out[own.numpy()] = torch.where(observed == 1, 1 - p, torch.where(observed == 0, p, 0.0)).numpy()
        return out

    @torch.no_grad()
    def present(self, setting: Setting, rows: Tensor) -> _Floats:
        """(B, K) p(label present | image, known labels) of some rows; where nothing is known, as if none was exchanged."""
        out = np.zeros((len(rows), self.known.observed.shape[1]))
        place = {row: number for number, row in enumerate(rows.tolist())}
        for path, _, own in self.known.parts:
            some = own[torch.isin(own, rows)]
            if len(some):
                q = self._of(some)
                posterior = q.condition(self.known.observed[some], mistaken(q, self.known.how, setting.rate, path))
                out[[place[row] for row in some.tolist()]] = posterior.marginals.double().clamp(0, 1).numpy()
        if not setting.share:
            return out
        wrong, known = self.wrong(setting.rate, setting.share).either[rows.numpy()], self.known.observed[rows].numpy()
        return np.where(known == 1, 1 - wrong, np.where(known == 0, wrong, out))

    @property
    def top(self) -> float:
        """The largest log L over rates."""
        return self._peak()[1]

    def _peak(self) -> tuple[float, float]:
        if self._best is None:
            found = minimize_scalar(
                lambda log_rate: -self.log_likelihood(math.exp(log_rate)),
                bounds=(math.log(_LEAST), math.log(_LARGEST)),
                method="bounded",
                options={"xatol": 0.01},
            )
            tried = [(math.exp(float(found.x)), -float(found.fun))]
            tried += [(rate, self.log_likelihood(rate)) for rate in (_LEAST, _LARGEST)]
            self._best = max(tried, key=lambda one: one[1])
        return self._best

    def grid(self) -> list[tuple[float, float, float]]:
        """Rates, evenly spaced, and shares of exchanges for each, wherever they count, with the log of L de df."""
        best, top = self._peak()

        def short(rate: float) -> float:
            return self.log_likelihood(rate) - top + _DROP

        low = _LEAST if short(_LEAST) > 0 else float(brentq(short, _LEAST, best, rtol=0.05, xtol=1e-6))
        high = _LARGEST if short(_LARGEST) > 0 else float(brentq(short, best, _LARGEST, rtol=0.05, xtol=1e-6))
        rates, out = np.linspace(low, high, _RATES), []
        for rate in rates.tolist():
            total, flips = self._apart(rate)
            total += math.log(float(rates[1] - rates[0]))
            out += [
                (rate, float(f), total + float(log)) for f, log in zip(*exchanges.shares(flips, self._exchanged), strict=True)
            ]
        return out


def mistaken(q: LabelVector, how: Annotation, rate: float, path: Path) -> MistakenLabels:
    """p(known labels | true labels) of images with predictions q, whose known labels came about in one way."""
    expected = q.marginals.sum(-1) if path is Path.REPORTED and not how.one_by_one else None
    return MistakenLabels(how, rate, path, expected)
