"""Networks of torchvision: features of each family, what each takes, the sizes it can take, and its published weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torchvision
from published_weights import with_hash
from torch import nn

from latentlabels.encoders import build_encoder
from latentlabels.encoders.torchvision import _remove_head, names
from latentlabels.errors import ConfigError, WeightsError

SMALLEST = {  # of each family: features, and a size that is quick
    "alexnet": (4096, 64),
    "convnext_tiny": (768, 32),
    "densenet121": (1024, 32),
    "efficientnet_b0": (1280, 32),
    "efficientnet_v2_s": (1280, 32),
    "googlenet": (1024, 32),
    "inception_v3": (2048, 75),
    "maxvit_t": (512, 224),
    "mnasnet0_5": (1280, 32),
    "mobilenet_v2": (1280, 32),
    "mobilenet_v3_small": (1024, 32),
    "regnet_x_400mf": (400, 32),
    "regnet_y_400mf": (440, 32),
    "resnet18": (512, 32),
    "resnext50_32x4d": (2048, 32),
    "shufflenet_v2_x0_5": (1024, 32),
    "squeezenet1_1": (512, 32),
    "swin_t": (768, 32),
    "swin_v2_t": (768, 32),
    "vgg11": (4096, 32),
    "vit_b_32": (768, 64),
    "wide_resnet50_2": (2048, 32),
}


def _family(name: str) -> str:
    return name.rstrip("0123456789").split("_")[0].rstrip("0123456789")


def test_each_family_has_a_member_below() -> None:
    assert {_family(name) for name in names()} == {_family(name) for name in SMALLEST}
    assert {*names()} == {*torchvision.models.list_models(torchvision.models)}


@pytest.mark.parametrize("name", SMALLEST)
def test_its_head_on_its_features_gives_what_the_whole_network_gives(name: str) -> None:
    """The final layer alone is removed: whatever stands before it remains."""
    num_features, side = SMALLEST[name]
    encoder = build_encoder(name, size=(side, side))
    assert encoder.num_features == num_features
    body = encoder.module[1]  # type: ignore[index]
    more = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    size = {"vit_b_32": {"image_size": side}, "maxvit_t": {"input_size": (side, side)}}.get(name, {})
    whole = torchvision.models.get_model(name, weights=None, num_classes=7, **more, **size)
    whole.load_state_dict(body.state_dict(), strict=False)
    whole.transform_input = getattr(body, "transform_input", False)
    last = [part for part in whole.modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
    if name == "densenet121":  # its final layer is registered last, too
        last = whole.classifier
    seen: list[torch.Tensor] = []
    last.register_forward_hook(lambda _, given, out: seen.append(given[0]))
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        whole.eval()(images)
        found = body.eval()(images)
    expected = seen[0] if seen[0].dim() == 2 else seen[0].relu().mean((-2, -1))  # a network that ends in a convolution
    torch.testing.assert_close(found, expected)
    assert found.shape == (2, num_features) and found.std() > 0


def test_a_network_with_another_end_is_refused() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))

    with pytest.raises(ConfigError, match='"other" ends in LayerNorm'):
        _remove_head(Other(), "other")
    with pytest.raises(ConfigError, match='"none" ends in NoneType'):
        _remove_head(nn.Identity(), "none")


# --- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        (
            "vit_b_32",
            (64, 96),
            "vit_b_32 cannot take 64 x 96 px; it takes a square, its sides a multiple of 32 px: .* 96 or 128",
        ),
        ("vit_b_16", (20, 20), "set image_size to 16 or 32"),
        ("maxvit_t", (256, 256), "multiples of 224 px: set image_size to 224 or 448"),
        ("maxvit_t", (64, 64), "set image_size to 224"),
        ("alexnet", (16, 16), r"alexnet cannot take 16 x 16 px \(.*\); set image_size to"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_sizes_that_do(name: str, size: tuple[int, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_encoder(name, size=size)


def test_the_sizes_that_are_named_fit() -> None:
    with pytest.raises(ConfigError, match="set image_size to") as error:
        build_encoder("squeezenet1_1", size=(4, 4))
    named = str(error.value).rpartition("set image_size to ")[2].split(" or ")
    assert len(named) == 2
    for side in map(int, named):
        assert build_encoder("squeezenet1_1", size=(side, side)).num_features == 512


def test_a_vision_transformer_of_another_size_has_its_embeddings_of_places_resized(tmp_path: Path) -> None:
    whole = torchvision.models.vit_b_32(image_size=64)
    places = torch.rand(1, 5, 768)
    whole.encoder.pos_embedding.data.copy_(places)
    torch.save(whole.state_dict(), tmp_path / "net.pth")
    same = build_encoder("vit_b_32", str(tmp_path / "net.pth"), size=(64, 64)).module[1]  # type: ignore[index]
    torch.testing.assert_close(same.encoder.pos_embedding.data, places)
    larger = build_encoder("vit_b_32", str(tmp_path / "net.pth"), size=(96, 96)).module[1]  # type: ignore[index]
    found = larger.encoder.pos_embedding.data
    assert found.shape == (1, 10, 768)
    torch.testing.assert_close(found[:, 0], places[:, 0])
    corners = found[:, 1:].unflatten(1, (3, 3))[:, ::2, ::2].flatten(1, 2)  # align_corners
    torch.testing.assert_close(corners, places[:, 1:])


# --- published weights --------------------------------------------------------------------------------------------


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Weights of ours as if torchvision had published them, in the folder of this test; nothing is in the cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def publish(name: str, state: dict[str, torch.Tensor]) -> Path:
        (tmp_path / "web").mkdir(exist_ok=True)
        path = with_hash(state, tmp_path / "web", name)
        monkeypatch.setattr(torchvision.models.get_model_weights(name).DEFAULT.value, "url", path.as_uri())
        return path

    return publish


def test_published_weights_are_downloaded_once(publish) -> None:
    state = torchvision.models.resnet18().state_dict()
    path = publish("resnet18", state)
    for _ in range(2):
        encoder = build_encoder("resnet18", "DEFAULT", size=(32, 32))
        torch.testing.assert_close(encoder.module[1].conv1.weight.data, state["conv1.weight"])  # type: ignore[index]
        path.unlink(missing_ok=True)  # the second time it is in the cache


def test_weights_that_cannot_be_downloaded_say_what_to_do(publish) -> None:
    publish("resnet18", {}).unlink()
    with pytest.raises(WeightsError, match=r"could not be downloaded.*local state_dict file.*weights: null"):
        build_encoder("resnet18", "DEFAULT")


@pytest.mark.parametrize(("name", "other"), [("resnet18", "resnet34"), ("resnet34", "resnet18"), ("swin_t", "swin_v2_t")])
def test_weights_of_another_network_are_refused(name: str, other: str, tmp_path: Path) -> None:
    torch.save(torchvision.models.get_model(other).state_dict(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=f"net.pth: not the weights of {name}"):
        build_encoder(name, str(tmp_path / "net.pth"), size=(32, 32))


def _older(name: str, key: str) -> str:
    """An entry as published files name it that are older than the network."""
    if name == "densenet121":
        return re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key)
    return key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.") if name == "vit_b_32" else key


@pytest.mark.parametrize("name", ["densenet121", "vit_b_32", "mnasnet0_5", "googlenet", "inception_v3"])
def test_published_files_with_entries_of_their_own(name: str, publish, tmp_path: Path) -> None:
    """Older names, versions of layers, and auxiliary heads; from the cache, and as safetensors, which have no versions."""
    from safetensors.torch import save_file

    more = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if name == "vit_b_32":
        more = {"image_size": 64}
    state = torchvision.models.get_model(name, **more).state_dict()
    given = {_older(name, key): value for key, value in state.items()}
    publish(name, given)
    save_file(given, tmp_path / "net.safetensors")
    side = SMALLEST[name][1]
    for weights in ("DEFAULT", str(tmp_path / "net.safetensors")):
        found = build_encoder(name, weights, size=(side, side)).module[1].state_dict()  # type: ignore[index]
        assert all(torch.equal(value, state[key]) for key, value in found.items())
        if "inception" in name or name == "googlenet":
            assert build_encoder(name, weights, size=(side, side)).module[1].transform_input  # type: ignore[index]
