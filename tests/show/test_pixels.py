"""Which pictures can be shown, and what their pixels are."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from latentlabels.errors import DataError
from latentlabels.show.pixels import Embedded, embedded, rgb, thumbnail, without_margin


def image_of(shown: Embedded | None) -> Image.Image:
    assert shown is not None
    return Image.open(io.BytesIO(base64.b64decode(shown.data)))


RED = np.zeros((3, 40, 60), np.uint8)
RED[0] = 255


def shows_red(html: Embedded | None, size: tuple[int, int] = (60, 40)) -> bool:
    image = image_of(html)
    r, g, b = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(0)
    return image.size == size and r > 230 and g < 25 and b < 25


PICTURES: dict[str, Any] = {
    "uint8": RED,
    "channels last": RED.transpose(1, 2, 0),
    "bool": RED > 0,
    "int64": RED.astype(np.int64),
    "float16": (RED / 255).astype(np.float16),
    "float32": (RED / 255).astype(np.float32),
    "float to 255": RED.astype(np.float64),
    "standardised": RED.astype(np.float32) / 64 - 2,
    "with NaN": np.where(np.arange(60) == 3, np.nan, RED / 255),
    "four channels": np.concatenate([RED, np.full((1, 40, 60), 255, np.uint8)]),
    "tensor": torch.from_numpy(RED),
    "bfloat16": (torch.from_numpy(RED) / 255).bfloat16(),
    "with a gradient": (torch.from_numpy(RED) / 255).requires_grad_(),
    "item of a Dataset": (torch.from_numpy(RED), 3, "what else there is"),
    "PIL": Image.fromarray(RED.transpose(1, 2, 0)),
    "read-only": np.frombuffer(RED.tobytes(), np.uint8).reshape(RED.shape),
    "nested list": RED.tolist(),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_of_every_kind(kind: str):
    shown = embedded(PICTURES[kind], "a picture")
    assert shows_red(shown)
    assert shown is not None and shown[1:] == ("a picture", 96, 64)
    pixels = rgb(PICTURES[kind])
    assert (pixels.shape, pixels.dtype) == ((40, 60, 3), np.uint8)
    assert pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "shape, size",
    [
        ((3, 5, 1), (5, 1)),
        ((5, 1, 3), (5, 1)),
        ((3, 4, 3), (3, 4)),
        *(((*first, 5, 7), (5, 7)) for first in ((), (1,), (3,), (4,))),
        *(((5, 7, last), (5, 7)) for last in (1, 3, 4)),
    ],
)
def test_channels_may_come_first_or_last(shape: tuple[int, ...], size: tuple[int, int]):
    found = rgb(np.full(shape, 7, np.uint8))
    assert found.shape == (*size, 3) and (found == 7).all()


def test_a_thumbnail_holds_the_whole_image_on_white():
    found = thumbnail(RED, 30)
    assert found.shape == (30, 30, 3)
    assert found[15, 15].tolist() == [255, 0, 0] and found[0, 0].tolist() == found[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("values", [np.full((20, 20), 0.5), np.full((1, 20, 20), 127, np.uint8), np.full((20, 20, 1), 127.0)])
def test_grey_pictures(values: np.ndarray):
    assert abs(float(np.asarray(image_of(embedded(values))).mean()) - 127) < 2


@pytest.mark.parametrize("height, width", [(2000, 1000), (1000, 3000), (1, 4000), (3, 3), (5000, 1)])
def test_a_thumbnail_is_small(height: int, width: int):
    found = embedded(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))
    image = image_of(found)
    assert found is not None
    assert max(image.size) <= 96 and min(image.size) >= 1 and len(found.data) < 25_000
    assert max(found.width, found.height) == 96 and min(found.width, found.height) >= 1


def test_files_are_read_upright_and_over_white(tmp_path: Path):
    red = Image.fromarray(RED.transpose(1, 2, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    red.save(tmp_path / "turned.jpg", exif=exif)
    assert shows_red(embedded(tmp_path / "turned.jpg"), (40, 60))
    red.save(tmp_path / "plain.png")
    assert shows_red(embedded(str(tmp_path / "plain.png")))
    red.convert("P").save(tmp_path / "palette.gif")
    assert shows_red(embedded(tmp_path / "palette.gif"))
    clear = red.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    assert np.asarray(image_of(embedded(tmp_path / "clear.png"))).min() > 250
    deep = np.tile(np.linspace(0, 65535, 40).astype(np.uint16), (30, 1))
    Image.fromarray(deep).save(tmp_path / "deep.png")
    grey = np.asarray(image_of(embedded(tmp_path / "deep.png")).convert("L"))
    assert grey[:, 0].max() < 20 and grey[:, -1].min() > 235 and abs(int(grey[10, 20]) - 128) < 12


class Failing:
    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("no data")


@pytest.mark.parametrize(
    "picture",
    [
        None,
        "no-such-file.jpg",
        "",
        Path("."),
        b"bytes",
        3,
        (),
        [],
        np.zeros((0, 0, 3)),
        np.zeros((2, 20, 20)),
        np.zeros((2, 3, 20, 20)),
        np.zeros(20),
        np.array(["text"]),
        np.array([None, 3]),
        np.zeros((4, 4), complex),
        {"image": RED},
        object(),
        Failing(),
    ],
    ids=lambda picture: type(picture).__name__,
)
def test_what_is_no_picture_shows_nothing(picture: Any):
    assert embedded(picture) is None
    with pytest.raises((DataError, OSError, RuntimeError, TypeError, ValueError)):
        rgb(picture)


def test_damaged_files_show_nothing(tmp_path: Path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:9000])
    for name in ("empty.jpg", "text.png", "half.png"):
        assert embedded(tmp_path / name) is None


def test_a_constant_picture_out_of_range_is_no_error():
    assert image_of(embedded(np.full((20, 20, 3), -7.0))).size == (20, 20)
    assert image_of(embedded(np.full((20, 20, 3), np.nan))).size == (20, 20)


@pytest.mark.parametrize("shape", [(50, 50), (100, 40), (30, 200), (3, 400), (97, 41)])
def test_a_thumbnail_without_its_margin_is_the_image(shape: tuple[int, int]) -> None:
    square = thumbnail(np.zeros((*shape, 3), np.uint8), 96).transpose(2, 0, 1)
    found = without_margin(square, shape)
    assert found.max() == 0 or min(found.shape[1:]) == 1, "nothing white is left"
    assert abs(int((square[0] == 0).sum()) - found[0].size) <= 96, "and nothing of the image is cut off, but for rounding"
