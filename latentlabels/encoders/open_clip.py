"""`open_clip:NAME`: the image side of CLIP-like networks (Radford et al., ICML 2021), as the package open_clip describes them.

Size, mean, deviation, interpolation and activation are those of the weights' own record: open_clip's list of published weights,
or the `open_clip_config.json` beside them. Weights are read as tensors alone. The features are the image's embedding, in the
space that it shares with texts, scaled to length 1.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError, WeightsError, nearest
from ..inputs import PixelFormat, as_size
from ..inputs.rgb import Interpolation, Size
from .convolutional import Normalize

PREFIX = "open_clip:"
HUB = "hf-hub:"
DEFAULT = "DEFAULT"
CONFIG_FILE = "open_clip_config.json"
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
_PREFERRED = ("laion2b", "datacomp1b", "datacomp_s34b", "datacomp_xl")  # the later the better
_NO_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}  # in the place of an unused text side


@dataclass(frozen=True)
class Record:
    """What weights say about themselves.

    Attributes:
        config: the network, in open_clip's words: `embed_dim`, `vision_cfg`, `text_cfg`, ...
        preprocess: how pictures are prepared: `mean`, `std`, `interpolation`.
        tokenizer: by which `open_clip.get_tokenizer` finds the tokenizer.
    """

    config: dict[str, Any]
    preprocess: dict[str, Any] = field(default_factory=dict)
    tokenizer: str = ""

    @property
    def pixels(self) -> PixelFormat:
        """What the image side takes."""
        usual = PixelFormat((224, 224), (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        mean, std = (tuple(map(float, self.preprocess.get(key) or getattr(usual, key))) for key in ("mean", "std"))
        how: Interpolation = "bilinear" if self.preprocess.get("interpolation") == "bilinear" else "bicubic"
        return PixelFormat(as_size(self.config["vision_cfg"].get("image_size", 224)), mean, std, how)  # type: ignore[arg-type]


@cache
def names() -> tuple[str, ...]:
    """The names that open_clip has a description of; empty where it is not installed. It is not imported for that."""
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        return ()
    return tuple(PREFIX + path.stem for path in sorted((Path(found.origin).parent / "model_configs").glob("*.json")))


def takes(name: str) -> bool:
    """Whether a name belongs to this family."""
    return name.startswith(PREFIX)


def pixel_format(name: str, weights: str | None) -> PixelFormat:
    """What the weights were trained with, as their record says.

    Raises:
        ConfigError: an unknown name, or a package that is not installed.
        WeightsError: weights that do not exist, or whose record cannot be read.
    """
    return record_of(name, weights).pixels


def build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """The image side, and the number of its features.

    Args:
        name: "open_clip:" and a name.
        weights: None; "DEFAULT" or another published tag; a file; a folder in the layout of the Hugging Face hub, with
            `open_clip_config.json` beside the tensors; or "hf-hub:" and the name of a repository in that layout.
        pixels: mean and deviation.
        size: (height, width) of the images.

    Raises:
        ConfigError: an unknown name, or a size that the network does not take.
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    record = record_of(name, weights)
    return _built(record.config, name, pixels, size, None if weights is None else checkpoint_of(name, weights))


def architecture(name: str, weights: str | None) -> dict[str, Any]:
    """What `rebuild` needs: the description of the image side, which depends on the weights as well as on the name."""
    config = record_of(name, weights).config
    return {key: config[key] for key in ("embed_dim", "vision_cfg", "quick_gelu") if key in config}


def rebuild(stored: Mapping[str, Any], name: str, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """The image side of what `architecture` gave, with random weights, without the files that it came from."""
    return _built(dict(stored), name, pixels, size, None)


class ImageTower(nn.Module):
    """Normalised images (B, 3, H, W) to embeddings of length 1, (B, D).

    Args:
        visual: open_clip's image side.
        config: its description, of which a hash is kept as a buffer: equal weights in other networks are told apart by it.
    """

    def __init__(self, visual: nn.Module, config: Mapping[str, Any]):
        super().__init__()
        self.visual = visual
        described = json.dumps([config.get("vision_cfg"), bool(config.get("quick_gelu"))], sort_keys=True).encode()
        self.register_buffer("described", torch.tensor(list(hashlib.sha256(described).digest()), dtype=torch.uint8), False)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found = self.visual(images)
        if isinstance(found, tuple):  # some give their tokens as well
            found = found[0]
        return nn.functional.normalize(found, dim=-1)


def _built(
    config: dict[str, Any], name: str, pixels: PixelFormat, size: Size, checkpoint: Path | None
) -> tuple[nn.Module, int]:
    library = library_of(name)
    config, own = deepcopy(config), as_size(config["vision_cfg"].get("image_size", 224))
    vision = config["vision_cfg"]
    by_timm = vision.get("timm_model_name") is not None
    if by_timm:
        vision["timm_model_pretrained"] = False  # the weights that come are the whole network's
    elif size != own:
        _check_size(name, vision, size, own)
        vision["image_size"] = list(size)
    network = library.CLIP(int(config["embed_dim"]), vision, dict(_NO_TEXT), quick_gelu=bool(config.get("quick_gelu")))
    if checkpoint is not None:
        _load_image_side(network, name, checkpoint)
    if by_timm and size != own:
        try:
            network.visual.set_input_size(size)
        except (AssertionError, ValueError) as error:
            raise ConfigError(f"model.image_size: {name} does not take images of {size[0]} x {size[1]} ({error})") from error
    tower = ImageTower(network.visual, config)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), tower), int(config["embed_dim"])


