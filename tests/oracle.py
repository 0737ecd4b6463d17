"""The brute-force oracle: sums over all 2^K vectors in float64, straight from the definitions.

It uses nothing of the package but the declarations of a `LabelSpace` (`groups`, names), the numbers that an annotation was
given, and which outcomes of another group a group hangs below (`LabelSpace.parent`): by that its probabilities are
conditional. Everything else - what is valid, what a label set's probability is, how probable an annotation is - is written
down again here, one definition a line, so that the two can disagree. What is valid comes from the declarations alone, so that
probabilities sum to 1 only where the parents say what was declared.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from latentlabels import annotation as ann
from latentlabels.errors import LabelSpaceError
from latentlabels.space import Free, Group, LabelSpace, OneOf

DTYPE = torch.float64
ALPHA = 1e-4  # false-alarm rate of each statistical test, whose seed is fixed besides


def vectors(num_labels: int) -> Tensor:
    """All 2^K vectors, valid or not: (2^K, K) of 0 and 1."""
    assert num_labels <= 12, "too many for brute force"
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=num_labels)), dtype=DTYPE)


def valid(space: LabelSpace) -> Tensor:
    """Which vectors agree with the declarations, (2^K,), read as they are written."""
    column = {label: k for k, label in enumerate(label for group in space.groups for label in group.labels)}
    y = vectors(len(column))

    def any_of(labels: Sequence[str]) -> Tensor:
        return y[:, [column[label] for label in labels]].sum(1) > 0

    excluded = {
        group.name: set(column) - set(group.labels) if group.excludes == "all" else set(group.excludes or ())
        for group in space.groups
    }
    fits = torch.ones(len(y), dtype=torch.bool)
    for group in space.groups:
        required = (group.requires,) if isinstance(group.requires, str) else group.requires
        mine = any_of(group.labels)
        fits &= y[:, [column[label] for label in group.labels]].sum(1) <= 1
        could = torch.ones(len(y), dtype=torch.bool) if required is None else any_of(required)
        fits &= ~mine | could
        if excluded[group.name]:
            fits &= ~(mine & any_of(sorted(excluded[group.name])))
        for other in space.groups:  # labels that exclude the whole group, by either declaration
            barring = [
                label
                for label in other.labels
                if other is not group and (excluded[other.name] >= set(group.labels) or label in excluded[group.name])
            ]
            if barring:
                could = could & ~any_of(barring)
        if isinstance(group, OneOf) and not group.optional:
            fits &= mine | ~could
    return fits


def log_prior(space: LabelSpace, logits: Tensor, mixture_logits: Tensor | None = None) -> Tensor:
    """log p(y) of all vectors for the logits of one image, -inf where invalid: (2^K,) for (L,), or a mixture's for (M, L)."""
    if mixture_logits is not None:
        log_w = torch.log_softmax(mixture_logits.to(DTYPE), -1)
        parts = torch.stack([log_w[m] + log_prior(space, logits[m]) for m in range(len(log_w))])
        never = torch.isneginf(parts).all(0)  # masked, so that autograd gives these no NaN
        return torch.logsumexp(parts.masked_fill(never, 0.0), 0).masked_fill(never, -math.inf)
    logits, y = logits.to(DTYPE), vectors(space.num_labels)
    column = {label: k for k, label in enumerate(label for group in space.groups for label in group.labels)}
    total, start = torch.where(valid(space), 0.0, -math.inf).to(DTYPE), 0
    for group in space.groups:
        size = len(group.labels) + int(isinstance(group, OneOf) and group.optional)
        own = logits[start : start + size]
        start += size
        log_probs = torch.log_softmax(own, 0)
        if isinstance(group, Free):  # present, and none
            log_probs = torch.cat([F.logsigmoid(own), F.logsigmoid(-own)])
        mine = y[:, [column[label] for label in group.labels]]
        applies = holds(space, group, y, column)
        if len(log_probs) > len(group.labels):  # "none" is an outcome
            outcome = torch.where(mine.sum(1) == 0, len(group.labels), mine.argmax(1))
            fits = mine.sum(1) <= 1
        else:
            outcome, fits = mine.argmax(1), mine.sum(1) == 1
        inside = torch.where(fits, log_probs[outcome], -math.inf)
        outside = torch.where(mine.sum(1) == 0, 0.0, -math.inf)
        total = total + torch.where(applies, inside, outside)
    assert start == len(logits)
    return total


