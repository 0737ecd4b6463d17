"""Files as publishers make them: with their hash in the name, or as the content of a repository in a cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor


class Harm:
    """What writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.write_text, (self.marker, "executed"))


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_hash(state: Mapping[str, Tensor], folder: Path, stem: str) -> Path:
    """A state_dict as stem-0a1b2c3d.pth."""
    draft = folder / "draft.pth"
    torch.save(dict(state), draft)
    return draft.rename(folder / f"{stem}-{sha(draft)[:8]}.pth")


def in_hub_cache(state: Mapping[str, Tensor], cache: Path, repo: str) -> Path:
    """model.safetensors of a repository in a cache of the Hugging Face hub; the path of its link."""
    home = cache / f"models--{repo.replace('/', '--')}"
    for part in ("blobs", "refs", "snapshots/0123"):
        (home / part).mkdir(parents=True)
    (home / "refs" / "main").write_text("0123")
    draft = home / "blobs" / "draft"
    save_file({key: value.contiguous() for key, value in state.items()}, draft)
    blob = draft.rename(home / "blobs" / sha(draft))
    link = home / "snapshots" / "0123" / "model.safetensors"
    link.symlink_to(blob)
    return link
