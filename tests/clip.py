"""A CLIP of random weights, small enough for tests, in a folder as open_clip writes it for the Hugging Face hub."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

VISION = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}  # the vocabulary is open_clip's own
CONFIG: dict[str, Any] = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
PREPROCESS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "interpolation": "bilinear", "resize_mode": "squash"}


def tiny_clip(config: dict[str, Any] = CONFIG, seed: int = 0, scale: float = 20.0) -> open_clip.CLIP:
    """The network; `scale` is what its logit scale comes to."""
    torch.manual_seed(seed)
    clip = open_clip.CLIP(**config)
    with torch.no_grad():
        clip.logit_scale.fill_(math.log(scale))
        for name, parameter in clip.named_parameters():  # open_clip's own start leaves these nearly the same for every text
            if name in ("token_embedding.weight", "positional_embedding", "visual.positional_embedding"):
                parameter.normal_()
    return clip.eval()


def write_clip(
    folder: Path, clip: open_clip.CLIP | None = None, config: dict[str, Any] = CONFIG, ending: str = "safetensors"
) -> Path:
    """Config and weights of a network in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = tiny_clip(config) if clip is None else clip
    written = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(written), encoding="utf-8")
    state = {key: value.contiguous() for key, value in clip.state_dict().items()}
    if ending == "safetensors":
        save_file(state, folder / "open_clip_model.safetensors")
    else:
        torch.save(state, folder / "open_clip_pytorch_model.bin")
    return folder
