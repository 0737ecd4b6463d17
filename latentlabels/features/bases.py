"""What an encoder has learned from a sample of pictures, kept beside its features: principal components of its maps.

Features depend on them, so they should rarely change. Those that were found from another sample are used again where at least
half of that sample's pictures are in the present one: images may be added to a data set and removed from it, and the features
of the others stay what they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..writing import replacing
from .folder import Notes

_OVERLAP = 0.5
_SAMPLE = "sample"  # the hashes of the pictures, beside what was learned


class Bases:
    """What one encoder has learned at one size.

    Args:
        folder: where it is kept, which need not exist; None to keep nothing.
        notes: says what goes wrong.
    """

    def __init__(self, folder: Path | None, notes: Notes):
        self.folder, self.notes = folder, notes

    def find(self, contents: Sequence[bytes]) -> dict[str, Tensor] | None:
        """What was learned from a sample that is mostly this one; of several the most alike."""
        if self.folder is None or not self.folder.is_dir():
            return None
        wanted, best = set(contents), (0.0, "")
        found: dict[str, dict[str, Tensor]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                tensors = load_file(path)
                sample = {bytes(row.tolist()) for row in tensors.pop(_SAMPLE)}
            except (OSError, SafetensorError, KeyError) as error:
                self.notes.say_damaged(path, f"it is damaged ({error})")
                with suppress(OSError):
                    path.unlink()
                continue
            found[path.name] = tensors
            best = max(best, (len(sample & wanted) / max(len(sample), 1), path.name))
        return found[best[1]] if best[0] >= _OVERLAP else None

    def keep(self, contents: Sequence[bytes], learnt: Mapping[str, Tensor]) -> None:
        """Write what was learned from a sample."""
        if self.folder is None:
            return
        name = hashlib.sha256(b"".join(sorted(contents))).hexdigest()[:12]
        sample = torch.tensor([list(one) for one in contents], dtype=torch.uint8)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / f"{name}.safetensors") as temporary:
                save_file({_SAMPLE: sample, **{key: value.contiguous() for key, value in learnt.items()}}, temporary)
        except (OSError, SafetensorError) as error:
            self.notes.say_unusable(error if isinstance(error, OSError) else OSError(str(error)))
