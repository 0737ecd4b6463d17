"""`EncoderFeatures`: the features of an encoder that is not trained, found where they are kept, or computed and kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..encoders.fingerprint import fingerprint
from ..encoders.runtime import Extractor, choose_extractor
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from .contents import Contents
from .folder import FORMAT, Notes
from .store import FeatureStore

STORES = "encoders"
RUNTIMES = "runtimes"
_PRECISION = "f32"  # the one that runtimes have
_AT_ONCE = 64  # pictures that pass through the network together


class EncoderFeatures:
    """An encoder whose features are computed once.

    Args:
        name: of the encoder.
        build: gives the network, float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU.
        pixels: how pictures are made for it.
        runtime: what computes: a name, or "auto" for the fastest here.
        root: the folder of the cache; None to keep features in memory.
        origin: what all that follows from; None where nobody asks.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[Size], nn.Module],
        pixels: PixelFormat,
        runtime: str = "auto",
        root: Path | None = None,
        origin: Hashable = None,
    ):
        self.name, self.build, self.pixels, self.runtime, self.root = name, build, pixels, runtime, root
        self.origin = origin
        self.notes = Notes(Path("") if root is None else root)
        self.contents = Contents(root, self.notes)
        self._sizes: dict[Size, SizedFeatures] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens and computes for itself."""
        return {**self.__dict__, "_sizes": {}}

    @property
    def computed(self) -> int:
        """Of how many pictures it has computed features."""
        return sum(features.computed for features in self._sizes.values())

    def at(self, size: Size) -> SizedFeatures:
        """Its features of pictures of one size, (height, width)."""
        if size not in self._sizes:
            self._sizes[size] = SizedFeatures(self, size)
        return self._sizes[size]


class SizedFeatures:
    """The features of an encoder at one size.

    Args:
        source: the encoder.
        size: (height, width) of the pictures.

    Attributes:
        source: the encoder.
        key: of which encoder, at which size.
        contents: what is remembered of image files.
        computed: of how many pictures features were computed.
    """

    def __init__(self, source: EncoderFeatures, size: Size):
        self.source, self._size = source, size
        self._module = source.build(size)
        self._extractor: Extractor | None = None
        about = _about(source, size, fingerprint(self._module, source.name))
        self.key = _name(about)
        self._store = FeatureStore(None if source.root is None else source.root / STORES / self.key, about, source.notes)
        self.contents, self.computed = source.contents, 0

    def __getstate__(self) -> dict[str, Any]:
        """A copy chooses what computes for itself."""
        return {**self.__dict__, "_extractor": None}

    def find(self, contents: Sequence[bytes]) -> NDArray[np.int64]:
        """(N,) the numbers under which features are kept, -1 where there are none."""
        return self._store.find(contents)

    def add(self, contents: Sequence[bytes], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Compute and keep features of uint8 pictures (N, 3, H, W); their numbers, (N,)."""
        extractor = self._computing()
        parts = torch.from_numpy(pixels).split(_AT_ONCE)
        self.computed += len(pixels)
        return self._store.add(contents, torch.cat([extractor(part) for part in parts]).numpy())

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """The features of some numbers: float32 (B, D)."""
        return self._store.rows(numbers)

    def _computing(self) -> Extractor:
        if self._extractor is None:
            root = self.source.root
            remembered = None if root is None else root / RUNTIMES
            self._extractor = choose_extractor(self._module, self._size, self.source.runtime, remembered)
        return self._extractor


def _about(source: EncoderFeatures, size: Size, digest: str) -> dict[str, Any]:
    """What features are of, as JSON has it."""
    pixels = source.pixels.to_config()
    del pixels["size"]  # that of the weights, which pictures need not have
    return {"encoder": source.name, "weights": digest, "size": list(size), "pixels": pixels, "precision": _PRECISION}


def _name(about: Mapping[str, Any]) -> str:
    """A name for a folder: what people tell it by, and a hash of everything."""
    digest = hashlib.sha256(json.dumps([FORMAT, about], sort_keys=True).encode()).hexdigest()[:12]
    height, width = about["size"]
    shown = re.sub(r"[^A-Za-z0-9_.]+", "-", str(about["encoder"]))[:40].strip("-.")
    return f"{shown}-{height}x{width}-{digest}"