def _check_size(name: str, vision: Mapping[str, Any], size: Size, own: Size) -> None:
    usual = f"{own[0]}" if own[0] == own[1] else f"[{own[0]}, {own[1]}]"
    if isinstance(vision.get("layers", 12), list | tuple):
        raise ConfigError(
            f"model.image_size: {name} takes images of {usual} pixels alone, not {size[0]} x {size[1]}; leave image_size out"
        )
    patch = int(vision.get("patch_size", 16))
    if size[0] % patch or size[1] % patch:
        raise ConfigError(
            f"model.image_size: {name} cuts images into squares of {patch} pixels, which {size[0]} x {size[1]} pixels is not a "
            f"multiple of; give a multiple of {patch}, or leave image_size out for {usual}"
        )


def _load_image_side(network: nn.Module, name: str, path: Path) -> None:
    from open_clip.convert import convert_state_dict
    from open_clip.model import resize_pos_embed

    state = convert_state_dict(network, tensors_of(path))
    resize_pos_embed(state, network)
    own = network.visual.state_dict()  # type: ignore[operator]
    found = {key.removeprefix("visual."): value for key, value in state.items() if key.startswith("visual.")}
    strange = [key for key in {**own, **found} if key not in own or key not in found or own[key].shape != found[key].shape]
    if strange:
        raise WeightsError(
            f"{path}: not the weights of {name}: {len(strange)} of the {len(own)} entries of its image side are missing or "
            f'have another shape (first: "visual.{strange[0]}"); give weights of this network, or the name of theirs as encoder'
        )
    network.visual.load_state_dict(found)  # type: ignore[operator]


# --- records and files ------------------------------------------------------------------------------------------------


