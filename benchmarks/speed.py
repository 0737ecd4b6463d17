"""Speed, as ratios of things timed in turn in one run; one thread.

    python benchmarks/speed.py [objective] [growth] [step] [fit]

objective: the collapsed objective against BCE and TraceEnum_ELBO, forward and backward, B = 64, K = 200 free labels.
growth: its cost from K = 100 to 10,000, time and memory per label.
step: a training step of ResNet-18 at 64 px, B = 64, against the same step with BCE.
fit: a fit on 9,000 embeddings of 1,280, with 60 labels in 12 groups and with 18 free ones, against the leanest plain torch loop
with the same objective, batches and looks at held-out rows, and against one with BCE.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyro
import torch
import torch.nn.functional as F
from common import machine, table
from pyro.infer import TraceEnum_ELBO
from torch import Tensor, nn

from latentlabels import LabelSpace, LabelVector, LatentLabels, NonEmptyLabelVector, OneOf
from latentlabels.annotation import UniformPositive
from latentlabels.distributions.nonempty import EMPTY_ODDS
from latentlabels.fitting.build import SCALE_PRIOR
from latentlabels.objectives import DEFAULT, OBJECTIVES, Known
from latentlabels.program import Amortizer, LabelGuide, LabelModel
from latentlabels.program.enumerated import enumerated_guide, enumerated_model

Loss = Callable[[Tensor, Tensor], Tensor]


def in_turn(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each task; each repeat runs all of them, so that all meet the same disturbance."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for repeat in range(repeats + 3):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if repeat >= 3:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def one_known(truth: Tensor) -> Tensor:
    observed = torch.full(truth.shape, -1, dtype=torch.int8)
    picked = (truth * torch.rand(truth.shape)).argmax(-1, keepdim=True)
    return observed.scatter(-1, picked, 1)


def sparse(batch: int, labels: int, present: float = 4.0) -> tuple[Tensor, Tensor]:
    """Logits of about `present` labels per row, and one known label each."""
    logits = torch.randn(batch, labels) + np.log(present / labels)
    truth = torch.bernoulli(torch.sigmoid(logits))
    truth[torch.arange(batch), logits.argmax(-1)] = 1.0
    return logits, one_known(truth)


def objective() -> None:
    logits, observed = sparse(64, 200)
    space, how = LabelSpace.free(f"label{k}" for k in range(200)), UniformPositive()
    target = (observed == 1).float()
    ours, bce = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    held = logits.clone().requires_grad_()
    nodes = how.evidence(observed, lambda: LabelVector(space, logits)._count_bound(observed), torch.float32).tilt.shape[-2]
    elbo = TraceEnum_ELBO(max_plate_nesting=2)

    def enumerated() -> None:
        q = LabelVector(space, held, validate_args=False)
        elbo.differentiable_loss(enumerated_model, enumerated_guide, q, observed).backward()

    amortizer = Amortizer(space, nn.Identity(), 4)
    fitted = OBJECTIVES[DEFAULT](space)
    fitted.attach(LabelModel(amortizer, how), LabelGuide(amortizer, how))
    fitted.start(Known(observed, torch.arange(64), torch.full((200,), 0.05), 10.0, lambda rows: logits[rows]))
    step_of = logits.clone().requires_grad_()
    rows_of = torch.arange(64)
    found = in_turn(
        {
            "BCE": lambda: F.binary_cross_entropy_with_logits(bce, target).backward(),
            "collapsed, as fits take it": lambda: fitted(step_of, observed, None, rows_of).backward(),
            "collapsed, general sums": lambda: (
                LabelVector(space, ours, validate_args=False).log_marginal(observed, how).mean().backward()
            ),
            "TraceEnum_ELBO": enumerated,
        },
        300,
    )
    rows = [[name, f"{value:.2f}", f"{value / found['BCE']:.1f}"] for name, value in found.items()]
    print(table(rows, ["B = 64, K = 200 free", "ms", "times BCE"]))
    slower = found["TraceEnum_ELBO"] / found["collapsed, as fits take it"]
    print(f"\nTraceEnum_ELBO / collapsed: {slower:.1f} ({nodes} quadrature nodes)\n")


def kept(task: Callable[[], Tensor]) -> float:
    """MB of tensors that a forward pass keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = task()  # held, so that no storage is used twice
    del result
    return sum(sizes.values()) / 1e6


def growth() -> None:
    sizes = (100, 300, 1000, 3000, 10_000)
    tasks: dict[str, Callable[[], object]] = {}
    forward: dict[int, Callable[[], Tensor]] = {}
    how = UniformPositive()
    for size in sizes:
        space = LabelSpace.free(f"label{k}" for k in range(size))
        logits, observed = sparse(64, size)
        leaf, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        target = (observed == 1).float()
        forward[size] = lambda s=space, x=leaf, o=observed: LabelVector(s, x, validate_args=False).log_marginal(o, how).mean()
        tasks[f"{size}"] = lambda size=size: forward[size]().backward()
        tasks[f"bce {size}"] = lambda x=other, y=target: F.binary_cross_entropy_with_logits(x, y).backward()
    found = in_turn(tasks, 60)
    rows = [
        [
            f"{size:,}",
            f"{found[str(size)]:.2f}",
            f"{1e3 * found[str(size)] / size:.2f}",
            f"{found[str(size)] / found[f'bce {size}']:.1f}",
            f"{1e6 * kept(forward[size]) / size / 64:.0f}",
        ]
        for size in sizes
    ]
    print(table(rows, ["K", "ms (B = 64)", "µs per label", "times BCE", "bytes kept per label and image"]) + "\n")


