"""Maps: where a network has them, their principal components, and both in one row."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from latentlabels.encoders import Frozen, RegionFeatures, Standardize, TinyCNN, build_encoder
from latentlabels.encoders.maps import find_maps, moments, rounded_to_half
from latentlabels.errors import ConfigError
from latentlabels.program import Amortizer, RegionHead
from latentlabels.space import LabelSpace

RANDOM = torch.Generator().manual_seed(0)


def images(number: int = 3, size: int = 64) -> Tensor:
    return torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "name, size, part, layout",
    [
        ("resnet18", 64, "layer4", "channels first"),
        ("mobilenet_v3_small", 64, "features", "channels first"),
        ("densenet121", 64, "features", "channels first"),
        ("regnet_y_400mf", 64, "trunk_output", "channels first"),
        ("swin_t", 64, "permute", "channels first"),
    ],
)
def test_maps_of_torchvision_are_what_it_pools(name: str, size: int, part: str, layout: str) -> None:
    network = torchvision.models.get_model(name, weights=None).eval()
    tap = find_maps(network, (size, size), name)
    assert (tap.part, tap.layout) == (part, layout)
    assert tap.grid == (2, 2)


def test_a_vision_transformer_of_torchvision_has_its_patches() -> None:
    sizes = {"patch_size": 16, "num_layers": 1, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 32}
    tap = find_maps(torchvision.models.VisionTransformer(image_size=80, **sizes), (80, 80), "vit")
    assert tap == ("encoder", 32, (5, 5), "tokens")


@pytest.mark.parametrize(
    "name, layout",
    [
        ("tf_efficientnet_lite0", "channels first"),
        ("mobilenetv3_small_050", "channels first"),  # convolves once more after it has pooled
        ("test_vit", "tokens"),
        ("test_efficientnet", "channels first"),
        ("swin_tiny_patch4_window7_224", "channels last"),
    ],
)
@torch.no_grad()
def test_maps_of_timm_are_its_own(name: str, layout: str) -> None:
    """Against `forward_features`, which timm's networks have: the same numbers at the same places."""
    torch.manual_seed(0)
    few = {"img_size": 56, "embed_dim": 24, "depths": (1, 1), "num_heads": (1, 2)} if "swin" in name else {}
    network = timm.create_model(name, pretrained=False, num_classes=0, **few).eval()
    size = 56 if "swin" in name else 160 if "vit" in name else 96
    given = images(2, size)
    found = RegionFeatures(network, network(given).shape[1], (size, size), name)
    assert found.tap.layout == layout
    own = network.forward_features(given)
    pooled, maps = found.both(given)
    torch.testing.assert_close(pooled, network(given))
    high, wide = found.tap.grid
    if layout == "tokens":
        own = own[:, network.num_prefix_tokens :].transpose(1, 2).unflatten(-1, (high, wide))
    elif layout == "channels last":
        own = own.permute(0, 3, 1, 2)
    torch.testing.assert_close(maps, own)
    assert high * wide > 1


