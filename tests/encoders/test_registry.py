"""Encoders: what they are called, what they give, and what is said where weights cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentlabels.config import FitConfig, ModelConfig
from latentlabels.encoders import Frozen, Standardize, TinyCNN, build_encoder, names, pixel_format
from latentlabels.errors import ConfigError, WeightsError
from latentlabels.fitting.settling import wanted_by
from latentlabels.inputs import PixelFormat
from latentlabels.kind import Kind


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
    assert listed[:5] == ["embedding", "tiny", "lite0", "lite1", "lite2"] and len(set(listed)) == len(listed)
    assert {"resnet50", "vit_b_16", "swin_v2_t", "maxvit_t", "vgg16", "squeezenet1_0", "dinov2-small", "dinov2-giant-reg"} <= {
        *listed
    }


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match='unknown encoder "resnet81".*did you mean "resnet18"'):
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
    with pytest.raises(
        WeightsError, match='"IMAGENET1K_V7" is neither a file, a folder nor published weights of resnet18.*IMAGENET1K_V1'
    ):
        build_encoder("resnet18", "IMAGENET1K_V7")


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


# --- what an encoder takes --------------------------------------------------------------------------------------


def test_pictures_are_taken_as_the_weights_were_trained() -> None:
    """Each published network's own record says it; one family subtracts a half instead of ImageNet's means."""
    import torchvision

    halves = []
    for name in torchvision.models.list_models(torchvision.models):
        assert name in names()
        for weights in torchvision.models.get_model_weights(name):
            record, found = weights.transforms(), pixel_format(name, weights.name)
            assert [*found.mean] == record.mean and [*found.std] == record.std
            assert found.size == (record.crop_size[0],) * 2
            assert found.interpolation == record.interpolation.value
            halves += [name] * (found.mean == (0.5, 0.5, 0.5))
    assert halves == ["efficientnet_v2_l"]


def test_random_weights_take_what_is_usual() -> None:
    for name in ("resnet18", "efficientnet_v2_l", "embedding"):
        assert pixel_format(name) == PixelFormat()
    assert pixel_format("tiny").mean == (0.5, 0.5, 0.5)


def test_a_local_file_takes_what_the_published_weights_of_its_name_take(tmp_path: Path) -> None:
    for file, weights in (("resnet50-11ad3fa6.pth", "IMAGENET1K_V2"), ("mine.pth", "DEFAULT")):
        (tmp_path / file).write_bytes(b"")
        assert pixel_format("resnet50", str(tmp_path / file)) == pixel_format("resnet50", weights)
    (tmp_path / "mine.pth").write_bytes(b"")
    assert pixel_format("efficientnet_v2_l", str(tmp_path / "mine.pth")).mean == (0.5, 0.5, 0.5)


def test_the_encoder_normalises_as_it_is_told() -> None:
    torch.manual_seed(0)
    given = PixelFormat(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    encoder = build_encoder("resnet18", pixels=given)
    assert encoder.pixels == given
    images = torch.rand(2, 3, 64, 64)
    module = encoder.module.eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (given.mean, given.std))
    with torch.no_grad():
        torch.testing.assert_close(module(images), module[1]((images - mean) / std))
    assert not any("mean" in key for key in module[0].state_dict())  # it is not among the weights of a run


def test_what_a_model_wants_is_said_by_its_settings() -> None:
    found = wanted_by(ModelConfig(encoder="tiny", image_size=(48, 64)), FitConfig(augment=False, workers=3))
    assert (found.kind, found.size, found.augment, found.workers) == (Kind.IMAGES, (48, 64), False, 3)
    assert wanted_by(ModelConfig(encoder="embedding"), FitConfig()).kind is Kind.EMBEDDINGS
    with pytest.raises(ConfigError, match='unknown encoder "tyni".*did you mean "tiny"'):
        wanted_by(ModelConfig(encoder="tyni"), FitConfig())
