"""What `throughput.py` runs, each task in a process of its own: `python throughput_tasks.py TASK '{"setting": "value"}'`.

The last line that a task prints is a JSON object: `seconds` and `cpu` (seconds) of the work after imports, `whole` seconds
since the process began, `peak` memory in MB as the kernel counts it, and what else the task tells.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_BEGUN = time.time()
Told = dict[str, Any]


def _files(folder: str, most: int | None = None) -> list[Path]:
    """Image files, every n-th of them where they are too many."""
    found = [path for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in (".jpg", ".png")]
    return found if most is None or len(found) <= most else [found[k * len(found) // most] for k in range(most)]


class Clock:
    """Seconds, by the clock and of the CPU, since it was made."""

    def __init__(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def told(self) -> Told:
        """Both."""
        return {"seconds": time.perf_counter() - self._clock, "cpu": time.process_time() - self._cpu}


def _command(*arguments: str) -> Told:
    from latentlabels.cli.app import main

    clock = Clock()
    code = main(list(arguments))
    if code:
        raise SystemExit(code)
    return clock.told()


# --- runtimes -----------------------------------------------------------------------------------------------------------


def runtimes(images: str, encoder: str, repeats: str) -> Told:
    """Images per second of each runtime on 64 pictures; each repeat runs all of them, and the fastest call counts."""
    import numpy as np
    import torch

    from latentlabels.encoders import build_encoder
    from latentlabels.encoders.runtime import TorchExtractor
    from latentlabels.encoders.runtime.agreement import agreement
    from latentlabels.encoders.runtime.selection import CANDIDATES
    from latentlabels.inputs.images import cache_images

    made = build_encoder(encoder, "DEFAULT", frozen=True)
    assert made.pixels is not None
    module, size = made.module.module, made.pixels.size
    pixels, _ = cache_images(_files(images, 64), size)
    shown = torch.from_numpy(np.ascontiguousarray(pixels))
    ways: dict[str, Any] = {"eager torch": TorchExtractor(module)}
    ways |= {one.name: one.build(module, size) for one in CANDIDATES[1:] if not one.missing}
    reference = ways["eager torch"](shown)
    errors = {name: agreement(way(shown), reference) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(int(repeats)):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(shown)
            times[name].append(time.perf_counter() - begun)
    return {
        "size": f"{size[0]} x {size[1]} px",
        "rates": {name: len(shown) / float(np.median(found)) for name, found in times.items()},
        "errors": {name: [one.error, one.worst] for name, one in errors.items()},
    }


# --- predict ------------------------------------------------------------------------------------------------------------


def predict(run: str, images: str, out: str) -> Told:
    import latentlabels.estimator  # noqa: F401

    return _command("predict", run, images, "-o", out)


def predict_bare(run: str, images: str, out: str, runtimes: str) -> Told:
    """Decode in threads one block ahead, features by the same runtime, the head, probabilities as text."""
    import torch
    from PIL import Image

    import latentlabels as ll
    import latentlabels.estimator
    from latentlabels.encoders.runtime import choose_extractor

    clock = Clock()
    model = ll.LatentLabels.load(run)
    found = model.fitted_
    assert found.image_size is not None
    height, width = found.image_size
    amortizer = found.program.model.amortizer.eval()
    extract = choose_extractor(amortizer.encoder.module, (height, width), remembered=Path(runtimes))

    def decode(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            image.draft("RGB", (2 * width, 2 * height))
            small = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        return torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(height, width, 3).permute(2, 0, 1)

    def blocks() -> Iterator[tuple[list[Path], torch.Tensor]]:
        parts = [files[first : first + 128] for first in range(0, len(files), 128)]
        with ThreadPoolExecutor(os.cpu_count()) as pool, ThreadPoolExecutor(1) as ahead:
            coming = None
            for part in parts:
                before, coming = coming, (part, ahead.submit(lambda part=part: torch.stack([*pool.map(decode, part)])))
                if before is not None:
                    yield before[0], before[1].result()
            if coming is not None:
                yield coming[0], coming[1].result()

    files = _files(images)
    with open(out, "w") as file, torch.inference_mode():
        for part, pixels in blocks():
            logits = amortizer.head(amortizer.encoder.standardize(extract(pixels)))
            for path, row in zip(part, logits.sigmoid().tolist(), strict=True):
                file.write(f"{path}," + ",".join(f"{value:.6g}" for value in row) + "\n")
    return clock.told()


def fit_head(images: str, encoder: str, out: str, most: str, labels: str = "18") -> Told:
    """Fit the head of a frozen encoder to random labels, one known for each image."""
    import numpy as np

    import latentlabels as ll

    files = _files(images, int(most))
    known = np.full((len(files), int(labels)), -1, np.int8)
    known[np.arange(len(files)), np.random.default_rng(0).integers(int(labels), size=len(files))] = 1
    space = ll.LabelSpace.free(f"label {k}" for k in range(int(labels)))
    clock = Clock()
    model = ll.LatentLabels(space, encoder=encoder, weights="DEFAULT", frozen=True, epochs=2, accelerator="cpu")
    model.fit([str(file) for file in files], known)
    told = clock.told()
    model.save(out)
    return told


# --- embed --------------------------------------------------------------------------------------------------------------


def embed(images: str, encoder: str) -> Told:
    """Features of all files, found or computed."""
    import latentlabels  # noqa: F401
    from latentlabels.config import FitConfig, ModelConfig
    from latentlabels.fitting.settling import wanted_by
    from latentlabels.inputs import read_inputs

    clock = Clock()
    model = ModelConfig(encoder=encoder, weights="DEFAULT", frozen=True)
    read_inputs([str(file) for file in _files(images)], space=None, wanted=wanted_by(model, FitConfig(accelerator="cpu")))
    return clock.told()


# --- fit ----------------------------------------------------------------------------------------------------------------


def _known(files: list[Path]) -> tuple[list[str], Any]:
    """The label that each file's folder names."""
    import numpy as np

    names = sorted({file.parent.name for file in files})
    known = np.full((len(files), len(names)), -1, np.int8)
    known[np.arange(len(files)), [names.index(file.parent.name) for file in files]] = 1
    return names, known


