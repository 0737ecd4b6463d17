"""Throughput, as ratios of things timed in turn in one run.

    python benchmarks/throughput.py --images DIR [runtimes] [predict] [embed] [fit] [startup] [memory] [labels] [--repeats 3]

DIR holds images, one folder per label. Without a name, everything is measured.

runtimes: features by each runtime against eager torch, `--encoder` at its own size.
predict: `latentlabels predict` from files against a bare loop with the same runtime: threads decode the next block meanwhile.
embed: features of a folder, nothing kept against all kept.
fit: a fit of ResNet-18 on files against a bare torchvision loop with BCE on the same network, size, batches and epochs.
startup: `latentlabels --help`, and `predict` on one image.
memory: peak memory of predict by the number of images.
labels: fit and predict on kept features by the number of labels.

Each figure comes from a process of its own (`throughput_tasks.py`), with its own peak memory. Tasks that are compared run in
turn, and the medians are compared: by the clock, and by CPU time, which depends less on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from common import machine, table

TASKS = Path(__file__).with_name("throughput_tasks.py")
Found = dict[str, Any]


def run(task: str, cache: Path | str = "none", **settings: Any) -> Found:
    """One task in a process of its own: what it printed, with `seconds`, `cpu` (seconds) and `peak` (MB)."""
    call = [sys.executable, str(TASKS), task, json.dumps({key: str(value) for key, value in settings.items()})]
    done = subprocess.run(call, env={**os.environ, "LATENTLABELS_CACHE": str(cache)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} has failed:\n{done.stderr}")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def in_turn(repeats: int, tasks: dict[str, Callable[[], Found]]) -> dict[str, list[Found]]:
    """The results of each task; each repeat runs all of them."""
    out: dict[str, list[Found]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            out[name].append(task())
    return out


def middle(found: Iterable[Found], key: str) -> float:
    return median(float(one[key]) for one in found)


def against(found: dict[str, list[Found]], ours: str, other: str) -> str:
    """How fast `ours` is, as a share of the speed of `other`: by the clock, and by CPU time."""
    ratios = [middle(found[other], key) / middle(found[ours], key) for key in ("seconds", "cpu")]
    return f"speed of {ours} / {other}: {ratios[0]:.2f} by the clock, {ratios[1]:.2f} by CPU time"


def show(found: dict[str, list[Found]], number: int) -> None:
    rows = [
        [name, f"{number / middle(every, 'seconds'):.0f}", f"{middle(every, 'seconds'):.1f}", f"{middle(every, 'cpu'):.1f}",
         f"{middle(every, 'peak'):.0f}"]
        for name, every in found.items()
    ]  # fmt: skip
    print(table(rows, ["task", "images per second", "seconds", "CPU seconds", "peak memory, MB"]) + "\n")


def runtimes(given: argparse.Namespace, scratch: Path) -> None:
    found = run("runtimes", images=given.images, encoder=given.encoder, repeats=5 * given.repeats)
    eager = found["rates"]["eager torch"]
    rows = [
        [name, f"{rate:.0f}", f"{rate / eager:.1f}", *(f"{value:.1e}" for value in found["errors"][name])]
        for name, rate in found["rates"].items()
    ]
    print(table(rows, [f"{given.encoder}, {found['size']}", "images per second", "times eager", "error", "worst image"]) + "\n")


def predict(given: argparse.Namespace, scratch: Path) -> None:
    fitted, kept = scratch / "run", scratch / "cache"
    run("fit_head", kept, images=given.images, encoder=given.encoder, out=fitted, most=500)

    def ours() -> Found:
        folder = Path(tempfile.mkdtemp(dir=scratch))  # no features, but which runtime was chosen is remembered, as for the loop
        shutil.copytree(kept / "runtimes", folder / "runtimes")
        return run("predict", folder, run=fitted, images=given.images, out=scratch / "ours.csv")

    def bare() -> Found:
        about = {"run": fitted, "images": given.images, "out": scratch / "bare.csv", "runtimes": kept / "runtimes"}
        return run("predict_bare", "none", **about)

    found = in_turn(given.repeats, {"predict": ours, "bare loop": bare})
    show(found, number_of(given.images))
    print(against(found, "predict", "bare loop") + "\n")


def embed(given: argparse.Namespace, scratch: Path) -> None:
    found: dict[str, list[Found]] = {"cold": [], "warm": []}
    for _ in range(given.repeats):
        folder = tempfile.mkdtemp(dir=scratch)
        for name in found:
            found[name].append(run("embed", folder, images=given.images, encoder=given.encoder))
    show(found, number_of(given.images))


def fit(given: argparse.Namespace, scratch: Path) -> None:
    about = {"images": given.images, "size": 64, "batch": 64, "epochs": 2, "most": 640}
    found = in_turn(
        given.repeats,
        {"fit": lambda: run("fit", "none", **about), "bare loop with BCE": lambda: run("fit_bare", "none", **about)},
    )
    show(found, 2 * 640)
    print(against(found, "fit", "bare loop with BCE") + "\n")


def startup(given: argparse.Namespace, scratch: Path) -> None:
    fitted, kept = scratch / "run", scratch / "cache"
    run("fit_head", kept, images=given.images, encoder=given.encoder, out=fitted, most=500)
    one = next(path for path in sorted(given.images.rglob("*")) if path.suffix == ".jpg")
    about = {"run": fitted, "images": one, "out": scratch / "one.csv"}
    found = in_turn(
        given.repeats,
        {
            "import torch": lambda: run("bare_import"),
            "latentlabels --help": lambda: run("help"),
            "predict on one image, features kept": lambda: run(
                "predict", kept, run=fitted, images=one, out=scratch / "one.csv"
            ),
            "predict on one image": lambda: run("predict", "none", **about),
        },
    )
    rows = [[name, f"{middle(every, 'whole'):.1f}", f"{middle(every, 'peak'):.0f}"] for name, every in found.items()]
    print(table(rows, ["process", "seconds", "peak memory, MB"]) + "\n")


def memory(given: argparse.Namespace, scratch: Path) -> None:
    fitted = scratch / "run"
    run("fit_head", scratch / "cache", images=given.images, encoder=given.encoder, out=fitted, most=500)
    rows = []
    for number in given.sizes:
        folder = linked(given.images, scratch / f"linked-{number}", number)
        found = run("predict", "none", run=fitted, images=folder, out=scratch / "linked.csv")
        kept = run("predict", tempfile.mkdtemp(dir=scratch), run=fitted, images=folder, out=scratch / "linked.csv")
        rows.append([f"{number:,}", f"{found['peak']:.0f}", f"{kept['peak']:.0f}"])
    print(table(rows, ["images", "peak of predict, MB", "features kept, MB"]) + "\n")


def labels(given: argparse.Namespace, scratch: Path) -> None:
    rows = []
    for number in (100, 1000, 10_000):
        fitted = scratch / f"run-{number}"
        found = run(
            "fit_head", scratch / "cache", images=given.images, encoder=given.encoder, out=fitted, most=1000, labels=number
        )
        asked = run("predict", scratch / "cache", run=fitted, images=given.images, out=scratch / "many.parquet")
        rows.append([f"{number:,}", *(f"{one[key]:.0f}" for one in (found, asked) for key in ("seconds", "peak"))])
    header = ["K", "fit on 1,000 images, s", "peak, MB", f"predict of {number_of(given.images):,}, s", "peak, MB"]
    print(table(rows, header) + "\n")


def number_of(folder: Path) -> int:
    return sum(path.suffix.lower() in (".jpg", ".png") for path in folder.rglob("*"))


def linked(source: Path, folder: Path, number: int) -> Path:
    """A folder of `number` links to the images of another, again and again if it has fewer."""
    files = [path for path in sorted(source.rglob("*")) if path.suffix == ".jpg"]
    folder.mkdir()
    for row in range(number):
        (folder / f"{row:06d}.jpg").symlink_to(files[row % len(files)].resolve())
    return folder


PARTS = {one.__name__: one for one in (runtimes, predict, embed, fit, startup, memory, labels)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--images", type=Path, required=True, help="a folder of images, one folder per label")
    parser.add_argument("--encoder", default="lite0")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 2000, 6000], help="numbers of images for `memory`")
    given = parser.parse_args(arguments)
    wrong = [part for part in given.parts if part not in PARTS]
    if wrong:
        parser.error(f"unknown part {wrong[0]} (known: {', '.join(PARTS)})")
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}\n")
    for part in given.parts or PARTS:
        with tempfile.TemporaryDirectory() as scratch:
            PARTS[part](given, Path(scratch))


if __name__ == "__main__":
    main()
