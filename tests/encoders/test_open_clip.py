"""open_clip's networks: features and texts equal to open_clip's own, what is read from where, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from clip import CONFIG, PREPROCESS, TEXT, VISION, tiny_clip, write_clip
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from torch import Tensor

from latentlabels.encoders import (
    build_encoder,
    choose,
    describe_encoder,
    embed_texts,
    fingerprint,
    has_texts,
    names,
    pixel_format,
    texts_of,
)
from latentlabels.encoders.open_clip import PUBLISHED, at_hand
from latentlabels.encoders.open_clip_record import FILES, default_tag, record_of
from latentlabels.errors import ConfigError, WeightsError

OWN = "open_clip:own"
TEXTS = texts_of(["traffic_light", "dog", "cat"], ["a photo of {}", "{}", "the {} there"])
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 16, "patch_size": None}
VARIANTS: dict[str, dict[str, Any]] = {
    "vit": CONFIG,
    "quick": CONFIG | {"quick_gelu": True},
    "custom": CONFIG | {"custom_text": True},
    "resnet": CONFIG | {"vision_cfg": RESNET},
    "tokens": CONFIG | {"vision_cfg": VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}},
    "coca": {
        "embed_dim": 24,
        "vision_cfg": VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True, "width": 24},
        "multimodal_cfg": TEXT | {"attn_pooler_heads": 2, "width": 24},
        "custom_text": True,
    },
    "timm": CONFIG | {"vision_cfg": {"timm_model_name": "test_resnet", "image_size": 64, "timm_pool": "avg"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"), tiny_clip())


def own_features(clip: Any, images: Tensor) -> Tensor:
    mean, std = (torch.tensor(PREPROCESS[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        found = clip.visual((images - mean) / std)
        return torch.nn.functional.normalize(found[0] if isinstance(found, tuple) else found, dim=-1)


def features(name: str, weights: Path | str, images: Tensor, **given: Any) -> Tensor:
    module = build_encoder(name, str(weights), **given).module.eval()
    with torch.no_grad():
        return module(images)


# --- equal to open_clip -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_sides_equal_open_clips_own(variant: str, tmp_path: Path):
    config = VARIANTS[variant]
    plain = {key: value for key, value in config.items() if key != "custom_text"}
    torch.manual_seed(1)
    kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    clip = kind(**plain).eval() if "custom_text" in config else tiny_clip(plain)
    write_clip(tmp_path, clip, config)
    side = config["vision_cfg"]["image_size"]
    images = torch.rand(3, 3, side, side)
    found = features(OWN, tmp_path, images)
    torch.testing.assert_close(found, own_features(clip, images))
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    assert found.shape == (3, config["embed_dim"])
    assert (found[0] - found[1]).abs().max() > 1e-3  # it looks at the images

    texts = embed_texts(OWN, str(tmp_path), TEXTS)
    templates = ["a photo of {}", "{}", "the {} there"]
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    theirs = open_clip.build_zero_shot_classifier(clip, tokenizer, ["traffic light", "dog", "cat"], templates)
    torch.testing.assert_close(texts.embeddings, theirs.T)
    assert texts.scale == pytest.approx(float(clip.logit_scale.detach().exp()), rel=1e-6)


def test_what_images_are_prepared_by_is_in_the_folder(folder: Path):
    found = pixel_format(OWN, str(folder))
    assert found.size == (32, 32) and found.interpolation == "bilinear"
    assert [*found.mean] == PREPROCESS["mean"] and [*found.std] == PREPROCESS["std"]
    assert pixel_format(OWN, str(folder / FILES[0])) == found  # the config lies beside the file


def test_all_files_of_the_weights_give_the_same(folder: Path, tmp_path: Path):
    images = torch.rand(2, 3, 32, 32)
    expected = features(OWN, folder, images)
    pickled = write_clip(tmp_path / "pickled", tiny_clip(), ending="bin")
    torch.testing.assert_close(features(OWN, pickled, images), expected)
    state = torch.load(pickled / FILES[1], weights_only=True)
    (pickled / FILES[1]).unlink()
    checkpoint = {"epoch": 3, "name": "x", "state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(checkpoint, pickled / "epoch_3.pt")  # as open_clip's training writes it
    torch.testing.assert_close(features(OWN, pickled / "epoch_3.pt", images), expected)
    torch.testing.assert_close(
        embed_texts(OWN, str(pickled), TEXTS).embeddings, embed_texts(OWN, str(folder), TEXTS).embeddings
    )


@pytest.mark.parametrize("size", [(48, 48), (32, 64)])
def test_another_size_interpolates_the_places_as_open_clip_does(size: tuple[int, int], folder: Path):
    images = torch.rand(2, 3, *size)
    theirs = open_clip.create_model(f"local-dir:{folder}", force_image_size=size).eval()
    torch.testing.assert_close(features(OWN, folder, images, size=size), own_features(theirs, images))


def test_every_published_record_is_open_clips_own():
    """No weights are needed to know what images are prepared by, and how the network was trained."""
    for name, tag in open_clip.list_pretrained():
        published, record = open_clip.get_pretrained_cfg(name, tag), record_of(f"open_clip:{name}", tag)
        pixels = record.pixels
        assert (pixels.mean, pixels.std) == (tuple(published["mean"]), tuple(published["std"]))
        assert pixels.interpolation == published["interpolation"]
        side = open_clip.get_model_config(name)["vision_cfg"].get("image_size", 224)
        assert pixels.size == (tuple(side) if isinstance(side, list) else (side, side))
        assert bool(record.config.get("quick_gelu")) >= bool(published.get("quick_gelu"))
    assert not record_of("open_clip:ViT-B-32", "datacomp_xl_s13b_b90k").config.get("quick_gelu")
    assert record_of("open_clip:ViT-B-32", "openai").config["quick_gelu"]


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ViT-B-32", "datacomp_xl_s13b_b90k"),
        ("ViT-B-32-256", "datacomp_s34b_b86k"),
        ("ViT-H-14", "laion2b_s32b_b79k"),
        ("ViT-g-14", "laion2b_s34b_b88k"),
        ("ViT-B-16-SigLIP", "webli"),
        ("RN50", "openai"),
        ("no such network", None),
    ],
)
def test_the_rule_of_default(name: str, tag: str | None):
    assert default_tag(open_clip.list_pretrained_tags_by_model(name)) == tag


def test_names_are_those_that_open_clip_describes():
    listed = [name.removeprefix("open_clip:") for name in names() if name.startswith("open_clip:")]
    assert set(open_clip.list_models()) <= set(listed)
    assert has_texts("open_clip:anything") and not has_texts("resnet18") and not has_texts("embedding")


# --- what a run keeps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["quick", "resnet", "timm"])
def test_a_network_is_built_again_without_its_files(variant: str, tmp_path: Path):
    config = VARIANTS[variant]
    write_clip(tmp_path / "clip", tiny_clip(config), config)
    encoder = build_encoder(OWN, str(tmp_path / "clip"), frozen=True)
    about = json.loads(json.dumps(describe_encoder(OWN, str(tmp_path / "clip"))))
    shutil.rmtree(tmp_path / "clip")
    again = build_encoder(OWN, None, frozen=True, pixels=encoder.pixels, described=about)
    again.module.load_state_dict(encoder.module.state_dict())
    side = config["vision_cfg"]["image_size"]
    images = torch.rand(2, 3, side, side)
    assert torch.equal(again.module(images), encoder.module(images))
    assert fingerprint(again.module, OWN) == fingerprint(encoder.module, OWN)


def test_equal_weights_in_networks_that_differ_have_fingerprints_that_differ(tmp_path: Path):
    clip = tiny_clip()
    hashes = set()
    for variant in ("vit", "quick"):
        write_clip(tmp_path / variant, clip, VARIANTS[variant])
        hashes.add(fingerprint(build_encoder(OWN, str(tmp_path / variant)).module, OWN))
    assert len(hashes) == 2
    assert describe_encoder("resnet18") is None


# --- the hub ------------------------------------------------------------------------------------------------------------


class Hub:
    """A hub that has repositories in a folder, and a cache as huggingface_hub has it: files link to blobs by their hash."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        self.root, self.cache, self.asked = root / "hub", root / "cache", list[tuple[str, str]]()
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", self.download)
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", self.look)
        self.online = True

    def download(self, repository: str, filename: str, **more: Any) -> str:
        self.asked.append((repository, filename))
        if not self.online:
            raise LocalEntryNotFoundError("no network")
        source = self.root / repository / filename
        if not source.exists():
            raise EntryNotFoundError(f"no {filename}")
        content = source.read_bytes()
        blob = self.cache / repository / "blobs" / hashlib.sha256(content).hexdigest()
        link = self.cache / repository / "snapshots" / filename
        for path in (blob, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(blob)
        return str(link)

    def look(self, repository: str, filename: str, **more: Any) -> str | None:
        link = self.cache / repository / "snapshots" / filename
        return str(link) if link.exists() else None


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(tmp_path, monkeypatch)


def test_a_repository_of_the_hub_is_a_network(hub: Hub, folder: Path):
    shutil.copytree(folder, hub.root / "someone" / "their-clip")
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(features(OWN, "hf-hub:someone/their-clip", images), features(OWN, folder, images))
    hub.online, before = False, len(hub.asked)  # what is in the cache needs no network
    torch.testing.assert_close(features(OWN, "hf-hub:someone/their-clip", images), features(OWN, folder, images))
    assert len(hub.asked) == before
    with pytest.raises(WeightsError, match="could not be downloaded from the Hugging Face hub, someone/other"):
        build_encoder(OWN, "hf-hub:someone/other")


def test_published_weights_come_from_their_repository_safetensors_first(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-32", CONFIG)  # the weights of the real one are 600 MB
    repository = PUBLISHED["open_clip:ViT-B-32", "datacomp_xl_s13b_b90k"][0]
    write_clip(hub.root / repository, ending="bin")
    images = torch.rand(2, 3, 32, 32)
    pickled = features("open_clip:ViT-B-32", "DEFAULT", images)
    assert hub.asked == [(repository, FILES[0]), (repository, FILES[1])]
    embed_texts("open_clip:ViT-B-32", "DEFAULT", TEXTS)
    (found,) = at_hand()
    assert (found.name, found.weights, found.intact()) == ("open_clip:ViT-B-32", "datacomp_xl_s13b_b90k", True)
    chosen = choose("auto", texts=True)
    assert (chosen.encoder, chosen.weights) == (found.name, found.weights)
    (hub.cache / repository / "snapshots" / FILES[1]).resolve().write_bytes(b"changed")
    assert not found.intact()
    shutil.rmtree(hub.cache)
    assert at_hand() == []
    with pytest.raises(ConfigError, match=r"no weights of one are on this machine.*open_clip:ViT-B-32"):
        choose("auto", texts=True)
    write_clip(hub.root / repository, tiny_clip(seed=1))
    assert (features("open_clip:ViT-B-32", "DEFAULT", images) - pickled).abs().max() > 1e-3
    assert hub.asked[-1] == (repository, FILES[0])


def test_a_file_of_the_cache_that_was_changed_is_not_read(hub: Hub, folder: Path):
    shutil.copytree(folder, hub.root / "a" / "b")
    build_encoder(OWN, "hf-hub:a/b")
    link = hub.cache / "a" / "b" / "snapshots" / FILES[0]
    content = bytearray(link.read_bytes())
    content[-1] ^= 1
    link.resolve().write_bytes(content)
    for ask in (lambda: build_encoder(OWN, "hf-hub:a/b"), lambda: embed_texts(OWN, "hf-hub:a/b", TEXTS)):
        with pytest.raises(WeightsError, match="SHA-256 begins with"):
            ask()


def test_a_published_file_under_its_own_name_has_its_hash(tmp_path: Path):
    path = tmp_path / "rn50-quickgelu-yfcc15m-455df137.pt"
    torch.save({}, path)
    with pytest.raises(WeightsError, match="expected 455df137"):
        build_encoder("open_clip:RN50", str(path))
    (tmp_path / "RN50.pt").write_bytes(path.read_bytes())  # whose hash is the folder of its address
    with pytest.raises(WeightsError, match="expected afeb0e10"):
        build_encoder("open_clip:RN50", str(tmp_path / "RN50.pt"))


def test_the_repositories_that_are_looked_for_are_those_of_open_clip():
    for (name, tag), (repository, *_) in PUBLISHED.items():
        published = open_clip.get_pretrained_cfg(name.removeprefix("open_clip:"), tag)
        assert published["hf_hub"] == repository + "/"


def test_a_folder_says_that_it_is_of_this_family(folder: Path):
    found = choose("auto", str(folder))
    assert found.encoder == OWN and pixel_format(OWN, str(folder)) == pixel_format(found.encoder, found.weights)


# --- refused ------------------------------------------------------------------------------------------------------------


def test_what_is_in_a_folder_has_to_fit(folder: Path, tmp_path: Path):
    with pytest.raises(WeightsError, match=r"describes another network than open_clip:ViT-B-32: layers is 2, not 12"):
        build_encoder("open_clip:ViT-B-32", str(folder))
    with pytest.raises(WeightsError, match=r"holds no open_clip_config.json"):
        build_encoder(OWN, str(tmp_path))
    write_clip(tmp_path / "other", tiny_clip(CONFIG | {"vision_cfg": VISION | {"width": 64}}))  # of another width than it says
    for ask in (build_encoder, lambda name, weights: embed_texts(name, weights, TEXTS)):
        with pytest.raises(WeightsError, match="not the weights of open_clip:own"):
            ask(OWN, str(tmp_path / "other"))
    (tmp_path / "other" / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 3}}')
    with pytest.raises(WeightsError, match="cannot be read as open_clip writes it"):
        build_encoder(OWN, str(tmp_path / "other"))
    (tmp_path / "other" / "open_clip_config.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read as open_clip writes it"):
        pixel_format(OWN, str(tmp_path / "other"))


def test_a_file_that_would_execute_code_is_not_read(folder: Path, tmp_path: Path):
    class Harm:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "harmed", "x"))

    shutil.copy(folder / "open_clip_config.json", tmp_path)
    torch.save({"state_dict": {"visual.proj": Harm()}}, tmp_path / FILES[1])
    for ask in (lambda: build_encoder(OWN, str(tmp_path)), lambda: embed_texts(OWN, str(tmp_path), TEXTS)):
        with pytest.raises(WeightsError, match="cannot be read as a state_dict"):
            ask()
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("name", "weights", "error", "said"),
    [
        ("open_clip:ViT-B-23", None, ConfigError, 'no network "ViT-B-23"; did you mean "open_clip:ViT-B-32"'),
        ("open_clip:ViT-B-32", "opanai", WeightsError, "neither a file, a folder, nor weights of open_clip:ViT-B-32; did you"),
        ("open_clip:own", "nowhere/at/all", WeightsError, '"nowhere/at/all" not found'),
        ("open_clip:vit_medium_patch16_gap_256", "DEFAULT", WeightsError, "(published: none)"),
    ],
)
def test_unknown_names_are_said(name: str, weights: str | None, error: type[Exception], said: str):
    with pytest.raises(error) as raised:
        pixel_format(name, weights)
    assert said in str(raised.value)


