"""Regions against features of the whole image: a frozen encoder, photographs with one known label each.

    python benchmarks/regions.py DATA/photos [--seeds 3] [--encoder lite0] [--objectives collapsed ...] [--heads]

DATA holds the images below train/ and val/, and `embeddings_train.npz` and `embeddings_val.npz` with their names (`image`),
known and complete labels (`observed`, `truth`, `labels`). Features are kept in the usual cache. `--heads` compares other heads
on the same features: without the pooled features, without the mean over the places, and without what the best place says.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from common import command, machine, measure, spread, table
from torch import Tensor, nn

from latentlabels import LabelSpace, LatentLabels, Observed
from latentlabels.fitting import build
from latentlabels.inputs import Inputs
from latentlabels.program import RegionHead

OBJECTIVES = ("collapsed", "assume-negative", "full-labels")


class MapsAlone(RegionHead):
    """Without the pooled features."""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D + d * h * w) to logits (B, rows)."""
        return super().forward(torch.cat([torch.zeros_like(features[:, : self.num_pooled]), features[:, self.num_pooled :]], 1))


class WithoutMean(RegionHead):
    """Without the mean over the places."""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D + d * h * w) to logits (B, rows)."""
        return super().forward(features) - self.scores(features).mean((-2, -1))


class WithoutBest(RegionHead):
    """Without what the best place says: linear in the features."""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D + d * h * w) to logits (B, rows)."""
        pooled = nn.functional.linear(features[:, : self.num_pooled], self.weight[:, : self.num_pooled], self.bias)
        return pooled + self.scores(features).mean((-2, -1))


HEADS = {
    "pooled, mean and best place": RegionHead,
    "mean and best place (no pooled features)": MapsAlone,
    "pooled and best place (no mean)": WithoutMean,
    "pooled and mean (no best place)": WithoutBest,
}


@contextmanager
def with_head(head: type[RegionHead]) -> Iterator[None]:
    usual, build.RegionHead = build.RegionHead, head  # type: ignore[misc]
    try:
        yield
    finally:
        build.RegionHead = usual  # type: ignore[misc]


class Photos:
    """Images with their labels."""

    def __init__(self, folder: Path, part: str):
        stored = np.load(folder / f"embeddings_{part}.npz")
        files = {path.name: path for path in sorted((folder / part).rglob("*")) if path.is_file()}
        self.files = [files[Path(str(name)).name] for name in stored["image"]]
        self.space = LabelSpace.free([str(label) for label in stored["labels"]])
        self.truth = stored["truth"]
        self.observed = stored["observed"] if "observed" in stored.files else None


def run(train: Photos, test: Photos, inputs: dict[tuple[str, bool], Inputs], **settings: object) -> dict[str, float]:
    model = LatentLabels(train.space, weights="DEFAULT", frozen=True, accelerator="cpu", learning_rate=3e-4, **settings)
    regions = bool(settings.get("regions"))
    truth = train.truth if settings["objective"] == "full-labels" else None
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train.files, Observed.from_array(train.observed, train.space), truth=truth)
        seconds = time.perf_counter() - started
        if ("test", regions) not in inputs:
            inputs["test", regions] = model.read(test.files)
        posterior = model.posterior(inputs["test", regions])
    return measure(posterior, test.truth, test.space) | {"epochs": float(len(model.history_)), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--encoder", default="lite0")
    parser.add_argument("--objectives", nargs="+", default=OBJECTIVES)
    parser.add_argument("--heads", action="store_true")
    given = parser.parse_args()
    print(f"{command()}\n{machine()}\n", flush=True)
    train, test = Photos(given.data, "train"), Photos(given.data, "val")
    heads = HEADS if given.heads else {"regions": RegionHead}
    rows, inputs = [], {}
    for objective in given.objectives:
        for name, head in {"whole image": None, **heads}.items():
            found = []
            for seed in range(given.seeds):
                with with_head(RegionHead if head is None else head):
                    settings = {"encoder": given.encoder, "objective": objective, "seed": seed, "regions": head is not None}
                    found.append(run(train, test, inputs, **settings))
                print(objective, name, seed, {key: round(value, 3) for key, value in found[-1].items()}, flush=True)
            keys = ("mAP", "nll", "F1", "ECE", "epochs", "seconds")
            rows.append([objective, name, *(spread(found, key) for key in keys)])
    print("\n" + table(rows, ["objective", "features", "mAP", "NLL", "F1", "ECE", "epochs", "seconds"]))


if __name__ == "__main__":
    main()
