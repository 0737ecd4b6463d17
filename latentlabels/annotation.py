"""How known labels come about: p(o | y), why some labels of an image are known and the others not.

The choice decides what a missing label means. `observed` o holds 1 (known present), 0 (known absent) and -1
(unknown) per label. Known absences are always allowed and pin their label; what the annotations differ in is
how the known positives were picked among the present labels.

Every annotation takes ``noise=e``: with probability e the known positives of an image are a mistake, and came
about as if every label (but the known absent ones) were present: p_e(o|y) = (1 - e) p(o|y) + e p(o|all).

Sources: Rubin, 1976 (missing data mechanisms); Elkan and Noto, KDD 2008, and Bekker and Davis, 2020 (SCAR);
Cole et al., CVPR 2021 (single positive labels).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from .errors import ConfigError, ObservationError, nearest
from .exact.counting import log_binomials
from .exact.evidence import Evidence, mix, only_label, pinned
from .exact.quadrature import reciprocal_rule, subset_rule, tolerance
from .labels import LabelSpace


class CountBound(NamedTuple):
    """How many labels can be present at once, for annotations whose sums depend on it.

    Attributes:
        expected: an upper bound of the expected number of unknown labels that are present.
        block: the largest number of one tree of the label space.
        longest: the largest number altogether.
    """

    expected: float
    block: int
    longest: int


class Annotation(ABC):
    """p(o | y); subclasses say how the known positives are picked. Stateless: safe to share."""

    kind: str
    one_positive: ClassVar[bool] = False
    """Whether it describes a single known positive per row: an image that was found twice is then two rows."""

    def __init__(self, *, noise: float = 0.0):
        if not 0.0 <= noise < 1.0:
            raise ConfigError(f"noise is a probability in [0, 1), not {noise}")
        self.noise = float(noise)

    # --- what a subclass states -------------------------------------------------------------------------

    @abstractmethod
    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        """log p(known positives | y), given that all of them are present in y: (...)."""

    @abstractmethod
    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        """`_log_pick` with the pins, as a mixture of products."""

    def _check(self, observed: Tensor) -> None:  # noqa: B027
        """Refuse observations that the annotation does not describe; most describe all."""

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """log p(o | y) as a function of N = 0..`most` present labels where it depends on nothing else, or None."""
        return None

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """Weights v by which an image got into the data, with probability sum_k v_k y_k; None if all did."""
        return None

    # --- what the package calls -------------------------------------------------------------------------

    def log_prob(self, observed: Tensor, y: Tensor, log_found: Tensor | float = 0.0) -> Tensor:
        """log p(o | y).

        Args:
            observed: (..., K) of 1, 0 and -1.
            y: (..., K) of 0 and 1, broadcast against `observed`.
            log_found: as of `evidence`; only `PerLabelSearch` with noise depends on it.

        Returns:
            (...), -inf where y contradicts what is known.

        Raises:
            ObservationError: more known positives than the annotation describes.
        """
        self._check(observed)
        present = y > 0.5
        dtype = y.dtype if y.is_floating_point() else torch.get_default_dtype()
        observed, present = torch.broadcast_tensors(observed, present)
        fits = ~((observed == 1) & ~present).any(-1)
        absent = ((observed == 0) & present).any(-1)
        value = self._log_pick(observed, present.to(dtype))
        value = torch.where(fits, value, -torch.inf)
        if self.noise:
            mistaken = self._log_pick(observed, (observed != 0).to(dtype))
            value = torch.logaddexp(value + math.log1p(-self.noise), mistaken + log_found + math.log(self.noise))
        return torch.where(absent, -torch.inf, value)

    def evidence(
        self,
        observed: Tensor,
        bound: Callable[[], CountBound],
        dtype: torch.dtype,
        log_found: Tensor | float = 0.0,
    ) -> Evidence:
        """p(o | .) as a mixture of products over labels, for the exact sums.

        Args:
            observed: (..., K) int8.
            bound: gives the `CountBound` of the images, worked out only where it is needed.
            dtype: of the result.
            log_found: (...) log-probability that the image was found at all (`selection_weights`). Mistakes
                are a share of what was found, so that their weight is taken relative to it.
        """
        self._check(observed)
        base = self._evidence(observed, bound, dtype)
        if not self.noise:
            return base
        everything = (observed != 0).to(dtype)
        mistaken = self._log_pick(observed, everything).unsqueeze(-1)
        free = pinned(torch.where(observed == 1, -1, observed).to(observed.dtype), dtype)
        if isinstance(log_found, Tensor):
            log_found = log_found.unsqueeze(-1)
        return mix(base, free, math.log1p(-self.noise), mistaken + log_found + math.log(self.noise))

    @abstractmethod
    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw what becomes known of label sets, without noise: the simulation of p(o | y).

        Args:
            y: (..., K) of 0 and 1.
            generator: of the random numbers.

        Returns:
            (..., K) int8 of 1 and -1: one known positive, if there is any, or one draw per label for `Scar`.
        """

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        return {"kind": self.kind} | ({"noise": self.noise} if self.noise else {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Annotation) and self.to_config() == other.to_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        given = {key: value for key, value in self.to_config().items() if key != "kind"}
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in given.items())})"