def step() -> None:
    import torchvision

    images = torch.rand(64, 3, 64, 64)
    space, how = LabelSpace.free(f"label{k}" for k in range(200)), UniformPositive()
    _, observed = sparse(64, 200)
    target = (observed == 1).float()
    net = torchvision.models.resnet18(num_classes=200)
    optimiser = torch.optim.AdamW(net.parameters(), fused=True)

    def run(loss: Callable[[Tensor], Tensor]) -> None:
        optimiser.zero_grad()
        loss(net(images)).backward()
        optimiser.step()

    found = in_turn(
        {
            "BCE": lambda: run(lambda logits: F.binary_cross_entropy_with_logits(logits, target)),
            "collapsed": lambda: run(
                lambda logits: -LabelVector(space, logits, validate_args=False).log_marginal(observed, how).mean()
            ),
        },
        8,
    )
    rows = [[name, f"{value:.0f}", f"{value / found['BCE']:.3f}"] for name, value in found.items()]
    print(table(rows, ["ResNet-18, 64 px, B = 64, K = 200", "ms per step", "times BCE"]) + "\n")


@dataclass(frozen=True)
class Embeddings:
    """9,000 vectors of 1,280 numbers with one known label each; the last tenth is held out."""

    space: LabelSpace
    x: Tensor
    observed: Tensor
    held: int = 900

    @classmethod
    def drawn(cls, space: LabelSpace, log_odds: float) -> Embeddings:
        """Numbers at random, and labels that do not depend on them."""
        torch.manual_seed(0)
        truth = space.distribution(torch.full((space.num_logits,), log_odds)).sample(torch.Size([9000]))
        truth[truth.sum(-1) == 0, 0] = 1
        return cls(space, torch.randn(9000, 1280), one_known(truth))


def plain_fit(data: Embeddings, batch: int, epochs: int, loss: Loss | None) -> float:
    """Seconds per epoch of the leanest loop that we could write: rows indexed at once, one group of parameters.

    Without `loss`: binary cross-entropy with every unknown label as absent, and no look at held-out rows. With it: `loss` of
    distribution and known labels is minimised, and after every epoch the held-out rows are looked at, as a fit does.
    """

    def bce(out: Tensor, known: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(out, (known == 1).float())

    space, size = data.space, len(data.x) - data.held
    logits = space.num_labels if loss is None else space.num_logits
    head = nn.Linear(data.x.shape[1], logits)
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, fused=True)
    start = time.process_time()
    for _ in range(epochs):
        for part in torch.randperm(size).split(batch):
            out, known = head(data.x.index_select(0, part)), data.observed.index_select(0, part)
            value = bce(out, known) if loss is None else loss(out, known)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        if loss is not None:
            with torch.no_grad():
                for x, known in zip(data.x[size:].split(4 * batch), data.observed[size:].split(4 * batch), strict=True):
                    out = head(x)
                    float(loss(out, known)), float(space.distribution(out).marginals.sum(-1).mean())
    return (time.process_time() - start) / epochs


def our_fit(data: Embeddings, batch: int, epochs: int, seed: int) -> float:
    """Seconds per epoch of `LatentLabels.fit`, start-up aside: a fit of some epochs less a fit of one."""

    def seconds(count: int) -> float:
        model = LatentLabels(
            data.space, encoder="embedding", batch_size=batch, epochs=count, patience=99, seed=seed, learning_rate=1e-3
        )
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(data.x.numpy(), data.observed.numpy())
        return time.process_time() - start

    return (seconds(epochs + 1) - seconds(1)) / epochs


def fit_all(repeats: int = 5, epochs: int = 6) -> None:
    how = UniformPositive()
    grouped = LabelSpace(OneOf(f"group{g}", [f"{g}.{k}" for k in range(5)], optional=g > 2) for g in range(12))
    free = LabelSpace.free(f"label{k}" for k in range(18))

    def of_groups(logits: Tensor, known: Tensor) -> Tensor:
        return -LabelVector(grouped, logits, validate_args=False).log_marginal(known, how).mean()

    def of_some(logits: Tensor, known: Tensor) -> Tensor:  # free labels, at least one of which is present as a rule
        q = NonEmptyLabelVector(free, logits, EMPTY_ODDS, validate_args=False)
        return -(q.log_marginal(known, how) + SCALE_PRIOR * q.log_mass).mean()

    cases: list[tuple[str, Embeddings, Loss]] = [
        ("60 labels in 12 groups", Embeddings.drawn(grouped, 0.0), of_groups),
        ("18 free labels", Embeddings.drawn(free, -2.0), of_some),
    ]
    rows = []
    for name, data, loss in cases:
        for batch in (64, 256):
            found = np.array(
                [
                    (
                        plain_fit(data, batch, epochs, loss),
                        our_fit(data, batch, epochs, seed),
                        plain_fit(data, batch, epochs, None),
                    )
                    for seed in range(repeats)
                ]
            )
            ratios = found[:, 1:2] / found[:, ::2]
            told = [f"{np.median(r):.2f} ({r.min():.2f} to {r.max():.2f})" for r in ratios.T]
            rows.append([name, str(batch), *(f"{value:.3f}" for value in np.median(found, 0)), *told])
    header = ["labels", "batch", "plain loop", "latentlabels", "plain loop, BCE", "ratio", "ratio to BCE"]
    print(f"Seconds of one core per epoch, median of {repeats}, and ratios with their range.\n\n" + table(rows, header))
    print("\nThe plain loop minimises the same objective and looks at the held-out tenth after every epoch, as ours does;")
    print("that with BCE takes unknown labels as absent and looks at nothing.\n")


PARTS = {"objective": objective, "growth": growth, "step": step, "fit": fit_all}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pyro.set_rng_seed(0)
    print(f"{machine()}\n")
    for name in args.parts:
        PARTS[name]()


if __name__ == "__main__":
    main()
