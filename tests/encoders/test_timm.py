"""Networks of timm: by name and tag, from a cache, a file, a folder; features, records, sizes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from published_weights import in_hub_cache, with_hash
from safetensors.torch import save_file

from latentlabels.encoders import build_encoder, names, pixel_format
from latentlabels.encoders.registry import FAMILIES, describe_encoder
from latentlabels.errors import ConfigError, WeightsError
from latentlabels.inputs import PixelFormat

timm = pytest.importorskip("timm")
IMAGES = torch.rand(2, 3, 64, 64)


def of_full(whole: torch.nn.Module, images: torch.Tensor, pixels: PixelFormat) -> torch.Tensor:
    """The features before the head of a whole network, by timm."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (pixels.mean, pixels.std))
    with torch.no_grad():
        maps = whole.eval().forward_features((images - mean) / std)  # type: ignore[operator]
        return whole.forward_head(maps, pre_logits=True)  # type: ignore[operator]


def features(module: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return module.eval()(images)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    return tmp_path / "hf"


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_byobnet"])
@pytest.mark.parametrize("source", ["cache", "file", "folder"])
def test_features_are_those_before_the_head(name: str, source: str, tmp_path: Path, hub_cache: Path) -> None:
    torch.manual_seed(1)
    fixed = {"img_size": 64} if name == "test_vit" else {}
    whole = timm.create_model(name, **fixed)
    state = whole.state_dict()
    weights = "DEFAULT"
    if source == "cache":
        if name == "test_vit":  # as it is published, for 160 px
            state = timm.create_model(name).state_dict() | {k: v for k, v in state.items() if k != "pos_embed"}
        in_hub_cache(state, hub_cache, f"timm/{name}.r160_in1k")
    else:
        save_file(state, tmp_path / "model.safetensors")
        weights = str(tmp_path / "model.safetensors")
    if source == "folder":
        (tmp_path / "config.json").write_text(json.dumps({"architecture": name, "pretrained_cfg": whole.pretrained_cfg}))
        weights = str(tmp_path)
    encoder = build_encoder(f"timm:{name}", weights, size=(64, 64))
    assert encoder.pixels is not None
    found = features(encoder.module, IMAGES)
    assert found.shape == (2, encoder.num_features)
    if name == "test_vit" and source == "cache":
        return  # its embeddings of places were resized
    torch.testing.assert_close(found, of_full(whole, IMAGES, encoder.pixels))


def test_tensors_are_not_kept_twice(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "net.pth")
    module = build_encoder("timm:test_resnet", str(tmp_path / "net.pth"), size=(64, 64)).module[1]  # type: ignore[index]
    assert "state_dict" not in module.pretrained_cfg and "state_dict" not in module.default_cfg


@pytest.mark.parametrize("classes", [0, 5, 1000])
def test_a_file_with_whatever_head(classes: int, tmp_path: Path) -> None:
    whole = timm.create_model("test_vit", num_classes=classes)
    torch.save({"state_dict": whole.state_dict()}, tmp_path / "net.pth")
    encoder = build_encoder("timm:test_vit", str(tmp_path / "net.pth"))
    assert encoder.pixels is not None and encoder.pixels.size == (160, 160)
    images = torch.rand(1, 3, 160, 160)
    torch.testing.assert_close(features(encoder.module, images), of_full(whole, images, encoder.pixels))


@pytest.mark.parametrize(("name", "other"), [("test_resnet", "test_vit"), ("test_vit", "test_vit2"), ("resnet18", "resnet34")])
def test_weights_of_another_network_are_refused(name: str, other: str, tmp_path: Path) -> None:
    torch.save(timm.create_model(other).state_dict(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=f"net.pth: not the weights of {name} "):
        build_encoder(f"timm:{name}", str(tmp_path / "net.pth"), size=(64, 64))


def test_a_folder_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text('{"architecture": "test_resnet", "num_classes": 1000, "pretrained_cfg": {}}')
    with pytest.raises(WeightsError, match=r'weights of test_resnet, not of test_vit; set model.encoder to "timm:test_resnet"'):
        build_encoder("timm:test_vit", str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config.json: cannot be read"):
        build_encoder("timm:test_vit", str(tmp_path))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architecture": "test_resnet"}')
    with pytest.raises(WeightsError, match="expected one file of weights"):
        build_encoder("timm:test_resnet", str(tmp_path), size=(64, 64))


def test_a_changed_file_in_the_cache_is_refused(hub_cache: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    link = in_hub_cache(state, hub_cache, "timm/test_resnet.r160_in1k")
    save_file(timm.create_model("test_resnet").state_dict(), link.resolve())
    with pytest.raises(WeightsError, match="model.safetensors: SHA-256 begins with"):
        build_encoder("timm:test_resnet", "DEFAULT", size=(64, 64))


def test_weights_behind_an_address_are_checked_by_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    whole = timm.create_model("test_resnet")
    path = with_hash(whole.state_dict(), tmp_path, "test_resnet")
    cfg = timm.get_pretrained_cfg("test_resnet")
    cfg.hf_hub_id, cfg.url = None, path.as_uri()
    monkeypatch.setattr("timm.get_pretrained_cfg", lambda name: cfg)
    encoder = build_encoder("timm:test_resnet", "DEFAULT", size=(64, 64))
    assert encoder.pixels is not None
    torch.testing.assert_close(features(encoder.module, IMAGES), of_full(whole, IMAGES, encoder.pixels))
    (tmp_path / "torch" / "hub" / "checkpoints" / path.name).write_bytes(b"changed")
    with pytest.raises(WeightsError, match="SHA-256"):
        build_encoder("timm:test_resnet", "DEFAULT", size=(64, 64))
    cfg.url = "https://storage.googleapis.com/x/B_16.npz"
    with pytest.raises(WeightsError, match="no weights of test_resnet are published as tensors"):
        build_encoder("timm:test_resnet", "DEFAULT", size=(64, 64))


def test_a_run_is_built_again_without_the_folder_of_its_weights(tmp_path: Path) -> None:
    """The folder says more than the name: here another depth."""
    whole = timm.create_model("test_vit", img_size=64, depth=2)
    about = {"input_size": [3, 64, 64], "fixed_input_size": True, "classifier": "head", "num_classes": 1000}
    config = {"architecture": "test_vit", "model_args": {"depth": 2}, "pretrained_cfg": about}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    first = build_encoder("timm:test_vit", str(tmp_path))
    assert first.pixels is not None and first.pixels.size == (64, 64)
    stored = json.loads(json.dumps(describe_encoder("timm:test_vit", str(tmp_path))))
    again = build_encoder("timm:test_vit", None, pixels=first.pixels, size=(64, 64), described=stored)
    again.module.load_state_dict(first.module.state_dict())
    torch.testing.assert_close(features(again.module, IMAGES), features(first.module, IMAGES))
    torch.testing.assert_close(features(first.module, IMAGES), of_full(whole, IMAGES, first.pixels))


# --- names --------------------------------------------------------------------------------------------------------


def test_unknown_names_and_tags_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError, match='timm has no network "resnet81"; did you mean "resnet18"'):
        pixel_format("timm:resnet81")
    with pytest.raises(ConfigError, match=r'by another name now; set it to "timm:convnext_tiny.fb_in22k_ft_in1k"'):
        pixel_format("timm:convnext_tiny_in22ft1k")
    with pytest.raises(ConfigError, match='no weights "a2_in1q" of resnet18; did you mean "a2_in1k"'):
        pixel_format("timm:resnet18.a2_in1q")
    with pytest.raises(WeightsError, match=r'"a2_in1q" is neither a file.*weights of resnet18; did you mean "a2_in1k"'):
        pixel_format("timm:resnet18", "a2_in1q")
    with pytest.raises(WeightsError, match=r"weights of resnet18.a1_in1k.* \(published: a1_in1k\)"):
        pixel_format("timm:resnet18.a1_in1k", "a2_in1k")


def test_without_timm_a_name_of_it_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.encoders.hub.find_spec", lambda name: None)
    for name in ("timm:resnet18", "dinov2-small"):
        with pytest.raises(ConfigError, match=r"needs timm; run pip install 'latentlabels\[encoders\]'"):
            pixel_format(name)


def test_names_and_what_is_at_hand_do_not_import_timm() -> None:
    import subprocess

    asked = "import sys, latentlabels.encoders as e; e.names(); e.choose('auto'); e.pixel_format('lite0')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", f"{asked}; assert 'timm' not in sys.modules"], check=True)


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("dinov2")])
def test_dinov2_is_that_of_timm(name: str) -> None:
    size = name.split("-")[1]
    full = f"vit_{size}_patch14_{'reg4_' if name.endswith('reg') else ''}dinov2.lvd142m"
    assert timm.get_pretrained_cfg(full).hf_hub_id == f"timm/{full}"
    assert pixel_format(name) == pixel_format(f"timm:{full}") == PixelFormat((518, 518), interpolation="bicubic")


