"""How fast the service answers: 16 clients, 2,000 requests on loopback, beside the bare model.

Run by hand: ``python benchmarks/serving.py [--requests 2000] [--clients 16]``. It renders scenes, fits a small encoder, starts
`latentlabels serve` in a process of its own, and prints a table: requests per second, and the 50th and 95th percentile of a
request's time. Uploads go through the model each; posteriors are conditioned on one of four labels, then on two labels that few
other requests state; lists are of 50 images. Then the same pictures go through the bare model, one at a time and 16 at a time.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

import latentlabels as ll

TOKEN = "a-token-of-the-benchmark"
COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
FREE = ("striped", "headlights", "smoke", "night", "rain", "tree")
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--encoder", default="tiny")
    parser.add_argument("--size", type=int, default=64, help="pixels of a picture's side")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, pictures = fitted(Path(folder), given.encoder, given.size)
        with served(run) as base:
            share = {"uploads": 0.2, "posteriors": 0.4, "two labels": 0.2, "lists": 0.2}
            print(f"{'':24}{'requests':>9}{'errors':>8}{'per s':>9}{'p50 ms':>9}{'p95 ms':>9}")
            for kind, part in share.items():
                seconds, times, errors = load(base, kind, int(given.requests * part), given.clients, pictures)
                line(kind, times, errors, seconds)
        bare(run, pictures)


def fitted(folder: Path, encoder: str, size: int) -> tuple[Path, list[bytes]]:
    """A run on scenes, and pictures as PNG."""
    scenes = ll.render_scenes(200, seed=1, size=size)
    ll.write_scenes(scenes, folder / "scenes")
    command = ["fit", "--images", folder / "scenes" / "images-by-label", "--labels", folder / "scenes" / "labels.yaml"]
    command += ["--set", f"model.encoder={encoder}", "--set", f"model.image_size={size}", "--set", "fit.epochs=2"]
    command += ["--out", folder / "run"]
    subprocess.run(
        [sys.executable, "-m", "latentlabels", *map(str, command)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder / "run", [encoded(image) for image in scenes.images[:64]]


def encoded(image: Any) -> bytes:
    """An array (3, H, W) as PNG."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(out, "PNG")
    return out.getvalue()


class served:  # noqa: N801
    """`latentlabels serve` in a process of its own; gives its address."""

    def __init__(self, run: Path):
        command = [sys.executable, "-m", "latentlabels", "serve", str(run), "--port", "0", "--token", TOKEN]
        self.process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self) -> str:
        assert self.process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += self.process.stdout.readline()
        base = json.loads(text)["address"].rstrip("/")
        while (found := httpx.get(f"{base}/v1/health").json())["num_predicted"] < found["num_images"]:
            time.sleep(0.1)
        return str(base)

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait()


def load(
    base: str, kind: str, number: int, clients: int, pictures: list[bytes]
) -> tuple[float, list[float], int]:  # fmt: skip
    """Seconds that all requests of a kind took, seconds of each, and how many failed."""
    times: list[list[float]] = [[] for _ in range(clients)]
    errors = [0] * clients

    place = base.removeprefix("http://")

    def work(client: int) -> None:
        connection = http.client.HTTPConnection(place, timeout=60)  # others take more time than the service
        for count in range(client, number, clients):
            start = time.perf_counter()
            try:
                connection.request(*asked(kind, count, pictures))
                answer = connection.getresponse()
                answer.read()
                errors[client] += answer.status >= 400
            except (OSError, http.client.HTTPException):
                errors[client] += 1
                connection.close()
            times[client].append(time.perf_counter() - start)
        connection.close()

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, [one for part in times for one in part], sum(errors)


def asked(kind: str, count: int, pictures: list[bytes]) -> tuple[str, str, bytes | None, dict[str, str]]:
    """One request: method, address, body and headers."""
    if kind == "uploads":
        return "POST", "/v1/uploads", pictures[count % len(pictures)], {**HEADERS, "Content-Type": "image/png"}
    if kind == "lists":
        return "GET", f"/v1/images?offset={count % 100}&limit=50&sort=useful", None, HEADERS
    stated: dict[str, list[str]] = {"present": [("car", "bus", "striped", "night")[count % 4]]}
    if kind == "two labels":
        colour, free = COLOURS[count % 6], FREE[count // 6 % 6]
        stated = {"present": [colour], "absent": [free]} if count // 36 % 2 else {"present": [free], "absent": [colour]}
    body = json.dumps({"images": [str(count % 200)], **stated}).encode()
    return "POST", "/v1/posterior", body, {**HEADERS, "Content-Type": "application/json"}


def bare(run: Path, pictures: list[bytes]) -> None:
    """The same pictures through the model alone: decoded, encoded, and their posterior."""
    import torch

    torch.set_num_threads(1)
    model = ll.LatentLabels.load(run)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.png" for number in range(len(pictures))]
        for file, content in zip(files, pictures, strict=True):
            file.write_bytes(content)
        model.posterior(files).marginals  # noqa: B018
        for size in (1, 16):
            times = []
            for first in range(0, len(files), size):
                start = time.perf_counter()
                model.posterior(files[first : first + size]).marginals  # noqa: B018
                times.append(time.perf_counter() - start)
            line(f"bare model, {size} at a time", times, 0, sum(times), size)


def line(what: str, times: list[float], errors: int, seconds: float, each: int = 1) -> None:
    """A line of the table."""
    half, most = (1000 * float(np.percentile(times, share)) for share in (50, 95))
    print(f"{what:24}{len(times):>9,}{errors:>8}{each * len(times) / seconds:>9,.0f}{half:>9.1f}{most:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