def _pick_one(y: Tensor, weights: Tensor | None, generator: torch.Generator | None) -> Tensor:
    score = torch.where(y > 0.5, y.new_ones(()) if weights is None else weights.to(y), 0.0)
    some = score.sum(-1, keepdim=True) > 0
    flat = torch.where(some, score, 1.0).reshape(-1, y.shape[-1])
    drawn = torch.multinomial(flat, 1, generator=generator).reshape(*y.shape[:-1], 1)
    out = torch.full(y.shape, -1, dtype=torch.int8, device=y.device)
    return torch.where(some, out.scatter(-1, drawn, 1), out)


class Ignorable(Annotation):
    """Which labels are known does not depend on their values (missing at random): p(o|y) is 1 or 0.

    For labels that were asked one by one, with answers of both kinds; and for what a user knows at query time.
    """

    kind = "ignorable"

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One label asked at random, whatever its value."""
        asked = _pick_one(torch.ones_like(y), None, generator) == 1
        return torch.where(asked, (y > 0.5).to(torch.int8), -1).to(torch.int8)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        return torch.zeros(observed.shape[:-1], dtype=y.dtype, device=y.device)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        return pinned(observed, dtype)

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """Zero for every count."""
        return torch.zeros(*observed.shape[:-1], most + 1, dtype=dtype, device=observed.device)


class UniformPositive(Annotation):
    """The m known positives are a uniform subset of the N present labels: p(o|y) = 1/C(N, m).

    With m = 1: each image has one known label, any of its own. Images without a known positive say nothing.
    """

    kind = "uniform-positive"

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One present label, any of them (m = 1)."""
        return _pick_one(y, None, generator)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        known, count = (observed == 1).sum(-1).to(y.dtype), y.sum(-1)
        spare = (count - known).clamp(min=0)
        return torch.lgamma(known + 1) + torch.lgamma(spare + 1) - torch.lgamma(spare + known + 1)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        only = only_label(observed)
        log_t, log_weight = subset_rule((observed == 1).sum(-1) if only is None else 1, *bound(), dtype, observed.device)
        return Evidence(log_weight, log_t.unsqueeze(-1), observed.unsqueeze(-2), only)

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """-log C(n, m), 0 where n < m, which the pins exclude."""
        binomials = log_binomials(most, (observed == 1).sum(-1), dtype)
        return torch.where(torch.isneginf(binomials), 0.0, -binomials)