def holds(space: LabelSpace, group: Group, y: Tensor, column: dict[str, int]) -> Tensor:
    """Whether a group applies in vectors y (S, K): its parent does, and has one of the outcomes below which it hangs."""
    parent = space.parent(group)
    if parent is None:
        return torch.ones(len(y), dtype=torch.bool)
    above = next(one for one in space.groups if one.name == parent.group)
    some = y[:, [column[label] for label in above.labels]].sum(1) > 0
    shown = y[:, [column[label] for label in parent.labels]].sum(1) > 0
    return holds(space, above, y, column) & (shown | (~some & parent.none))


def pick_prob(how: ann.Annotation, known: Tensor, absent: Tensor, y: Tensor) -> float:
    """p(these positives are the known ones | y), all of them being present in y: one vector at a time."""
    K, m, n = len(y), int(known.sum()), int(y.sum())
    weights = [1.0] * K
    if getattr(how, "weights", None) is not None:
        weights = (how.weights.tolist() * K)[:K] if len(how.weights) == 1 else how.weights.tolist()
    match how.kind:
        case "ignorable":
            return 1.0
        case "uniform-positive":
            return 1 / math.comb(n, m)
        case "weighted-positive":
            return (
                sum(w for w, k in zip(weights, known, strict=True) if k)
                / sum(w for w, on in zip(weights, y, strict=True) if on)
                if m
                else 1.0
            )
        case "scar":
            rates = how.rates.tolist() * (K if len(how.rates) == 1 else 1)
            told = [c for c, k in zip(rates, known, strict=True) if k]
            silent = [1 - c for c, k, a, on in zip(rates, known, absent, y, strict=True) if on and not k and not a]
            return math.prod(told) * math.prod(silent)
        case "per-label-search":
            return sum(w for w, k in zip(weights, known, strict=True) if k) / sum(weights) if m else 1.0
    raise AssertionError(how.kind)


def log_annotation(how: ann.Annotation, observed: Tensor, y: Tensor) -> Tensor:
    """log p(o | y) of vectors y (S, K), -inf where impossible; log p(found, o | y) under `PerLabelSearch`."""
    known, absent = observed == 1, observed == 0
    if is_complete(how, observed):
        return torch.stack([(row == observed).all().to(DTYPE) for row in y]).log()
    everything = torch.where(absent, 0.0, 1.0)
    values = []
    for row in y:
        right = pick_prob(how, known, absent, row) if bool((row[known] == 1).all()) else 0.0
        value = torch.as_tensor((1 - how.noise) * right, dtype=DTYPE)
        if how.noise:  # under `PerLabelSearch` it was found by one of its labels before it was misfiled
            found = found_given(how, row) if bool(known.any()) else 1.0
            value = value + how.noise * pick_prob(how, known, absent, everything) * found
        values.append(value if bool((row[absent] == 0).all()) else torch.zeros((), dtype=DTYPE))
    return torch.stack(values).log()


def is_complete(how: ann.Annotation, observed: Tensor) -> bool:
    """Whether somebody was asked for all labels: several known positives can also be a pick, where one may pick several."""
    alone = how.kind in ONE_POSITIVE and len(observed) > 1
    return bool((observed != -1).all()) and (alone or bool((observed == 0).any()))


def found_given(how: ann.Annotation, y: Tensor) -> float:
    """The probability that an image with labels y is found: sum_k w_k y_k / sum_j w_j under `PerLabelSearch`."""
    if how.kind != "per-label-search":
        return 1.0
    weights = [1.0] * len(y) if how.weights is None else how.weights.expand(len(y)).tolist()
    return sum(w for w, on in zip(weights, y, strict=True) if on) / sum(weights)


def found_prob(how: ann.Annotation, observed: Tensor, y: Tensor, log_p: Tensor) -> Tensor | float:
    """The probability that the image was found at all, 1 where no label is known to be present."""
    if how.kind != "per-label-search" or not bool((observed == 1).any()) or is_complete(how, observed):
        return 1.0
    return (log_p.exp() * torch.tensor([found_given(how, row) for row in y], dtype=DTYPE)).sum()


class Table(NamedTuple):
    """A distribution over all 2^K vectors."""

    y: Tensor  # (2^K, K)
    log_p: Tensor  # (2^K,) normalised

    @property
    def p(self) -> Tensor:
        return self.log_p.exp()

    @property
    def marginals(self) -> Tensor:
        return self.p @ self.y

    @property
    def entropy(self) -> Tensor:
        return -torch.where(self.p > 0, self.p * self.log_p.clamp(min=-1e300), 0.0).sum()

    @property
    def count_probs(self) -> Tensor:
        """Of 0..K present labels: (K + 1,)."""
        return torch.stack([self.p[self.y.sum(1) == n].sum() for n in range(self.y.shape[1] + 1)])

    def kl(self, other: Table) -> Tensor:
        return torch.where(self.p > 0, self.p * (self.log_p - other.log_p), 0.0).sum()

    def log_prob(self, y: Tensor) -> Tensor:
        """Of one vector, by looking it up."""
        return self.log_p[(self.y == y).all(1)].squeeze(0)

    def given(self, log_likelihood: Tensor) -> tuple[Tensor, Table]:
        """log Z and the posterior."""
        joint = self.log_p + log_likelihood
        log_z = torch.logsumexp(joint, 0)
        return log_z, Table(self.y, joint - log_z)


