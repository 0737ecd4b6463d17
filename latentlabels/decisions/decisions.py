"""`Decisions`: what a fitted model keeps to decide by, as one value and as one file.

The file is written whole by one rename, so that calibrating a run replaces the old decisions or leaves them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import DataError
from .aims import Aim
from .calibration import Calibration
from .conformal import Conformal
from .rescaling import Vector
from .thresholds import Thresholds, expected_thresholds

FILE = "decisions.safetensors"
_ENTRY, _HEX = "decisions", 64  # digits of a SHA-256, before the JSON


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a fitted model of K labels decides by.

    Attributes:
        thresholds: from which probability on `predict` calls a label present.
        reference: float32 (n, rows), what the head gives for images that the fit kept to find thresholds by, before any
            calibration; None of a run that is older than thresholds.
        calibration: how complete images changed the logits; None before `calibrate`.
        conformal: complete images for label sets with a guarantee; None before `calibrate`.
    """

    thresholds: Thresholds
    reference: Tensor | None = None
    calibration: Calibration | None = None
    conformal: Conformal | None = None

    @classmethod
    def by(cls, vector: Vector, reference: Tensor, aim: Aim | str = "f1-micro") -> Decisions:
        """The decisions of a fit: thresholds by the posterior of the reference images."""
        return cls(expected_thresholds(_marginals(vector, reference), aim), reference)

    def for_aim(self, aim: Aim | str, vector: Vector) -> Thresholds:
        """Thresholds for another aim, by the posterior of the reference images.

        Raises:
            ConfigError: an unknown aim.
            DataError: a run that is older than thresholds.
        """
        aim = Aim.of(aim)
        if self.reference is None:
            raise DataError(
                f"this run is too old to hold what thresholds are found from, so there are none for {aim}; use "
                "`latentlabels calibrate RUN --complete TABLE`, posterior(images).thresholds(aim), or fit again"
            )
        return expected_thresholds(_marginals(vector, self.reference), aim)

    def to_bytes(self, weights: str) -> bytes:
        """As one safetensors file, whose header holds everything but the tensors.

        Args:
            weights: the hash of the weights that they belong to.
        """
        tensors = {} if self.reference is None else {"reference": self.reference.contiguous()}
        if self.conformal is not None:
            tensors["marginals"] = torch.from_numpy(self.conformal.marginals).contiguous()
            tensors["known"] = torch.from_numpy(self.conformal.known).contiguous()
        calibration = None if self.calibration is None else self.calibration.to_dict()
        about = json.dumps({"weights": weights, "thresholds": self.thresholds.to_dict(), "calibration": calibration})
        return save(tensors, {_ENTRY: _digest(about, tensors) + about})  # one entry, since several come in any order

    @classmethod
    def read(cls, path: Path, weights: str) -> Decisions:
        """The inverse of `to_bytes`, from a file.

        Args:
            path: of the file.
            weights: the hash of the weights that they should belong to.

        Raises:
            ValueError, OSError, SafetensorError: a file that is damaged, or that belongs to other weights.
        """
        with safe_open(path, "pt") as file:
            entry = (file.metadata() or {}).get(_ENTRY, "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        digest, about = entry[:_HEX], entry[_HEX:]
        if digest != _digest(about, tensors):
            raise ValueError(f"{path.name} has changed since it was written")
        try:
            stored: dict[str, Any] = json.loads(about)
            if stored["weights"] != weights:
                raise ValueError(f"{path.name} belongs to other weights; remove it, and calibrate again")
            found = stored["calibration"]
            return cls(
                Thresholds.from_dict(stored["thresholds"]),
                tensors.get("reference"),
                None if found is None else Calibration.from_dict(found),
                Conformal(tensors["marginals"].numpy(), tensors["known"].numpy()) if "known" in tensors else None,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path.name} holds no decisions ({error})") from None


def _marginals(vector: Vector, flat: Tensor) -> Any:
    return vector(flat).marginals.detach().clamp(0.0, 1.0).float().numpy()


def _digest(about: str, tensors: dict[str, Tensor]) -> str:
    found = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        found.update(name.encode() + str((tensors[name].dtype, *tensors[name].shape)).encode())
        found.update(tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()
