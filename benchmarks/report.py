"""What a report costs: looking at images through a fit, writing the page, and how large it is, by the number of labels.

And the distribution of the number of labels, which was most of it, beside the whole Fourier transform.

python benchmarks/report.py [--labels 20 200 1000] [--images 2000] [--seed 0]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from common import command, machine, table

from latentlabels import LabelSpace, LatentLabels, exact
from latentlabels.exact import counting
from latentlabels.report import write_report
from latentlabels.report.prediction_summary import find
from latentlabels.report.stored_predictions import FITTED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", nargs="+", type=int, default=[20, 200, 1000])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for labels in args.labels:
        rng = np.random.default_rng(args.seed)
        images = rng.integers(0, 256, (args.images, 3, 64, 64), np.uint8)
        observed = np.full((args.images, labels), -1, np.int8)
        observed[np.arange(args.images), rng.integers(labels, size=args.images)] = 1
        m = LatentLabels(LabelSpace.free(f"label {k}" for k in range(labels)), encoder="tiny", epochs=1, seed=args.seed)
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m.fit(images, observed)
        fitted = time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            run = m.save(folder)
            started = time.perf_counter()
            find(m, images, observed).write(run / FITTED)
            looked = time.perf_counter() - started
            started = time.perf_counter()
            page = write_report(run)
            written = time.perf_counter() - started
            sizes = [f"{Path(path).stat().st_size / 1e6:.1f}" for path in (run / FITTED, page)]
        rows.append([f"{labels:,}", f"{fitted:.1f}", f"{looked:.1f}", f"{written:.1f}", *sizes])
    print(f"`{command()}`  \n{machine()}\n")
    print(table(rows, ["labels", "one epoch of the fit, s", "looking, s", "writing, s", "findings.npz, MB", "report.html, MB"]))
    print()
    print(
        table(
            [counts(labels, args.seed) for labels in args.labels], ["labels", "bounded, s", "whole, s", "ratio", "difference"]
        )
    )


def counts(labels: int, seed: int, present: float = 4.0, images: int = 200) -> list[str]:
    """`exact.count_probs` of free labels, some present, beside the transform at as many points as there are labels."""
    torch.manual_seed(seed)
    forest = exact.compile_forest(LabelSpace.free(f"label {k}" for k in range(labels)))
    logits = torch.logit(torch.tensor(present / labels)) + torch.randn(images, labels, dtype=torch.float64)
    seconds, found = [], []
    for work in (exact.count_probs, whole):
        work(forest, logits[:2])
        times = []
        for _ in range(3):
            started = time.perf_counter()
            result = work(forest, logits)
            times.append(time.perf_counter() - started)
        seconds.append(min(times))
        found.append(result)
    difference = float((found[0] - found[1]).abs().max())
    return [f"{labels:,}", f"{seconds[0]:.3f}", f"{seconds[1]:.3f}", f"{seconds[1] / seconds[0]:.1f}", f"{difference:.0e}"]


def whole(forest: exact.Forest, logits: torch.Tensor) -> torch.Tensor:
    size = forest.max_count + 1
    return torch.cat([counting._by_fourier(forest, part, size) for part in logits.split(250)])


if __name__ == "__main__":
    main()
