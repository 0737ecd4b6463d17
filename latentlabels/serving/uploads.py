"""Pictures that were uploaded: kept as files in a temporary folder, the latest of them, and what the model said of each."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..inputs.opening import formats
from .limits import Limits
from .predicting import Predictor
from .problems import ProblemError, saving

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded picture.

    Attributes:
        id: "u1", "u2", ...
        file: where it is kept.
        flat: float32 (F,) what the head gives.
    """

    id: str
    file: Path
    flat: NDArray[np.float32]


class Uploads:
    """The latest uploads of a process."""

    def __init__(self, limits: Limits):
        self._limits, self._lock = limits, threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="latentlabels-uploads-")
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._number = 0

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def add(self, content: bytes, predictor: Predictor) -> Upload:
        """Keep a picture, and put it through the model.

        Raises:
            ProblemError: no image, a damaged one, or one of too many pixels.
        """
        ending = _checked(content, self._limits)
        with self._lock:
            self._number += 1
            name = f"u{self._number}"
        file = Path(self._folder.name) / f"{name}{ending}"
        try:
            with saving("the picture"):
                file.write_bytes(content)
            upload = Upload(name, file, predictor.upload(file))
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        with self._lock:
            self._kept[name] = upload
            while len(self._kept) > self._limits.uploads:
                self._kept.popitem(last=False)[1].file.unlink(missing_ok=True)
        return upload

    def get(self, name: str) -> Upload:
        """An upload by its id.

        Raises:
            ProblemError: it is not there, or not any more.
        """
        with self._lock:
            found = self._kept.get(name)
        if found is None:
            raise ProblemError(
                "not-found",
                f"no upload {name}; the latest {self._limits.uploads} are kept; upload it again",
            )
        return found

    def predict_again(self, predictor: Predictor) -> None:
        """Put all of them through another model."""
        with self._lock:
            kept = list(self._kept.values())
        for one in kept:
            again = Upload(one.id, one.file, predictor.upload(one.file))
            with self._lock:
                if one.id in self._kept:
                    self._kept[one.id] = again


def _checked(content: bytes, limits: Limits) -> str:
    """The ending of an image's file, after a look at its head alone."""
    if not content:
        raise ProblemError("not-an-image", "the body is empty; send the bytes of a picture")
    try:
        with Image.open(io.BytesIO(content), formats=formats()) as image:
            (width, height), kind = image.size, image.format or ""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many(limits) from None
    except UnidentifiedImageError:
        return ".tif" if content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") else ".bin"
    except Exception as error:  # decoders stumble over damaged files with errors of every kind
        raise ProblemError("not-an-image", f"the picture is damaged ({error}); send it again") from None
    if width * height > limits.pixels:
        raise _too_many(limits)
    return _ENDINGS.get(kind, ".bin")


def _too_many(limits: Limits) -> ProblemError:
    return ProblemError(
        "too-large", f"the picture has more than {limits.pixels:,} pixels, which are not decoded here; make it smaller"
    )
