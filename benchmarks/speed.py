"""Speed, as ratios of things timed in turn in one run; one thread.

    python benchmarks/speed.py [objective] [growth] [step] [fit]

objective: the collapsed objective against BCE and TraceEnum_ELBO, forward and backward, B = 64, K = 200 free labels.
growth: its cost from K = 100 to 10,000, time and memory per label.
step: a training step of ResNet-18 at 64 px, B = 64, against the same step with BCE.
fit: a fit on 9,000 embeddings of 1,280 with 60 labels in 12 groups against a plain torch loop with BCE, same batches.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterable

import numpy as np
import pyro
import torch
import torch.nn.functional as F
from common import machine, table
from pyro.infer import TraceEnum_ELBO
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from latentlabels import LabelSpace, LabelVector, LatentLabels, OneOf
from latentlabels.annotation import UniformPositive
from latentlabels.program.enumerated import enumerated_guide, enumerated_model


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

    found = in_turn(
        {
            "BCE": lambda: F.binary_cross_entropy_with_logits(bce, target).backward(),
            "collapsed": lambda: LabelVector(space, ours, validate_args=False).log_marginal(observed, how).mean().backward(),
            "TraceEnum_ELBO": enumerated,
        },
        300,
    )
    rows = [[name, f"{value:.2f}", f"{value / found['BCE']:.1f}"] for name, value in found.items()]
    print(table(rows, ["B = 64, K = 200 free", "ms", "times BCE"]))
    print(f"\nTraceEnum_ELBO / collapsed: {found['TraceEnum_ELBO'] / found['collapsed']:.1f} ({nodes} quadrature nodes)\n")


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


def fit_all() -> None:
    space = LabelSpace(OneOf(f"group{g}", [f"{g}.{k}" for k in range(5)], optional=g > 2) for g in range(12))
    inputs = np.random.default_rng(0).normal(size=(9000, 1280)).astype(np.float32)
    truth = space.distribution(torch.zeros(space.num_logits)).sample(torch.Size([9000]))
    observed = one_known(truth).numpy()
    x, o = torch.from_numpy(inputs), torch.from_numpy(observed)
    epochs = 5

    def plain(batches: Callable[[], Iterable[tuple[Tensor, Tensor]]]) -> float:
        head = nn.Linear(1280, 60)
        optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, fused=True)
        start = time.perf_counter()
        for _ in range(epochs):
            for vectors, known in batches():
                loss = F.binary_cross_entropy_with_logits(head(vectors), (known == 1).float())
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return (time.perf_counter() - start) / epochs

    def ours(batch: int, seed: int) -> float:
        model = LatentLabels(space, encoder="embedding", batch_size=batch, epochs=epochs + 1, patience=99, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(inputs, observed)
        history = model.history_
        return float(history[-1]["seconds"] - history[0]["seconds"]) / epochs  # start-up is in the first epoch

    rows = []
    for batch in (64, 256):
        loader = DataLoader(TensorDataset(x[:8100], o[:8100]), batch_size=batch, shuffle=True)
        found = np.array(
            [
                (
                    plain(lambda b=batch: ((x[part], o[part]) for part in torch.randperm(8100).split(b))),
                    plain(lambda source=loader: source),
                    ours(batch, seed),
                )
                for seed in range(5)
            ]
        )
        ratios = found[:, 2:] / found[:, :2]
        told = [f"{np.median(r):.2f} ({r.min():.2f} to {r.max():.2f})" for r in ratios.T]
        rows.append([str(batch), *(f"{value:.3f}" for value in np.median(found, 0)), *told])
    header = [
        "batch",
        "BCE, rows indexed",
        "BCE, DataLoader",
        "latentlabels",
        "ratio to the first (range of 5)",
        "to the second",
    ]
    print("Seconds per epoch.\n\n" + table(rows, header))
    print("\nOurs holds a tenth of the images out and looks at them after every epoch; the plain loops look at nothing.\n")


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