def test_sizes_that_do_not_fit_are_said(folder: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="squares of 8 pixels.*30 x 32"):
        build_encoder(OWN, str(folder), size=(30, 32))
    write_clip(tmp_path, tiny_clip(VARIANTS["resnet"]), VARIANTS["resnet"])
    with pytest.raises(ConfigError, match="takes only images of 32 pixels, not 64 x 64"):
        build_encoder(OWN, str(tmp_path), size=(64, 64))


def test_texts_need_weights_and_words_that_fit(folder: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="random weights"):
        embed_texts("open_clip:ViT-B-32", None, TEXTS)
    with pytest.raises(ConfigError, match='the encoder "resnet18" has no text side'):
        embed_texts("resnet18", None, TEXTS)
    fits, long = " ".join(["dog"] * 14), " ".join(["dog"] * 15)  # 16 tokens, of which two mark start and end
    embed_texts(OWN, str(folder), {"a": [fits]})
    with pytest.raises(ConfigError, match="longer than the 16 tokens"):
        embed_texts(OWN, str(folder), {"a": ["dog"], "b": [long]})
    config = CONFIG | {"text_cfg": TEXT | {"hf_tokenizer_name": "somebody/tokenizer"}}
    write_clip(tmp_path, tiny_clip(), config)
    with pytest.raises((ConfigError, WeightsError), match="transformers|tokenizer"):
        embed_texts(OWN, str(tmp_path), TEXTS)


def test_a_label_is_the_mean_of_its_texts_whatever_other_labels_there_are(folder: Path):
    both = embed_texts(OWN, str(folder), {"a": ["one", "two"], "b": ["three"]}).embeddings
    each = [embed_texts(OWN, str(folder), {"x": [text]}).embeddings[0] for text in ("one", "two", "three")]
    mean = (each[0] + each[1]) / 2
    torch.testing.assert_close(both, torch.stack([mean / mean.norm(), each[2]]))


def test_of_two_windows_each_is_seen_at_the_size_of_the_weights(folder: Path):
    images = torch.rand(2, 3, 32, 64)
    pixels = pixel_format(OWN, str(folder)).in_windows()
    found = features(OWN, folder, images, pixels=pixels)
    each = [features(OWN, folder, part) for part in (images[..., :32], images[..., 32:])]
    torch.testing.assert_close(found, (each[0] + each[1]) / 2)
