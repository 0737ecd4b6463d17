"""Every family of encoders in a graph, with the heads that belong to some of them, on pictures as the model takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clip import write_clip
from exported import FREE, Case, described, known_rows, pictures, prepared
from numpy.typing import NDArray
from PIL import Image

from latentlabels import LatentLabels, export_model
from latentlabels import annotation as ann
from latentlabels.export import FORMATS

SIZES = 1, 2, 7
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "regions, trained": ("torch-export", {"encoder": "tiny", "image_size": 64, "regions": True}),
    "regions, frozen": ("openvino", {"encoder": "timm:test_vit", "image_size": 64, "frozen": True, "regions": True}),
    "lite0, two windows": ("torch-export", {"encoder": "lite0", "weights": "DEFAULT", "image_size": 64, "windows": True}),
    "torchvision": ("onnx", {"encoder": "resnet18", "image_size": 64, "frozen": True}),
    "CLIP with names": ("onnx", {"encoder": "open_clip:own", "names": True}),
}


@pytest.mark.filterwarnings("ignore:the encoder .* has random weights and is frozen:latentlabels.DataWarning")
@pytest.mark.parametrize("name", ENCODERS)
def test_an_exported_model_says_what_the_model_says_of_pictures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, settings = ENCODERS[name]
    if settings.get("names"):
        settings = settings | {"weights": str(write_clip(tmp_path / "clip"))}
    case = Case(FREE, ann.UniformPositive(), settings, ())
    model = prepared(case, pictures(200, (32, 32), 1))
    height, width = model.fitted_.image_size or (0, 0)
    assert height * (2 if settings.get("windows") else 1) == width
    moderate(model, pictures(30, (height, width), 5))
    done = export_model(model, tmp_path / f"model{FORMATS[form].ending}", form)
    labels, given = FORMATS[form].open(done.labels), FORMATS[form].open(done.known)
    for size in SIZES:
        raw = pictures(size, (height, width), size)
        inputs = raw.astype(np.float32) / 255
        known = described(model, known_rows(FREE, size, size))
        np.testing.assert_allclose(labels([inputs]), model.posterior(raw).marginals, atol=5e-5)
        if name != "regions, frozen":  # so sure of itself that some known labels have no probability left in float32
            np.testing.assert_allclose(given([inputs, known]), model.posterior(raw, known).marginals, atol=5e-5)
    spread = model.posterior(pictures(20, (height, width), 5)).marginals.std(0)
    assert spread.max() > 1e-3  # the pictures matter
    check_the_lines_of_the_card(done.card, model, monkeypatch)


def moderate(model: LatentLabels, raw: NDArray[np.uint8]) -> None:
    """Scale the head to logits of a fit: networks of random weights see little difference between pictures, and a head that
    magnifies it magnifies rounding too.
    """
    amortizer = model.model.amortizer.eval()
    with torch.no_grad():
        logits = amortizer.head(amortizer.encoder(torch.from_numpy(raw).float() / 255)) - amortizer.head.bias
        amortizer.head.weight.mul_(4 / logits.abs().max())


def check_the_lines_of_the_card(card: Path, model: LatentLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    """They read a picture as the package does, and give known labels: here the first one, present."""
    monkeypatch.chdir(card.parent)
    noise = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((310, 170)).save("photo.jpg")
    names: dict[str, Any] = {}
    exec(card.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0], names)
    known = np.full((1, FREE.num_labels), -1, np.int8)
    known[0, 0] = 1
    np.testing.assert_allclose(np.asarray(names["p"]), model.posterior(["photo.jpg"], known).marginals, atol=5e-5)
