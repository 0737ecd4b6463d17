"""Learning how known labels came about, from complete images and from how often each label is the known one.

The likelihood of one known label per image does not tell salience from prevalence: a label is named often because it is
frequent, or because people like to name it. Complete images tell, since they show what there was to name. The program, whose
parameters a user can look at, sample by NUTS, or replace:

    log w_k ~ Normal(0, tau)                     site "log_weights"        (of weights)
    logit c ~ Normal(0, `WIDTH`)                 site "logit_rate"         (of rates: the usual one)
    logit c_k ~ Normal(logit c, tau)             site "logit_rates"        (of rates)
    logit e ~ Normal(-3, 1)                      site "logit_noise"        (of mistakes: 5 %, from 1 to 20 %)
    logit pi_k ~ Normal(-2, 2)                   site "logit_prevalence"   (where only prevalences enter)
    known labels of n images ~ their shares      site "known"

With D complete images the share of label k among known labels is m_k(w) = mean of y_k w_k / sum_j w_j y_j over them, up to the
sampling error of D images; the n others count as n' = 1 / (1/n + r/D), r the ratio of that error's variance to the one of D
known labels. Where prevalences alone enter (`Scar`), they are a site, and the complete images are data. Under `PerLabelSearch`
complete images are those of the collection, in which the label by which an image was found is a pick in proportion to w.

tau, how much labels differ, is one of `WIDTHS`, all of them equally probable beforehand; results are averaged over them by
Laplace's evidence. So weights that are all alike are found to be, at a small cost, and weights that are far apart are not
held together.

Without complete images, exhaustive groups tell something: every image has a label of each, so that the groups' shares are in
proportion to their weights. One number is then learned for each group; what varies inside them stays unknown.

No network is needed: a tenth of a second for 10 labels, two seconds for 200, a quarter of a minute for 1,000. Mode by
L-BFGS and Newton's method, intervals by Laplace's approximation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor

from ..errors import ConfigError
from ..observed.known_table import KnownTable
from ..space import LabelSpace
from ..words import any_of, count
from .base import Annotation
from .learned import COVERS, Learned

WIDTHS = (0.2, 0.5, 1.0, 1.5, 2.2)
"""Prior deviations tau of log w and logit c between labels: from hardly any difference to a hundredfold one."""

WIDTH = 1.5
"""The deviation that a single program has: weights from a fifth to five times the usual one are nothing unusual."""

_ALONE = 1.0  # complete images in all that show one label each, beside the real ones: what no image shows has a share too
_PARAMETERS = {"log_weights": "weights", "logit_rates": "rates", "logit_noise": "noise"}
_STEPS, _NEWTON = 200, 20  # at most
_AT_ONCE, _MOST = 200, 2000  # numbers whose second derivatives are worked out at once, and at all
_NEAR = 1e-9  # of the mode, in units of log-probability


@dataclass(frozen=True, eq=False)
class KnownShares:
    """What is learned from.

    Attributes:
        complete: (D, K) 0 and 1, the complete images.
        known: (K,) how often each label is known to be present, on the others.
        num: how many others there are: with one known label, or for annotations that report labels one by one, all.
        sets: the labels of each exhaustive group, numbers of columns.
        names: what those groups are called.
    """

    complete: Tensor
    known: Tensor
    num: int
    sets: tuple[tuple[int, ...], ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: KnownTable, space: LabelSpace, annotation: Annotation) -> KnownShares:
        """Of a table of known labels (N, K)."""
        rows = annotation.complete_rows(table)
        positive_alone = table.num_known == table.num_present
        positive_alone[rows] = False
        if not annotation.one_by_one:
            positive_alone &= table.num_present == 1
        others = table.take(positive_alone.nonzero()[0])
        labels = torch.from_numpy(table.rows(rows)).double()
        known = torch.from_numpy(others.counts()[0]).double()
        sets = tuple(tuple(space.index(label) for label in one.labels) for one in space.exhaustive_sets)
        return cls(labels, known, len(others), sets, tuple(any_of(one.groups) for one in space.exhaustive_sets))

    @property
    def num_complete(self) -> int:
        """D."""
        return len(self.complete)


class AnnotationModel(PyroModule):
    """The program of the module.

    Args:
        annotation: which numbers are to be learned.
        shares: what is known.
        by_group: whether there is one number for each exhaustive group instead of one for each label.
        width: tau.
    """

    def __init__(self, annotation: Annotation, shares: KnownShares, by_group: bool = False, width: float = WIDTH):
        super().__init__()
        self.width = width
        self.annotation, self.shares, self.by_group = annotation, shares, by_group
        self.size = len(shares.sets) if by_group else shares.complete.shape[1]
        self.effective = shares.num if by_group or not shares.num_complete else self._effective()

    @property
    def sites(self) -> dict[str, int]:
        """Names and sizes of the latent sites, all of them real numbers."""
        named = {
            "weights": {"log_weights": self.size},
            "rates": {"logit_rate": 1, "logit_rates": self.size},
            "noise": {"logit_noise": 1},
        }
        found = {name: size for one in self.annotation.learns for name, size in named[one].items()}
        return found | ({"logit_prevalence": self.size} if self._has_prevalence else {})

    @property
    def _has_prevalence(self) -> bool:
        return not self.by_group and self.annotation.one_by_one

    def _effective(self) -> float:
        """n', see the module."""
        one = torch.ones(self.shares.complete.shape[1], dtype=torch.float64)
        each = _picked(self.shares.complete, one)
        mean = each.mean(0)
        ratio = float(each.var(0, correction=0).sum() / (mean * (1 - mean)).sum().clamp(min=1e-12))
        return 1 / (1 / max(self.shares.num, 1) + ratio / self.shares.num_complete)

    def forward(self) -> dict[str, Tensor]:
        """Run the program; the numbers by parameter."""
        numbers: dict[str, Tensor] = {}
        zero = torch.zeros(self.size, dtype=torch.float64)
        if "weights" in self.annotation.learns:
            numbers["weights"] = pyro.sample("log_weights", dist.Normal(zero, self.width).to_event(1)).exp()
        if "rates" in self.annotation.learns:
            usual = pyro.sample("logit_rate", dist.Normal(zero[:1], WIDTH).to_event(1))
            numbers["rates"] = pyro.sample("logit_rates", dist.Normal(usual + zero, self.width).to_event(1)).sigmoid()
        if "noise" in self.annotation.learns:
            numbers["noise"] = pyro.sample("logit_noise", dist.Normal(zero[:1] - 3, 1.0).to_event(1)).sigmoid()
        prevalence = None
        if self._has_prevalence:
            logit = pyro.sample("logit_prevalence", dist.Normal(zero - 2, 2.0).to_event(1))
            prevalence, shown = logit.sigmoid(), self.shares.complete
            pyro.factor("complete", _log_binomial(shown.sum(0), len(shown), prevalence))
        pyro.factor("known", self._log_known(numbers, prevalence))
        return numbers

    def _log_known(self, numbers: Mapping[str, Tensor], prevalence: Tensor | None) -> Tensor:
        shares, annotation = self.shares, self.annotation
        known = shares.known
        if self.by_group:
            known = torch.stack([known[list(one)].sum() for one in shares.sets])
        if annotation.one_by_one:
            rates = numbers["rates"] if "rates" in numbers else self._stated()
            noise = numbers.get("noise", torch.as_tensor(annotation.noise, dtype=torch.float64))
            present = torch.ones_like(rates) if prevalence is None else prevalence
            return _log_binomial(known, shares.num, rates * ((1 - noise) * present + noise))
        weights = numbers["weights"] if "weights" in numbers else self._stated()
        if self.by_group:
            share = weights / weights.sum()
        else:
            share = _picked(shares.complete, weights).sum(0) + _ALONE / self.size
            share = share / share.sum()
        noise = numbers.get("noise", torch.as_tensor(annotation.noise, dtype=torch.float64))
        share = (1 - noise) * share + noise * weights / weights.sum()
        return self.effective / max(float(known.sum()), 1.0) * (known * share.clamp(min=1e-300).log()).sum()

    def _stated(self) -> Tensor:
        """Weights or rates that were stated, (K,)."""
        return torch.as_tensor(self.annotation.readiness(self.size), dtype=torch.float64)