# --- what a network takes ---------------------------------------------------------------------------------------


def test_pictures_are_taken_as_the_weights_were_trained() -> None:
    """All weights that timm publishes, by their own record."""
    from timm.data import resolve_data_config

    listed = timm.list_pretrained()
    assert len(listed) > 1000
    for name in listed[::17]:
        record = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
        found = pixel_format(f"timm:{name}", "DEFAULT")
        assert (3, *found.size) == record["input_size"] and found.mean == record["mean"] and found.std == record["std"]
        assert found.interpolation == record["interpolation"]


def test_the_record_of_a_folder_goes_before_that_of_the_name(tmp_path: Path) -> None:
    about = {"input_size": [3, 96, 96], "mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "interpolation": "bilinear"}
    for config in ({"architecture": "test_resnet", "pretrained_cfg": about}, {"architecture": "test_resnet", **about}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert pixel_format("timm:test_resnet", str(tmp_path)) == PixelFormat((96, 96), (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    about["input_size"] = [1, 96, 96]
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_resnet", "pretrained_cfg": about}))
    with pytest.raises(ConfigError, match="takes 1 channels"):
        pixel_format("timm:test_resnet", str(tmp_path))


def test_a_network_of_one_size_is_made_for_another() -> None:
    encoder = build_encoder("timm:test_vit", size=(64, 96))
    assert features(encoder.module, torch.rand(2, 3, 64, 96)).shape == (2, encoder.num_features)
    with pytest.raises(ConfigError, match=r"timm:test_vit cannot take 100 x 100 px \(.*\); set image_size to 96 or 112"):
        build_encoder("timm:test_vit", size=(100, 100))


def test_each_family_says_what_is_its_own() -> None:
    for name in [*names()[1:], "timm:resnet18"]:
        assert sum(family.takes(name) for family in FAMILIES) == 1, name
