"""What open_clip and the hub say about weights: the network they are of, how pictures are prepared for it, where they are."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError, WeightsError, nearest
from ..inputs import PixelFormat, as_size
from ..inputs.rgb import Interpolation
from .family import DEFAULT

PREFIX = "open_clip:"
HUB = "hf-hub:"
CONFIG_FILE = "open_clip_config.json"
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
_PREFERRED = ("laion2b", "datacomp1b", "datacomp_s34b", "datacomp_xl")  # the later the better


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
            f'model.weights: "{weights}" of {name} could not be downloaded ({error}); give a file or a folder with the '
            "weights, or run again with a network"
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
        same = [
            one for one in _all_published(library, model) if weights and Path(one.get("url", "")).name == Path(weights).name
        ]
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
    usual = [folder / file for file in FILES if (folder / file).is_file()]
    found = usual or sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS and path.is_file())
    if not usual and len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise WeightsError(f"{folder}: expected one file with weights, {FILES[0]} or {FILES[1]} (found: {listed})")
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
