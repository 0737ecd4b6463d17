"""Peak memory and time of predict, complete and evaluate, by the number of images or embeddings.

    python benchmarks/memory.py [--sizes 10000 50000 200000] [--labels 20] [--features 256] [--side 16] [--keep FOLDER]

It fits a small model, then runs each command in a process of its own and prints the most memory that it ever held. The images
are links to 50 files of noise; the embeddings are noise. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

import latentlabels as ll

FILES = 50
Row = tuple[str, int, float, float]


_INSIDE = """\
import sys
from latentlabels.cli.app import main
code = main(sys.argv[2:])
with open("/proc/self/status") as status, open(sys.argv[1], "w") as out:
    out.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""


def command(*args: object) -> tuple[float, float]:
    """Run `latentlabels ARGS`: peak memory in MB, as the kernel counts it for the process, and seconds."""
    with tempfile.NamedTemporaryFile("r") as peak:
        begun = time.perf_counter()
        call = [sys.executable, "-c", _INSIDE, peak.name, *map(str, args)]
        done = subprocess.run(call, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"latentlabels {' '.join(map(str, args))} has failed: {done.stderr}")
        return int(peak.read()) / 1024, seconds


def labels_of(number: int) -> list[str]:
    return [f"label {k}" for k in range(number)]


def write_truth(path: Path, names: Sequence[str], labels: Sequence[str], known: float, seed: int = 0) -> Path:
    """A table of random complete labels, of which a share is known."""
    rng = np.random.default_rng(seed)
    with path.open("w") as file:
        file.write(",".join(["image", *labels]) + "\n")
        for name in names:
            cells = np.where(rng.random(len(labels)) < known, (rng.random(len(labels)) < 0.2).astype(int).astype(str), "")
            file.write(",".join([name, *cells]) + "\n")
    return path


def write_images(folder: Path, number: int, side: int) -> list[str]:
    """Links to a few files, 1,000 in a folder."""
    rng = np.random.default_rng(0)
    source = folder.parent / "files"
    source.mkdir(exist_ok=True)
    for file in range(FILES):
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(source / f"{file}.png")
    names = []
    for row in range(number):
        inside = folder / f"{row // 1000:03d}"
        if not row % 1000:
            inside.mkdir(parents=True)
        os.link(source / f"{row % FILES}.png", inside / f"{row:06d}.png")
        names.append(f"{inside.name}/{row:06d}.png")
    return names


def fit_images(run: Path, labels: Sequence[str], side: int) -> None:
    rng = np.random.default_rng(0)
    model = ll.LatentLabels(ll.LabelSpace.free(labels), encoder="tiny", image_size=side, epochs=1, accelerator="cpu")
    known = np.full((200, len(labels)), -1, np.int8)
    known[np.arange(200), np.arange(200) % len(labels)] = 1
    model.fit(rng.integers(0, 255, (200, 3, side, side), dtype=np.uint8), known)
    model.save(run)


def fit_vectors(run: Path, labels: Sequence[str], features: int) -> None:
    rng = np.random.default_rng(0)
    model = ll.LatentLabels(ll.LabelSpace.free(labels), encoder="embedding", epochs=1, accelerator="cpu")
    known = np.full((200, len(labels)), -1, np.int8)
    known[np.arange(200), np.arange(200) % len(labels)] = 1
    model.fit(rng.normal(size=(200, features)).astype(np.float32), known)
    model.save(run)


def measure_images(folder: Path, size: int, labels: Sequence[str], side: int) -> Iterator[Row]:
    run, images = folder / "run", folder / "images"
    fit_images(run, labels, side)
    names = write_images(images, size, side)
    yield "images: predict", size, *command("predict", run, images, "-o", folder / "out.csv")
    yield "images: predict, Parquet", size, *command("predict", run, images, "-o", folder / "out.parquet")
    some = write_truth(folder / "some.csv", names, labels, 0.1)
    yield "images: complete", size, *command("complete", run, "--observed", some, "--images", images, "-o", folder / "out.csv")
    truth = write_truth(folder / "truth.csv", names, labels, 1.0)
    yield "images: evaluate", size, *command("evaluate", run, "--truth", truth, "--images", images)


def measure_vectors(folder: Path, size: int, labels: Sequence[str], features: int) -> Iterator[Row]:
    run, vectors = folder / "run", folder / "vectors.npz"
    fit_vectors(run, labels, features)
    rng = np.random.default_rng(0)
    truth = (rng.random((size, len(labels))) < 0.2).astype(np.int8)
    known = np.where(rng.random(truth.shape) < 0.1, truth, -1).astype(np.int8)
    names = np.array([f"{row:06d}.png" for row in range(size)])
    given = {"embeddings": rng.normal(size=(size, features)).astype(np.float32), "truth": truth, "observed": known}
    np.savez(vectors, images=names, labels=np.array(labels), **given)
    yield "embeddings: predict", size, *command("predict", run, vectors, "-o", folder / "out.csv")
    yield "embeddings: complete", size, *command("complete", run, "--images", vectors, "-o", folder / "out.csv")
    yield "embeddings: evaluate", size, *command("evaluate", run, "--images", vectors)


@contextmanager
def place(keep: Path | None, name: str) -> Iterator[Path]:
    if keep is not None:
        (keep / name).mkdir(parents=True)
        yield keep / name
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 50_000, 200_000])
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--only", choices=["images", "embeddings"])
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    labels = labels_of(given.labels)
    print("| command | inputs | peak memory, MB | seconds |\n|---|---|---|---|")
    for size in given.sizes:
        for what, measured, extent in (
            ("embeddings", measure_vectors, given.features),
            ("images", measure_images, given.side),
        ):
            if given.only not in (None, what):
                continue
            with place(given.keep, f"{what}-{size}") as folder:
                for name, number, memory, seconds in measured(folder, size, labels, extent):
                    print(f"| {name} | {number:,} | {memory:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
