"""Encoders: what they are called, what they give, and what is said where weights cannot be had."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest
import torch

from latentlabels.config.kind import Kind
from latentlabels.encoders import Frozen, Standardize, TinyCNN, build_encoder, names
from latentlabels.errors import ConfigError, WeightsError


@pytest.mark.parametrize(
    ("name", "features"), [("tiny", 256), ("resnet18", 512), ("efficientnet_b0", 1280), ("convnext_tiny", 768)]
)
def test_an_encoder_gives_features(name: str, features: int):
    encoder = build_encoder(name)
    assert encoder.num_features == features and encoder.kind is Kind.IMAGES
    encoder.module.eval()
    with torch.no_grad():
        out = encoder.module(torch.rand(2, 3, 64, 48))
    assert out.shape == (2, features)
    assert out.isfinite().all()


def test_names_are_those_of_the_families():
    listed = names()
    assert listed[:2] == ["embedding", "tiny"] and "resnet50" in listed and "convnext_base" in listed
    assert "vgg16" not in listed


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match='no encoder "resnet81".*did you mean "resnet18"'):
        build_encoder("resnet81")


def test_embeddings_need_their_size():
    with pytest.raises(ConfigError, match=r"embeddings \(N, D\)"):
        build_encoder("embedding")
    assert build_encoder("embedding", num_inputs=7).num_features == 7


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_of_a_local_file(tmp_path: Path, ending: str):
    from safetensors.torch import save_file

    source, path = TinyCNN(), tmp_path / f"tiny.{ending}"
    state = source.state_dict()
    if ending == "pth":
        # as a classifier's checkpoint often is: nested, prefixed, with a head
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()} | {"module.fc.weight": torch.zeros(3, 3)}}, path)
    else:
        save_file(state, path)
    loaded = build_encoder("tiny", str(path)).module
    for key, value in loaded.state_dict().items():
        torch.testing.assert_close(value, state[key])


def test_a_file_of_other_weights_is_refused(tmp_path: Path):
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not the weights of tiny.*are missing"):
        build_encoder("tiny", str(tmp_path / "other.pth"))
    (tmp_path / "broken.pth").write_bytes(b"no state_dict")
    with pytest.raises(WeightsError, match="cannot be read as a state_dict"):
        build_encoder("tiny", str(tmp_path / "broken.pth"))


def test_a_file_that_would_execute_code_is_refused(tmp_path: Path):
    class Harm:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "harmed", "x"))

    torch.save({"weight": Harm()}, tmp_path / "harm.pth")
    with pytest.raises(WeightsError, match="cannot be read"):
        build_encoder("tiny", str(tmp_path / "harm.pth"))
    assert not (tmp_path / "harmed").exists()


def test_published_weights_that_do_not_exist_are_named():
    with pytest.raises(WeightsError, match='"IMAGENET1K_V7" is neither a file nor weights of resnet18.*IMAGENET1K_V1'):
        build_encoder("resnet18", "IMAGENET1K_V7")


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(WeightsError, match=r"could not be downloaded.*local state_dict file.*weights: null"):
        build_encoder("resnet18", "DEFAULT")


def test_a_frozen_encoder_is_not_trained_and_takes_its_own_features():
    encoder = build_encoder("tiny", frozen=True).module
    assert isinstance(encoder, Frozen)
    encoder.train()
    assert not encoder.module.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(encoder(encoder.extract(images)), encoder(images))


def test_standardised_embeddings_have_one_norm_whatever_their_scale():
    embeddings = 1000 + 37 * torch.randn(500, 20) * torch.linspace(0.1, 3, 20)
    part = Standardize(20)
    part.fit_to(embeddings)
    out = part(embeddings)
    assert out.pow(2).sum(1).mean().item() == pytest.approx(100, rel=1e-3)
    assert out.mean(0).abs().max() < 1e-3
    # relative sizes of the features stay
    assert (out.std(0) / embeddings.std(0)).std() < 1e-5
    constant = Standardize(2)
    constant.fit_to(torch.ones(4, 2))
    assert constant(torch.ones(4, 2)).abs().max() == 0