def library_of(name: str) -> ModuleType:
    """The package open_clip.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise ConfigError(
            f'model.encoder: "{name}" needs the package open_clip_torch ({error}); install it: pip install '
            "'latentlabels[encoders]'"
        ) from error
    return open_clip  # type: ignore[no-any-return]


def record_of(name: str, weights: str | None) -> Record:
    """What weights say about themselves; of a repository on the hub its small config file is downloaded.

    Without weights, and for a file that nothing is known about, it is the record of the network's default weights.

    Raises:
        ConfigError: an unknown name.
        WeightsError: weights that do not exist, are of another network, or whose record cannot be read.
    """
    library, model = library_of(name), _model(name)
    own = library.get_model_config(model)
    beside = _config_beside(weights)
    if beside is not None:
        return _written(beside, name, own, f"local-dir:{beside.parent}" if not _is_hub(weights) else str(weights))
    if own is None:
        raise ConfigError(
            f'model.encoder: open_clip has no network "{model}"{nearest(name, names())} (known: see open_clip.list_models()); '
            f"for a network of your own give its folder, with {CONFIG_FILE}, as weights"
        )
    published = _published(library, model, name, weights)
    if published.get("quick_gelu") and weights is not None and not Path(weights).exists():
        own["quick_gelu"] = True  # as the weights were trained, whatever the description of the network says
    return Record(own, published, model)


def checkpoint_of(name: str, weights: str) -> Path:
    """The file with the tensors, downloaded if need be, whose hash is checked where one is known.

    Raises:
        WeightsError: it cannot be had, or is not the one that was published.
    """
    path = Path(weights)
    if path.is_dir():
        return _file_in(path)
    library, model = library_of(name), _model(name)
    if path.is_file():
        _check_hash(path, [one.get("url", "") for one in _all_published(library, model)])
        return path
    try:
        if _is_hub(weights):
            found = Path(library.pretrained.download_pretrained_from_hf(weights.removeprefix(HUB)))
        else:
            found = Path(library.download_pretrained(_published(library, model, name, weights)))
    except WeightsError:
        raise
    except Exception as error:  # what the hub raises is many things
        raise WeightsError(
            f'model.weights: "{weights}" of {name} could not be downloaded ({error}); give a file or a folder with the weights, '
            "or run again with a network"
        ) from error
    _check_hash(found, [])
    return found


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name; nothing in it is executed.

    Raises:
        WeightsError: a file that holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        found = {str(key).removeprefix("module."): value for key, value in state.items()}
    except Exception as error:
        raise WeightsError(
            f"{path}: cannot be read as tensors ({error}); give a .safetensors file, or a file that torch.save wrote of "
            "state_dict()"
        ) from error
    wrong = [key for key, value in found.items() if not isinstance(value, Tensor)]
    if wrong:
        raise WeightsError(f'{path}: "{wrong[0]}" is no tensor; give a file that torch.save wrote of state_dict()')
    return found


def _model(name: str) -> str:
    return name.removeprefix(PREFIX).replace("/", "-")


def _is_hub(weights: str | None) -> bool:
    return weights is not None and weights.startswith(HUB)


def _config_beside(weights: str | None) -> Path | None:
    """The config file that lies beside weights; None where they have none."""
    if weights is None:
        return None
    path = Path(weights)
    if _is_hub(weights):
        from open_clip.pretrained import download_pretrained_from_hf

        repository = weights.removeprefix(HUB)
        try:
            return Path(download_pretrained_from_hf(repository, filename=CONFIG_FILE))
        except Exception as error:
            raise WeightsError(
                f'model.weights: "{weights}": {CONFIG_FILE} could not be downloaded ({error}); give a folder with it and the '
                "weights, or run again with a network"
            ) from error
    if path.is_dir() and not (path / CONFIG_FILE).is_file():
        raise WeightsError(
            f"{path}: holds no {CONFIG_FILE}, which says what network its weights are of; give the file with the weights itself"
        )
    found = path / CONFIG_FILE if path.is_dir() else path.with_name(CONFIG_FILE)
    return found if path.exists() and found.is_file() else None


def _written(path: Path, name: str, own: dict[str, Any] | None, tokenizer: str) -> Record:
    """The record in a config file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        config, preprocess = found["model_cfg"], found.get("preprocess_cfg") or {}
        record = Record(config, preprocess, tokenizer)
        _ = record.pixels, config["text_cfg"], int(config["embed_dim"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: cannot be read as open_clip writes it ({type(error).__name__}: {error}); it needs model_cfg, with "
            "embed_dim, vision_cfg and text_cfg, and preprocess_cfg"
        ) from error
    if own is not None:
        for key in ("layers", "width", "patch_size", "timm_model_name"):
            mine, other = own["vision_cfg"].get(key), config["vision_cfg"].get(key)
            if mine != other and None not in (mine, other):
                raise WeightsError(
                    f"{path}: describes another network than {name}: {key} is {other}, not {mine}; give the name of its own "
                    f'network as encoder, or any other name, for example "{PREFIX}own"'
                )
    return record


def _all_published(library: ModuleType, model: str) -> list[dict[str, Any]]:
    return [library.get_pretrained_cfg(model, tag) for tag in library.list_pretrained_tags_by_model(model)]


def default_tag(tags: list[str]) -> str | None:
    """Which published weights "DEFAULT" means: trained on DataComp-XL, else DataComp-1B, else LAION-2B, the last listed of
    these (the longest trained), whose licences are open; else the first that open_clip lists. None where there are none.
    """
    for kind in reversed(_PREFERRED):
        found = [tag for tag in tags if tag.startswith(kind)]
        if found:
            return found[-1]
    return tags[0] if tags else None


def _published(library: ModuleType, model: str, name: str, weights: str | None) -> dict[str, Any]:
    """open_clip's record of published weights; of default ones without weights and for a local file."""
    tags = library.list_pretrained_tags_by_model(model)
    tag = default_tag(tags)
    if weights is None or Path(weights).is_file():
        same = [one for one in _all_published(library, model) if weights and Path(one.get("url", "")).name == Path(weights).name]
        return same[0] if same else library.get_pretrained_cfg(model, tag) if tag else {}  # type: ignore[no-any-return]
    if weights != DEFAULT:
        tag = weights
    if tag is None or not library.is_pretrained_cfg(model, tag):
        listed = ", ".join(tags) or "none"
        raise WeightsError(
            f'model.weights: "{weights}" is neither a file, a folder, nor weights of {name}{nearest(weights, tags)} '
            f"(published: {listed}); give one of these, a path, or null for random weights"
        )
    return library.get_pretrained_cfg(model, tag)  # type: ignore[no-any-return]


def _file_in(folder: Path) -> Path:
    """The file with the weights in a folder."""
    usual = [folder / file for file in _FILES if (folder / file).is_file()]
    found = usual or sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS and path.is_file())
    if not usual and len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise WeightsError(f"{folder}: expected one file with weights, {_FILES[0]} or {_FILES[1]} (found: {listed})")
    return found[0]


def _check_hash(path: Path, urls: list[str]) -> None:
    """Compare a file with the SHA-256 that it was published with: in the hub's cache a file's own name, else in its URL.

    Raises:
        WeightsError: another one.
    """
    real = path.resolve()
    stated = real.name if _is_digest(real.name) else ""
    for url in urls:
        parts = url.split("/")
        if parts[-1] == path.name and len(parts) > 1:
            stated = parts[-2] if _is_digest(parts[-2]) else path.stem.split("-")[-1]
    if not stated or not _is_hex(stated) or len(stated) < 8:
        return
    with real.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(stated):
        raise WeightsError(
            f"{path}: not the file that was published: its SHA-256 begins with {found[:8]}, not {stated[:8]}; delete it and "
            "download it again"
        )


def _is_digest(text: str) -> bool:
    return len(text) == 64 and _is_hex(text)


def _is_hex(text: str) -> bool:
    return bool(text) and all(letter in "0123456789abcdef" for letter in text)
