"""Published weights from torch's hub cache and from the Hugging Face hub; what is in a cache needs no network.

Files are checked each time they are loaded: those of torch's hub by the hash in their names, those of the Hugging Face cache by
the hash that is the name of their content there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor

from ..errors import ConfigError, WeightsError
from .weights import read_tensors, stated_hash

_SHA256 = re.compile(r"[0-9a-f]{64}")


def need(package: str, name: str) -> None:
    """Refuse an encoder whose library is not installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec(package) is None:
        raise ConfigError(f"\"{name}\" needs {package}; run pip install 'latentlabels[encoders]'", key="model.encoder")


# --- torch's hub ------------------------------------------------------------------------------------------------


def torch_cache() -> Path:
    """The folder where torch's hub keeps files."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def torch_file(url: str) -> Path:
    """Where torch's hub cache has the file of an address, or would have it."""
    return torch_cache() / Path(urlparse(url).path).name


def from_url(url: str, name: str) -> dict[str, Tensor]:
    """The tensors behind an address, from torch's hub cache or by a download into it.

    Args:
        url: of a state_dict.
        name: of the encoder, for errors.

    Raises:
        WeightsError: no network, or a file that has another hash than its name states.
    """
    path = torch_file(url)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), stated_hash(path.name), progress=False)
        except (OSError, RuntimeError) as error:  # no network, a full disk, another hash: the file is not there then
            raise not_downloaded(url, name, error) from error
    return read_tensors(path)


def not_downloaded(source: str, name: str, error: Exception) -> WeightsError:
    """What is said where weights could not be had."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return WeightsError(
        f"model.weights: those of {name} could not be downloaded from {source} ({reason}); fetch the file where there is a "
        "network and give the path of this local state_dict file or folder as weights, or weights: null to train from scratch"
    )


# --- the Hugging Face hub ---------------------------------------------------------------------------------------


def cached_from_hub(repo: str, filenames: Sequence[str]) -> Path | None:
    """The first of some files of a repository that the Hugging Face cache has; None for none. It asks no network."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    for filename in filenames:
        found = try_to_load_from_cache(repo, filename)
        if isinstance(found, str):
            return Path(found)
    return None


def file_from_hub(repo: str, filenames: Sequence[str], name: str) -> Path:
    """The first of some files that a repository has, from the Hugging Face cache or by a download into it.

    Args:
        repo: "owner/name".
        filenames: safetensors first.
        name: of the encoder, for errors.

    Raises:
        ConfigError: huggingface_hub is not installed.
        WeightsError: no network, no such repository, or none of the files.
    """
    need("huggingface_hub", name)
    if (cached := cached_from_hub(repo, filenames)) is not None:
        return cached
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    missing: Exception = FileNotFoundError(f"no {filenames[0]}")
    for filename in filenames:
        try:
            return Path(hf_hub_download(repo, filename))
        except LocalEntryNotFoundError as error:  # not in the cache, and no network
            raise not_downloaded(f"the Hugging Face hub, {repo}", name, error) from error
        except EntryNotFoundError as error:
            missing = error
        except Exception as error:  # of the network, by whichever library is below, or of the repository
            raise not_downloaded(f"the Hugging Face hub, {repo}", name, error) from error
    raise not_downloaded(f"the Hugging Face hub, {repo}", name, missing)


def content_hash(path: Path) -> str | None:
    """SHA-256 of a file's content as the Hugging Face cache states it: the name of the blob that the file links to.

    Small files have another kind of name there, and on systems without symbolic links there is no link: None.
    """
    blob = path.resolve().name
    return blob if _SHA256.fullmatch(blob) else None


def from_hub(repo: str, filenames: Sequence[str], name: str) -> dict[str, Tensor]:
    """The tensors of the first of some files of a repository; see `file_from_hub`.

    Raises:
        ConfigError: huggingface_hub is not installed.
        WeightsError: what cannot be downloaded, or a file in the cache whose content has another hash.
    """
    path = file_from_hub(repo, filenames, name)
    return read_tensors(path, content_hash(path))