class _Weighted(Annotation):
    """What annotations with a weight per label share.

    Args:
        weights: K positive numbers; only their ratios matter.
        noise: see the module.
    """

    one_positive = True

    def __init__(self, weights: Sequence[float] | Tensor | None = None, *, noise: float = 0.0):
        super().__init__(noise=noise)
        self.weights = None if weights is None else _numbers(weights, "weights", low=0.0, low_open=True)

    def _weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        if self.weights is None:
            return torch.ones(num_labels, dtype=dtype, device=device)
        weights: Tensor = _sized(self.weights, num_labels, "weights")
        return (weights / weights.max()).to(dtype=dtype, device=device)  # their scale is free, and could underflow

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One present label, in proportion to the weights."""
        return _pick_one(y, self._weights(y.shape[-1], torch.get_default_dtype(), y.device), generator)

    def _check(self, observed: Tensor) -> None:
        many = (observed == 1).sum(-1) > 1
        if bool(many.any()):
            rows = many.reshape(-1).nonzero().flatten().tolist()
            raise ObservationError(
                f'the annotation "{self.kind}" describes one known positive per image, but {len(rows)} images have '
                f'more (rows {", ".join(map(str, rows[:5]))}); use "uniform-positive" or "scar" for those, or one row for each'
            )

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        given = {} if self.weights is None else {"weights": self.weights.tolist()}
        return super().to_config() | given


class WeightedPositive(_Weighted):
    """The one known positive is a present label, picked with probability w_k / sum_j w_j y_j (salience)."""

    kind = "weighted-positive"

    def __init__(self, weights: Sequence[float] | Tensor, *, noise: float = 0.0):
        super().__init__(weights, noise=noise)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], y.dtype, y.device)
        known = (observed == 1).to(y.dtype)
        chosen, total = (known * weights).sum(-1), (torch.maximum(y, known) * weights).sum(-1)
        picked = known.sum(-1) > 0
        return torch.where(picked, chosen.clamp(min=1e-30).log() - total.clamp(min=1e-30).log(), 0.0)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        weights = self._weights(observed.shape[-1], torch.float64, observed.device)
        smallest, total = float(weights.min()), float(weights.sum())
        u, share = reciprocal_rule(1.0, max(total / smallest, 1.0 + 1e-9), tolerance(dtype))
        relative = weights / smallest
        nodes = torch.tensor(u, dtype=torch.float64, device=observed.device)
        known = observed == 1
        picked = known.any(-1, keepdim=True)  # (..., 1)
        own = (known.double() * relative).sum(-1, keepdim=True).clamp(min=1e-300)
        # w_k int exp(-S u) du with the known label's own share of S outside the product over the others
        log_share = torch.tensor(share, dtype=torch.float64, device=observed.device).log()
        log_weight = torch.where(picked, log_share + own.log() - own * nodes, -torch.inf)
        nothing = torch.where(torch.arange(len(nodes), device=observed.device) == 0, 0.0, -torch.inf).double()
        log_weight = torch.where(picked, log_weight, nothing)
        tilt = -nodes.unsqueeze(-1) * relative  # (Q, K)
        if not bool(picked.all()):
            tilt = torch.where(picked.unsqueeze(-1), tilt, 0.0)
        return Evidence(log_weight.to(dtype), tilt.to(dtype), observed.unsqueeze(-2))


class Scar(Annotation):
    """Each present label is reported independently with probability c_k, absent ones never (SCAR).

    For tags and click logs.

    Args:
        rates: c, one number for all labels or one for each, in (0, 1].
        noise: see the module.
    """

    kind = "scar"

    def __init__(self, rates: float | Sequence[float] | Tensor, *, noise: float = 0.0):
        super().__init__(noise=noise)
        self.rates = _numbers(rates, "rates", low=0.0, low_open=True, high=1.0)

    def _logs(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        rates = _sized(self.rates, num_labels, "rates").to(device=device)
        return rates.log().to(dtype), torch.log1p(-rates).to(dtype)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        reported, silent = self._logs(observed.shape[-1], y.dtype, y.device)
        value = torch.where(observed == 1, reported, 0.0)
        return (value + torch.where((observed == -1) & (y > 0.5), silent, 0.0)).sum(-1)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        reported, silent = self._logs(observed.shape[-1], dtype, observed.device)
        log_weight = torch.where(observed == 1, reported, 0.0).sum(-1, keepdim=True)
        return Evidence(log_weight, silent.unsqueeze(-2), observed.unsqueeze(-2))

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Each present label by its rate."""
        rates = _sized(self.rates, y.shape[-1], "rates").to(y)
        told = torch.rand(y.shape, generator=generator, device=y.device, dtype=rates.dtype) < rates
        return torch.where(told & (y > 0.5), 1, -1).to(torch.int8)

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        rates = self.rates.tolist()
        return super().to_config() | {"rates": rates[0] if len(rates) == 1 else rates}