def learn(annotation: Annotation, table: KnownTable, space: LabelSpace) -> Annotation:
    """The annotation with the numbers that it had to learn; the annotation itself if there are none.

    Args:
        annotation: its `learns` names the parameters.
        table: known labels (N, K), among them complete images.
        space: the labels.

    Raises:
        ConfigError: nothing says what the numbers are, or two parameters could not be told apart.
    """
    if not annotation.learns:
        return annotation
    shares = KnownShares.of(table, space, annotation)
    by_group = _by_group(annotation, shares)
    widths = (WIDTH,) if annotation.learns == ("noise",) else WIDTHS
    model = AnnotationModel(annotation, shares, by_group)
    mode, covariance = _averaged([fit_laplace(AnnotationModel(annotation, shares, by_group, width)) for width in widths])
    start, found = 0, []
    for site, size in model.sites.items():
        own = slice(start, start + size)
        start += size
        if site in _PARAMETERS:
            found.append(_learned(site, mode[own], covariance[own, own], model, space.num_labels))
    return annotation.with_learned(found)


class Laplace(NamedTuple):
    """A posterior of P real numbers, near enough.

    Attributes:
        mode: (P,) the sites of a program, one after the other.
        covariance: (P, P).
        log_evidence: of the program.
    """

    mode: Tensor
    covariance: Tensor
    log_evidence: float