def table(space: LabelSpace, logits: Tensor, mixture_logits: Tensor | None = None) -> Table:
    """p(y) of one image."""
    return Table(vectors(space.num_labels), log_prior(space, logits, mixture_logits))


def condition(prior: Table, observed: Tensor, how: ann.Annotation) -> tuple[Tensor, Table]:
    """log p(o | x) and p(y | x, o); for `PerLabelSearch` both given that the image was found."""
    found = found_prob(how, observed, prior.y, prior.log_p)
    likelihood, possible = torch.zeros_like(prior.log_p), ~torch.isneginf(prior.log_p)
    likelihood[possible] = log_annotation(how, observed, prior.y[possible])
    log_z, posterior = prior.given(likelihood)
    return log_z - torch.as_tensor(found, dtype=DTYPE).log(), posterior


def padded(count_probs: Tensor, num_labels: int) -> Tensor:
    """Probabilities of 0..n_max present labels, filled up to 0..K."""
    return F.pad(count_probs, (0, num_labels + 1 - count_probs.shape[-1]))


# --- random cases ---------------------------------------------------------------------------------------------


def random_space(seed: int, most: int = 9, plain: bool = False) -> LabelSpace:
    """A random forest of at most `most` labels: all kinds of groups, several levels deep, in any order of declaration.

    With `plain` nothing hangs below other outcomes than a single label.
    """
    rng = random.Random(seed)
    total = 1 if seed % 10 == 0 else rng.randint(most // 2, most)
    labels: list[str] = []
    groups: list[Group] = []
    if not plain and seed % 3 == 1 and most > 5:  # a group of three labels, and others below two of its outcomes or three
        labels = [f"label-{number}" for number in range(5)]
        groups = [
            OneOf("group-0", labels[:3], rng.random() < 0.7),
            Free(labels[3], excludes=(labels[rng.randrange(3)],)),
            OneOf("group-2", labels[4:], rng.random() < 0.5, tuple(rng.sample(labels[:3], 2))),
        ]
    while len(labels) < total:
        requires = rng.choice(labels[-4:]) if labels and rng.random() < 0.5 else None
        size = min(rng.choice([1, 2, 2, 3, 4]), total - len(labels))
        if rng.random() < 0.5:
            new = [f"label-{len(labels)}"]
            groups.append(Free(new[0], requires))
        else:
            new = [f"label-{len(labels) + j}" for j in range(size)]
            groups.append(OneOf(f"group-{len(groups)}", new, rng.random() < 0.6, requires))
        labels += new
    rng.shuffle(groups)
    space = LabelSpace(groups)
    return space if plain or seed % 3 == 0 else _with_outcomes(space, random.Random(seed + 10**6))


def _with_outcomes(space: LabelSpace, rng: random.Random) -> LabelSpace:
    """A space with declarations of several required labels and of excluded ones, as far as they are a forest."""
    for _ in range(10):
        groups, number = list(space.groups), rng.randrange(len(space.groups))
        group = groups[number]
        others = [one for one in groups if one is not group]
        larger = [one for one in others if len(one.labels) > 1 and one.requires == group.requires]
        if not others:
            break
        if group.requires is not None and rng.random() < 0.5:
            above = space.group_of(group.required[0]).labels
            changes: dict[str, Any] = {"requires": tuple(rng.sample(above, rng.randint(1, len(above))))}
        elif rng.random() < 0.1:
            changes = {"excludes": "all", "requires": None}
        elif group.excludes == "all":
            continue
        else:
            labels = rng.choice(others).labels
            if larger and rng.random() < 0.6:
                labels = rng.choice(larger).labels
                labels = tuple(rng.sample(labels, rng.randint(1, len(labels) - 1)))
            changes = {"excludes": tuple(dict.fromkeys([*(group.excludes or ()), *labels]))}
        groups[number] = _changed(group, **changes)
        try:
            space = LabelSpace(groups)
        except LabelSpaceError:  # no forest, as most of them
            continue
    return space


def _changed(group: Group, **changes: Any) -> Group:
    held = {"requires": group.requires, "excludes": group.excludes} | changes
    if isinstance(group, Free):
        return Free(group.label, **held)
    return OneOf(group.name, group.labels, group.optional, held["requires"], group.none, held["excludes"])


def random_logits(space: LabelSpace, seed: int, *shape: int, scale: float = 1.5, impossible: float = 0.0) -> Tensor:
    """(*shape, L); with `impossible` some are -inf, but never all of a group's outcomes."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, space.num_logits, generator=generator, dtype=DTYPE) * scale
    barred = torch.rand(logits.shape, generator=generator) < impossible
    start = 0
    for group in space.groups:
        if not isinstance(group, Free):
            keep = start + int(torch.randint(group.num_logits, (), generator=generator))
            barred[..., keep] = False
        start += group.num_logits
    return logits.masked_fill(barred, -math.inf)


OBSERVATIONS = [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0), (0, 0.5), (1, 0.5), (3, 0.5), (99, 1.0)]


def random_observed(prior: Table, seed: int, known: int, absent: float) -> Tensor:
    """What is known of a random possible label set: `known` of its positives, if it has them, and a share of its absences."""
    generator = torch.Generator().manual_seed(seed)
    sets = prior.y[~torch.isneginf(prior.log_p)]
    enough = sets[sets.sum(1) >= min(known, int(sets.sum(1).max()))]
    y = enough[torch.randint(len(enough), (), generator=generator)]
    order = torch.rand(len(y), generator=generator).masked_fill(y == 0, 2.0).argsort()
    observed = torch.full(y.shape, -1, dtype=torch.int8)
    observed[order[: min(known, int(y.sum()))]] = 1
    observed[(y == 0) & (torch.rand(len(y), generator=generator) < absent)] = 0
    return observed


def annotations(num_labels: int, noise: float = 0.0) -> dict[str, ann.Annotation]:
    """One annotation of every kind, by its kind."""
    weights = torch.linspace(0.5, 3.0, num_labels, dtype=DTYPE).flip(0)
    rates = torch.linspace(0.2, 0.9, num_labels, dtype=DTYPE)
    made: Sequence[ann.Annotation] = (
        ann.Ignorable(noise=noise),
        ann.UniformPositive(noise=noise),
        ann.WeightedPositive(weights, noise=noise),
        ann.Scar(rates, noise=noise),
        ann.PerLabelSearch(weights, noise=noise),
    )
    return {how.kind: how for how in made}


KINDS = list(annotations(1))
ONE_POSITIVE = ("weighted-positive", "per-label-search")


def depth(space: LabelSpace, group: Group) -> int:
    """How many groups stand above it."""
    parent = space.parent(group)
    return 0 if parent is None else 1 + depth(space, space.named(parent.group))


# --- statistics -------------------------------------------------------------------------------------------------


def frequencies_p_value(draws: Tensor, expected: Table) -> float:
    """Pearson's chi-square of drawn vectors (S, K); rare cells are merged until ten draws are expected in each."""
    code = 2 ** torch.arange(draws.shape[1] - 1, -1, -1, dtype=DTYPE)
    counts = torch.bincount((draws.to(DTYPE) @ code).long(), minlength=len(expected.y)).tolist()
    cells, mean, count = [], 0.0, 0
    for p, found in sorted(zip(expected.p.tolist(), counts, strict=True)):
        if p == 0.0 and found:
            return 0.0
        mean, count = mean + p * len(draws), count + found
        if mean >= 10:
            cells.append((count, mean))
            mean, count = 0.0, 0
    cells[-1] = (cells[-1][0] + count, cells[-1][1] + mean)
    statistic = sum((count - mean) ** 2 / mean for count, mean in cells)
    return float(stats.chi2.sf(statistic, len(cells) - 1)) if len(cells) > 1 else 1.0


def calibration_p_value(probs: Tensor, came_true: Tensor, bins: int = 5) -> float:
    """Whether events of probability `probs` (R, K) came true at their rates: a p-value that is never too small.

    For each label and bin of probability the rows are independent, so that Hoeffding's (1956) bound
    P(|mean - p| >= d) <= 2 exp(-n KL(p + d || p)) holds without an approximation; Bonferroni over all of them.
    """
    place = (probs * bins).long().clamp(max=bins - 1)
    least, tests = 1.0, 0
    for k in range(probs.shape[1]):
        for b in place[:, k].unique().tolist():
            rows = place[:, k] == b
            mean = float(probs[rows, k].mean().clamp(1e-9, 1 - 1e-9))
            seen = float(came_true[rows, k].mean())
            divergence = float(stats.entropy([seen, 1 - seen], [mean, 1 - mean]))  # Kullback-Leibler
            least, tests = min(least, 2 * math.exp(-int(rows.sum()) * divergence)), tests + 1
    return min(1.0, least * tests)