class PerLabelSearch(_Weighted):
    """Images were collected label by label: p(o = k | x) = w_k p(y_k=1|x) / sum_j w_j p(y_j=1|x).

    "For blue I have a whole set of blue items." As p(o | y): an image with labels y is found under label k with
    probability w_k y_k / sum_j w_j, and not found at all otherwise; the data are what was found. Only ratios of
    label probabilities enter, so that nothing but the prior fixes their scale. With ``noise=e``, a share e of the
    found images is in the wrong folder: p(o = k | x) = (1 - e) w_k p(y_k=1|x) / sum_j w_j p(y_j=1|x) + e w_k / sum_j w_j.
    """

    kind = "per-label-search"

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], y.dtype, y.device)
        known = (observed == 1).to(y.dtype)
        share = (known * weights).sum(-1) / weights.sum()
        return torch.where(share > 0, share.clamp(min=1e-30).log(), 0.0)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        log_weight = self._log_pick(observed, (observed == 1).to(dtype)).unsqueeze(-1)
        return pinned(observed, dtype)._replace(log_weight=log_weight)

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """w / sum w: an image with labels y is found with probability sum_k w_k y_k / sum_j w_j."""
        weights = self._weights(num_labels, dtype, device)
        return weights / weights.sum()


KINDS: dict[str, type[Annotation]] = {
    kind.kind: kind for kind in (Ignorable, UniformPositive, WeightedPositive, Scar, PerLabelSearch)
}


def from_config(section: Mapping[str, Any], space: LabelSpace) -> Annotation:
    """The annotation that a config's `annotation` section names.

    Args:
        section: ``{kind, weights?, rates?, noise?}``; weights and rates are numbers in the order of the labels,
            or a mapping from label to number.
        space: whose labels they are.

    Raises:
        ConfigError: an unknown kind, or arguments that the kind does not take.
    """
    given = {key: value for key, value in dict(section).items() if value is not None}
    kind = str(given.pop("kind", UniformPositive.kind))
    if kind not in KINDS:
        raise ConfigError(f'annotation.kind: no annotation "{kind}"{nearest(kind, KINDS)} (known: {", ".join(KINDS)})')
    needs = {"weighted-positive": "weights", "scar": "rates"}.get(kind)
    takes = {"noise", *([needs] if needs else []), *(["weights"] if kind == "per-label-search" else [])}
    for key, value in given.items():
        if key not in takes:
            raise ConfigError(f'annotation.{key}: "{kind}" takes no {key} (it takes: {", ".join(sorted(takes))})')
        if isinstance(value, Mapping):
            missing = [label for label in space.labels if label not in value]
            if missing:
                raise ConfigError(f'annotation.{key}: no number for label "{missing[0]}"; give one for every label')
            given[key] = [value[label] for label in space.labels]
    if needs and needs not in given:
        raise ConfigError(f'annotation.{needs}: "{kind}" needs {needs}, one number for each label')
    annotation = KINDS[kind](**given)
    _sized(getattr(annotation, "weights", None), space.num_labels, "weights")
    _sized(getattr(annotation, "rates", None), space.num_labels, "rates")
    return annotation


def _numbers(values: float | Sequence[float] | Tensor, name: str, low: float, low_open: bool, high: float = math.inf) -> Tensor:
    numbers = torch.as_tensor(values, dtype=torch.float64).detach().cpu().reshape(-1)
    wrong = (numbers < low) | (numbers > high) | ~numbers.isfinite() | ((numbers == low) & low_open)
    if not len(numbers) or bool(wrong.any()):
        shown = numbers[wrong][0].item() if len(numbers) else "an empty list"
        raise ConfigError(
            f"{name} are numbers above {low:g}" + (f" up to {high:g}" if high < math.inf else "") + f", not {shown}"
        )
    return numbers


def _sized(numbers: Any, num_labels: int, name: str) -> Any:
    if numbers is not None and len(numbers) not in (1, num_labels):
        raise ConfigError(f"{len(numbers)} {name} for {num_labels} labels; give one for each label")
    return numbers if numbers is None or len(numbers) == num_labels else numbers.expand(num_labels)