@torch.no_grad()
def test_a_place_of_the_map_is_that_place_of_the_image() -> None:
    """A change in one corner moves the map there most: rows and columns are not mixed up."""
    torch.manual_seed(0)
    for network, size in ((TinyCNN(), 64), (timm.create_model("test_vit", num_classes=0), 160)):
        network.eval()
        given = images(1, size)
        changed = given.clone()
        changed[:, :, : size // 4, -size // 4 :] = 1 - changed[:, :, : size // 4, -size // 4 :]
        found = RegionFeatures(network, network(given).shape[1], (size, size), "it")
        moved = (found.both(changed)[1] - found.both(given)[1]).norm(dim=1)[0]
        row, column = divmod(int(moved.argmax()), moved.shape[1])
        assert row < moved.shape[0] / 2 <= column, (row, column)


class Pooled(nn.Module):
    def forward(self, given: Tensor) -> Tensor:
        return given.mean((-2, -1))


class Regrouped(nn.Module):
    """Tokens that are fewer than the patches: which place each is of is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mixed = nn.Conv2d(3, 8, 8, 8), nn.Identity()

    def forward(self, given: Tensor) -> Tensor:
        tokens = self.patches(given).flatten(2).transpose(1, 2)
        return self.mixed(tokens[:, ::4]).mean(1)


@pytest.mark.parametrize("network", [Pooled(), Regrouped()], ids=["none", "regrouped"])
def test_a_network_without_maps_is_refused(network: nn.Module) -> None:
    with pytest.raises(ConfigError, match='encoder "it" has no maps'):
        find_maps(network, (64, 64), "it")


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_images_too_small_for_places_are_refused(name: str) -> None:
    network = torchvision.models.get_model(name, weights=None)
    with pytest.raises(ConfigError, match="at 32 x 32 px a map of the encoder .* has one place"):
        find_maps(network, (32, 32), name)


def test_finding_maps_leaves_the_network_as_it_was() -> None:
    network = torchvision.models.resnet18(weights=None).train()
    network.bn1.eval()
    before = copy.deepcopy(network.state_dict())
    find_maps(network, (64, 64), "resnet18")
    assert network.training and not network.bn1.training and network.layer1.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(not part._forward_hooks for part in network.modules())


def test_moments_are_those_of_all_places() -> None:
    maps = 1000 + torch.randn(7, 5, 2, 3, generator=RANDOM)
    mean, covariance = moments(maps.split(3))
    places = maps.double().movedim(1, -1).reshape(-1, 5)
    torch.testing.assert_close(mean, places.mean(0))
    torch.testing.assert_close(covariance, torch.cov(places.T, correction=0))
    with pytest.raises(ValueError, match="no images"):
        moments([])


def _tiny(components: int | None) -> RegionFeatures:
    torch.manual_seed(0)
    return RegionFeatures(TinyCNN().eval(), 256, (64, 64), "tiny", components)


@torch.no_grad()
def test_principal_components_are_the_best_of_their_number() -> None:
    """The squared error of what they keep is the sum of the smallest eigenvalues, which no other subspace beats."""
    found, given = _tiny(16), images(6)
    assert found.needs_basis
    found.fit_basis(given.split(4))
    assert not found.needs_basis
    places = found.both(given)[1].movedim(1, -1).flatten(0, -2).double()
    kept = found(given)[:, 256:].unflatten(1, (16, -1)).transpose(1, 2).flatten(0, 1).double()
    mean, basis = found.mean.double(), found.basis.double()
    torch.testing.assert_close(basis.T @ basis, torch.eye(16, dtype=torch.float64), atol=1e-5, rtol=0)
    error = (mean + kept @ basis.T - places).pow(2).sum(1).mean()
    values = torch.linalg.eigvalsh(torch.cov(places.T, correction=0))
    torch.testing.assert_close(error, values[:-16].sum(), rtol=1e-4, atol=1e-8)


@torch.no_grad()
def test_all_components_lose_nothing() -> None:
    whole, given = _tiny(None), images()
    found = _tiny(1000)
    found.fit_basis([given])
    assert found.maps == whole.maps == (128, 4, 4)
    row = found(given)[:, 256:].unflatten(1, (128, -1))
    again = found.mean[:, None] + found.basis @ row
    torch.testing.assert_close(again.flatten(1), whole(given)[:, 256:], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_row_is_pooled_features_and_maps() -> None:
    found, given = _tiny(None), images()
    row = found(given)
    assert row.shape == (3, found.num_features) == (3, 256 + 128 * 16)
    torch.testing.assert_close(row[:, :256], found.network(given))
    head = RegionHead(256, found.maps, 2)
    torch.testing.assert_close(head.scores(row), torch.einsum("rc,bchw->brhw", head.weight[:, 256:], found.both(given)[1]))


@torch.no_grad()
def test_copies_pickles_and_threads_have_maps_of_their_own() -> None:
    found, given = _tiny(None), images(2)
    expected = found(given)
    other = copy.deepcopy(found)
    other.network.stages[0][0].weight.mul_(2)
    torch.testing.assert_close(found(given), expected)
    assert not torch.allclose(other(given), expected)
    torch.testing.assert_close(pickle.loads(pickle.dumps(found))(given), expected)
    answers: dict[int, Tensor] = {}

    def ask(number: int) -> None:
        with torch.no_grad():  # a thread begins with gradients
            for _ in range(10):
                answers[number] = found(given * number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        torch.testing.assert_close(answers[number], found(given * number))
    assert not found._held


def test_gradients_reach_the_network_through_the_maps_alone() -> None:
    found = _tiny(None)
    found(images())[:, 256:].sum().backward()
    assert float(found.network.stages[0][0].weight.grad.abs().sum()) > 0


def test_a_frozen_encoder_keeps_components_and_a_trained_one_all() -> None:
    frozen = build_encoder("tiny", frozen=True, size=(64, 64), regions=True)
    trained = build_encoder("tiny", size=(64, 64), regions=True)
    assert isinstance(frozen.module, Frozen) and frozen.module.module.needs_basis
    assert isinstance(trained.module, RegionFeatures) and not trained.module.needs_basis
    assert frozen.maps == trained.maps == (128, 4, 4) and frozen.num_pooled == trained.num_pooled == 256
    with pytest.raises(ConfigError, match="embeddings have no places"):
        build_encoder("embedding", num_inputs=4, regions=True)


def test_one_scale_for_pooled_features_and_one_for_maps() -> None:
    """A mean squared norm of 100 for the features, and for the mean of the maps over the places; ratios within each stay."""
    rows = torch.randn(400, 5 + 3 * 4, generator=RANDOM) * torch.cat([torch.full((5,), 20.0), torch.full((12,), 0.1)]) + 3
    scaled = Standardize(17, (3, 2, 2))
    scaled.fit_to(rows)
    found = scaled(rows)
    pooled, maps = found[:, :5], found[:, 5:].unflatten(1, (3, 4)).mean(-1)
    for part in (pooled, maps):
        torch.testing.assert_close(part.mean(0), torch.zeros(part.shape[1]), atol=1e-3, rtol=0)
        assert float(part.pow(2).sum(1).mean()) == pytest.approx(100, rel=1e-3)
    assert scaled.scale[:5].unique().numel() == scaled.scale[5:].unique().numel() == 1
    assert scaled.mean[5:].view(3, 4).unique(dim=1).shape == (3, 1), "a mean for each channel, not for each place"


def test_images_of_another_size_are_named() -> None:
    found = _tiny(None)
    amortizer = Amortizer(LabelSpace.free("ab"), found, found.num_features, head=RegionHead(256, found.maps, 2))
    with pytest.raises(ValueError, match="the head takes"):
        amortizer(images(2, 96))


def test_rounding_is_that_of_float16() -> None:
    values = torch.cat([torch.randn(2000) * 10.0**power for power in range(-4, 4)])
    values = values[values.abs() > 2.0**-14]
    assert torch.equal(rounded_to_half(values), values.half().float())
    assert not torch.equal(rounded_to_half(values), values)
    assert rounded_to_half(torch.tensor([1e6, -1e6, 0.0])).tolist() == [65504.0, -65504.0, 0.0]