def _averaged(found: Sequence[Laplace]) -> tuple[Tensor, Tensor]:
    """Mean and covariance over programs, by their evidence."""
    share = torch.tensor([one.log_evidence for one in found], dtype=torch.float64).softmax(0)
    modes = torch.stack([one.mode for one in found])
    mean = share @ modes
    inside = torch.einsum("w,wij->ij", share, torch.stack([one.covariance for one in found]))
    return mean, inside + torch.einsum("w,wi,wj->ij", share, modes - mean, modes - mean)


def fit_laplace(model: AnnotationModel) -> Laplace:
    """The posterior of a program's sites by Laplace's approximation."""
    sizes = model.sites

    def minus_log_joint(values: Tensor) -> Tensor:
        parts = dict(zip(sizes, values.split([*sizes.values()]), strict=True))
        trace = poutine.trace(poutine.condition(model, data=parts)).get_trace()
        return -torch.as_tensor(trace.log_prob_sum())

    values = torch.zeros(sum(sizes.values()), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [values], max_iter=_STEPS, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = minus_log_joint(values)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)
    mode = values.detach()
    for _ in range(_NEWTON):
        covariance = _inverse_curvature(minus_log_joint, mode)
        (slope,) = torch.autograd.grad(minus_log_joint(mode.requires_grad_()), mode)
        mode = mode.detach()
        step = covariance @ slope
        if float(step @ slope) < _NEAR or float(minus_log_joint(mode - step)) > float(minus_log_joint(mode)):
            break
        mode = mode - step
    volume = torch.linalg.slogdet(covariance).logabsdet / 2 + len(mode) / 2 * math.log(2 * math.pi)
    return Laplace(mode, covariance, float(volume - minus_log_joint(mode)))


def _inverse_curvature(function: Callable[[Tensor], Tensor], place: Tensor) -> Tensor:
    """The inverse of the second derivatives, (P, P): positive, since the prior's own width is the most that a number varies."""
    curvature = torch.autograd.functional.hessian(function, place, vectorize=len(place) <= _AT_ONCE)
    assert isinstance(curvature, Tensor)
    spectrum, vectors = torch.linalg.eigh((curvature + curvature.T) / 2)
    found: Tensor = (vectors / spectrum.clamp(min=1 / (2 * WIDTH) ** 2)) @ vectors.T
    return found


