"""How many complete images it takes: a closed simulation, without pictures and without a network.

python benchmarks/power.py [--labels 10 20 60] [--known 2000 10000] [--complete 30 100 300 1000] [--repeats 10] [--checks 100]

Images show labels independently of each other, 2 on average (4 where there are 60 labels); the prevalences fall from label to
label so that the most frequent one is 20 times as frequent as the rarest. One label of each image is named.
Learning: log weights are Normal(0, 1). The check: they are so, or half of the labels, drawn anew each time, are named twice as
readily.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
import torch
from common import command, machine, table
from numpy.typing import NDArray

from latentlabels import LabelSpace, Observed
from latentlabels.annotation import UniformPositive, WeightedPositive
from latentlabels.annotation.learning import learn
from latentlabels.checks.complete_images import pick_check
from latentlabels.program.starting_point import derive_prior

Floats = NDArray[np.float64]
POPULATION = 20_000
RATIO = 20.0  # prevalence of the most frequent label to that of the rarest


class Row(NamedTuple):
    """Means over repeats.

    Attributes:
        count_error: standard deviation of the expected number of labels, relative.
        stated: the factor within which half of the weights are said to be known.
        found: the factor within which half of them are.
        of_known: the same where a label counts as often as it is named.
        covered: share of intervals that hold the weight.
        noted: share of Normal(0, 1) preferences that the check notes (p at most 0.01).
        noted_half: the same where half of the labels are named twice as readily.
    """

    count_error: float
    stated: float
    found: float
    of_known: float
    covered: float
    noted: float
    noted_half: float


class World:
    """Images and what is named on them.

    Args:
        num_labels: K.
        rng: of all draws.
    """

    def __init__(self, num_labels: int, rng: np.random.Generator):
        self.rng, self.size = rng, num_labels
        self.space = LabelSpace.free([f"label {k}" for k in range(num_labels)])
        chance = RATIO ** -np.linspace(0, 1, num_labels)
        chance = np.minimum(chance * (4 if num_labels >= 60 else 2) / chance.sum(), 0.9)
        self.truth = (rng.random((POPULATION, num_labels)) < chance).astype(np.int8)

    def shares(self, weights: Floats) -> Floats:
        """How often each label is the one that is named, (K,)."""
        shown = self.truth[self.truth.any(1)] * weights
        return np.asarray((shown / shown.sum(1, keepdims=True)).mean(0))

    def table(self, weights: Floats, num_known: int, num_complete: int) -> Observed:
        """So many images of which one label is known, after so many of which all are."""
        known = np.full((num_known, self.size), -1, np.int8)
        known[np.arange(num_known), self.rng.choice(self.size, num_known, p=self.shares(weights))] = 1
        complete = self.truth[self.rng.choice(POPULATION, num_complete, replace=False)]
        return Observed(np.concatenate([complete, known]), self.space)


def measure(world: World, num_known: int, num_complete: int, repeats: int, checks: int) -> Row:
    """One row of the table."""
    rng, size = world.rng, world.size
    counts, stated, errors, of_known, covered = [], [], [], [], []
    for _ in range(repeats):
        weights = np.exp(rng.normal(size=size))
        weights /= np.exp(np.log(weights).mean())
        known = world.table(weights, num_known, num_complete)
        annotation = learn(WeightedPositive("learn"), known.known, known.space)
        found = annotation.learned["weights"]
        off = np.abs(np.log(found.estimate) - np.log(weights))
        counts.append(derive_prior(known.space, known.known, annotation).expected_labels)
        stated.append(np.log(found.factor))
        errors.append(np.median(off))
        order = np.argsort(off)
        share = np.cumsum(world.shares(weights)[order])
        of_known.append(off[order][np.searchsorted(share, 0.5 * share[-1])])
        covered.append(np.mean((np.array(found.low) <= weights) & (weights <= np.array(found.high))))
    noted = []
    for halves in (False, True):
        values = []
        for _ in range(checks):
            weights = 1.0 + (rng.permutation(size) < size // 2) if halves else np.exp(rng.normal(size=size))
            check = pick_check(world.table(weights, num_known, num_complete), UniformPositive())
            values.append(check is not None and check.p_value <= 0.01)
        noted.append(float(np.mean(values)))
    true = float(world.truth.sum(1).mean())
    spread = float(np.sqrt(np.mean((np.array(counts) - true) ** 2))) / true
    factors = [float(np.exp(np.mean(one))) for one in (stated, errors, of_known)]
    return Row(spread, *factors, float(np.mean(covered)), *noted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", nargs="+", type=int, default=[10, 20, 60])
    parser.add_argument("--known", nargs="+", type=int, default=[2000, 10_000])
    parser.add_argument("--complete", nargs="+", type=int, default=[30, 100, 300, 1000])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--checks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"`{command()}`  \n{machine()}\n")
    rows = []
    for labels in args.labels:
        world = World(labels, np.random.default_rng(args.seed))
        for known in args.known:
            for complete in args.complete:
                one = measure(world, known, complete, args.repeats, args.checks)
                rows.append([
                    f"{labels}", f"{known:,}", f"{complete:,}", f"{100 * one.count_error:.0f} %", f"{one.stated:.2f}",
                    f"{one.found:.2f}", f"{one.of_known:.2f}", f"{100 * one.covered:.0f} %", f"{100 * one.noted:.0f} %",
                    f"{100 * one.noted_half:.0f} %",
                ])  # fmt: skip
    head = ["labels", "known", "complete", "labels per image off by", "90 % interval", "half within"]
    print(table(rows, [*head, "half of named within", "intervals right", "noted", "noted, two-fold"]))


if __name__ == "__main__":
    main()
