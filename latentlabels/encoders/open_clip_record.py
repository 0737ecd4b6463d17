"""What open_clip and the hub say about weights: the network they are of, how pictures are prepared for it, where they are."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigError, WeightsError, nearest
from ..inputs import PixelFormat, as_size
from ..inputs.rgb import Interpolation
from .family import DEFAULT
from .hub import content_hash, file_from_hub, need
from .weights import stated_hash, weights_file

PREFIX = "open_clip:"
HUB = "hf-hub:"
CONFIG_FILE = "open_clip_config.json"
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_SHA256 = re.compile(r"[0-9a-f]{64}")
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
    need("open_clip", name)
    import open_clip

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
        if weights is not None and not Path(weights).exists():
            raise WeightsError(f'model.weights: "{weights}" not found; "{model}" needs a folder with weights and {CONFIG_FILE}')
        raise ConfigError(
            f'open_clip has no network "{model}"{nearest(name, names())} (known: see open_clip.list_models()); '
            f"for a network of your own give its folder, with {CONFIG_FILE}, as weights",
            key="model.encoder",
        )
    published = _published(library, model, name, weights)
    if published.get("quick_gelu") and weights is not None and not Path(weights).exists():
        own["quick_gelu"] = True  # as the weights were trained, whatever the description of the network says
    return Record(own, published, model)


def checkpoint_of(name: str, weights: str) -> tuple[Path, str | None]:
    """The file with the tensors, downloaded if need be, and the SHA-256 that it has to begin with, where one is stated.

    Raises:
        WeightsError: it cannot be had.
    """
    library, model = library_of(name), _model(name)
    if Path(weights).exists():
        path = weights_file(weights)
        return path, _stated(path, [one.get("url", "") for one in _all_published(library, model)])
    if _is_hub(weights):
        repository, file = weights.removeprefix(HUB), ""
    else:
        repository, _, file = _published(library, model, name, weights)["hf_hub"].rpartition("/")
    # a file that is named may have safer company of the same name
    names = FILES if not file else (str(Path(file).with_suffix(".safetensors")), file)
    path = file_from_hub(repository, names, name)
    return path, content_hash(path)


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
        return file_from_hub(weights.removeprefix(HUB), [CONFIG_FILE], weights)
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


def _stated(path: Path, urls: list[str]) -> str | None:
    """The SHA-256, or its beginning, that the address of a published file of this name states; None for none."""
    for url in urls:
        folder, _, file = url.rpartition("/")
        if file and file == path.name:  # either the folder is the hash, or the name ends in its beginning
            above = folder.rpartition("/")[2]
            return above if _SHA256.fullmatch(above) else stated_hash(file)
    return content_hash(path)