def _by_group(annotation: Annotation, shares: KnownShares) -> bool:
    """Whether groups are all there is to learn from.

    Raises:
        ConfigError: see `learn`.
    """
    names = " and ".join(annotation.learns)
    if names != "noise" and shares.complete.shape[1] > _MOST:
        raise ConfigError(
            f"learn: {shares.complete.shape[1]:,} labels are too many to learn a number for each (at most "
            f"{_MOST:,}); state the numbers",
            key=f"annotation.{names}",
        )
    if len(annotation.learns) > 1:
        raise ConfigError(
            f"annotation: {names} cannot both be learned, since a label that is named often may have a large number or be a "
            "mistake; state one of them, for example noise: 0.02"
        )
    if not float(shares.known.sum()):
        raise ConfigError(
            "only complete images have known labels, so there is nothing to learn; state the numbers", key=f"annotation.{names}"
        )
    usable = shares.complete if annotation.one_by_one else shares.complete[shares.complete.sum(1) > 0]
    if len(usable):
        return False
    if len(shares.sets) > (0 if annotation.one_by_one else 1) and names != "noise":
        return True
    told = (
        f"none of the {count(shares.num_complete, 'complete image')} shows a label"
        if shares.num_complete
        else "there is no complete image, with every label known"
    )
    groups = "no group is exhaustive" if not shares.sets else "only one group is exhaustive"
    if names == "noise":
        groups = "exhaustive groups say nothing about mistakes" if shares.sets else groups
    raise ConfigError(
        f"learn: the data cannot tell labels that people like to name from labels that are frequent: {told}, and {groups}. "
        "Label some images completely (latentlabels sample-complete DIR -n 100), or state the numbers",
        key=f"annotation.{names}",
    )


def _learned(site: str, mode: Tensor, covariance: Tensor, model: AnnotationModel, num_labels: int) -> Learned:
    shares = model.shares
    if site == "log_weights":  # their mean is free: nothing identifies it
        centre = torch.eye(len(mode), dtype=mode.dtype) - 1 / len(mode)
        mode, covariance = centre @ mode, centre @ covariance @ centre
    spread = covariance.diagonal().clamp(min=0).sqrt() * _normal_quantile((1 + COVERS) / 2)
    bounds = torch.stack([mode, mode - spread, mode + spread])
    if model.by_group:
        unknown = _normal_quantile((1 + COVERS) / 2) * WIDTH
        each = torch.tensor([0.0, -unknown, unknown], dtype=mode.dtype)[:, None].repeat(1, num_labels)
        for number, columns in enumerate(shares.sets):
            each[:, list(columns)] = bounds[:, number : number + 1]
        bounds = each
    numbers = bounds.exp() if site == "log_weights" else bounds.sigmoid()
    parameter = _PARAMETERS[site]
    estimate, low, high = (tuple(float(one) for one in row) for row in numbers)
    groups: Sequence[str] = shares.names if model.by_group else ()
    return Learned(parameter, estimate, low, high, shares.num_complete, shares.num, tuple(groups))


def _picked(complete: Tensor, weights: Tensor) -> Tensor:
    """Of each complete image the probability that a label is the one that is named: (D, K); 0 where there is none."""
    total = (complete * weights).sum(-1, keepdim=True)
    return complete * weights / torch.where(total > 0, total, 1.0)


def _log_binomial(seen: Tensor, number: int, probability: Tensor) -> Tensor:
    """log-likelihood of counts, but for constants: a scalar."""
    probability = probability.clamp(1e-12, 1 - 1e-12)
    return (seen * probability.log() + (number - seen) * torch.log1p(-probability)).sum()


def _normal_quantile(probability: float) -> float:
    return float(torch.special.ndtri(torch.tensor(probability, dtype=torch.float64)))


__all__: list[Any] = ["WIDTH", "AnnotationModel", "KnownShares", "fit_laplace", "learn"]
