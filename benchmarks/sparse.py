"""A fit on a large table of which little is known: the memory of the known labels, and of the whole fit.

    python benchmarks/sparse.py [--dense] [--images 300000] [--labels 2000] [--features 16]

Noise as embeddings, one known label for each image, one epoch. Seed 0.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

import latentlabels as ll
from latentlabels.observed import sparse


def peak() -> float:
    """The most memory that this process ever held, in MB."""
    with open("/proc/self/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dense", action="store_true", help="keep all of the table")
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--labels", type=int, default=2_000)
    parser.add_argument("--features", type=int, default=16)
    given = parser.parse_args()
    if given.dense:
        sparse.SPARSE_FROM = 1 << 60
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(given.images, given.features)).astype(np.float32)
    columns = rng.integers(0, given.labels, given.images)
    space = ll.LabelSpace.free(f"label {k}" for k in range(given.labels))
    model = ll.LatentLabels(encoder="embedding", epochs=1, batch_size=1024, accelerator="cpu")
    print(f"before: {peak():.0f} MB")
    known = ll.Observed.from_entries(np.arange(given.images), columns, np.ones(given.images, np.int8), given.images, space)
    print(f"known labels: {known.known.num_bytes / 1e6:.1f} MB")
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(vectors, known)
    value = model.history_[-1]["held_out_log_likelihood"]
    print(f"fit: peak {peak():.0f} MB, {time.perf_counter() - begun:.0f} s, held-out log-likelihood {value:.4f}")


if __name__ == "__main__":
    main()