def fit(images: str, size: str, batch: str, epochs: str, most: str) -> Told:
    """A fit of ResNet-18 from random weights on files; a fit of a few embeddings before it imports what fits need."""
    import numpy as np

    import latentlabels as ll

    files = _files(images, int(most))
    names, known = _known(files)
    ll.LatentLabels(ll.LabelSpace.free("ab"), encoder="embedding", epochs=1).fit(
        np.ones((20, 4)), np.eye(2, dtype=np.int8)[[0, 1] * 10]
    )
    clock = Clock()
    model = ll.LatentLabels(
        ll.LabelSpace.free(names), encoder="resnet18", image_size=int(size), batch_size=int(batch), epochs=int(epochs),
        patience=99, augment=False, accelerator="cpu", frozen=False,
    )  # fmt: skip
    model.fit([str(file) for file in files], known)
    return clock.told() | {"epochs": len(model.history_)}


def fit_bare(images: str, size: str, batch: str, epochs: str, most: str) -> Told:
    """The same network and batches with BCE: decoded once in threads, a tenth held out and looked at after each epoch."""
    import torch
    import torch.nn.functional as F
    import torchvision
    from PIL import Image

    files, side = _files(images, int(most)), int(size)
    names, known = _known(files)
    clock = Clock()

    def decode(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            image.draft("RGB", (2 * side, 2 * side))
            small = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        return torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(side, side, 3).permute(2, 0, 1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pixels = torch.stack([*pool.map(decode, files)])
    target = torch.from_numpy((known == 1).astype("float32"))
    held = len(files) // 10
    order = torch.randperm(len(files))
    test, train = order[:held], order[held:]
    net = torchvision.models.resnet18(num_classes=len(names))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def logits(rows: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = net((pixels[rows].float() / 255 - mean) / deviation)
        return out

    for _ in range(int(epochs)):
        net.train()
        for rows in train[torch.randperm(len(train))].split(int(batch)):
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(logits(rows), target[rows]).backward()
            optimiser.step()
        net.eval()
        with torch.no_grad():
            for rows in test.split(int(batch)):
                F.binary_cross_entropy_with_logits(logits(rows), target[rows])
    return clock.told()


# --- start-up -----------------------------------------------------------------------------------------------------------


def bare_import() -> Told:
    clock = Clock()
    import torch  # noqa: F401

    return clock.told()


def help() -> Told:
    return _command("--help")


TASKS = {one.__name__: one for one in (runtimes, predict, predict_bare, fit_head, embed, fit, fit_bare, bare_import, help)}

if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    with open("/proc/self/status") as status:  # `ru_maxrss` would count what the parent held when it forked
        peak = int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024
    print(json.dumps({**told, "whole": time.time() - _BEGUN, "peak": peak}))
