"""The hash of an encoder: the same for the same features, another one for another tensor."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latentlabels.encoders import build_encoder, fingerprint
from latentlabels.inputs import PixelFormat


def test_it_is_the_same_for_the_same_tensors() -> None:
    torch.manual_seed(3)
    one = build_encoder("tiny").module
    torch.manual_seed(3)
    other = build_encoder("tiny").module
    assert fingerprint(one, "tiny") == fingerprint(other, "tiny") and len(fingerprint(one, "tiny")) == 64
    other.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    assert fingerprint(one, "tiny") == fingerprint(other, "tiny")


@pytest.mark.parametrize("change", ["name", "parameter", "buffer", "type", "shape", "key"])
def test_it_is_another_one_where_anything_differs(change: str) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = fingerprint(module, "a")
    if change == "parameter":
        module[0].weight.data[1, 1] += 1e-3
    elif change == "buffer":
        module[1].running_var[0] += 1e-3
    elif change == "type":
        module.half()
    elif change == "shape":
        module[0].weight.data = module[0].weight.data.view(4, 1)
    elif change == "key":
        module = nn.Sequential(nn.Identity(), *module)
    assert fingerprint(module, "b" if change == "name" else "a") != before


def test_pixels_count() -> None:
    torch.manual_seed(0)
    one = build_encoder("resnet18").module
    torch.manual_seed(0)
    other = build_encoder("resnet18", pixels=PixelFormat(mean=(0.5, 0.5, 0.5))).module
    assert fingerprint(one, "resnet18") != fingerprint(other, "resnet18")
    assert fingerprint(one[1], "resnet18") == fingerprint(other[1], "resnet18")  # type: ignore[index]


def test_tensors_of_any_type_and_none() -> None:
    module = nn.Module()
    module.register_buffer("short", torch.tensor(1.0, dtype=torch.bfloat16))
    module.register_buffer("empty", torch.empty(0, 3))
    module.register_buffer("flag", torch.tensor([True]))
    assert fingerprint(module, "a") != fingerprint(nn.Module(), "a")
