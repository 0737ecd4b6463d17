"""Weights from files: the right ones are loaded, and whatever else a file may be is one clear error that executes nothing."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from published_weights import Harm, in_hub_cache, sha, with_hash
from safetensors.torch import save_file
from torch import nn

from latentlabels.encoders import TinyCNN, build_encoder
from latentlabels.encoders.hub import content_hash, from_hub, from_url, need, torch_file
from latentlabels.encoders.weights import (
    check_hash,
    fit_tensors,
    is_intact,
    load_weights,
    read_tensors,
    stated_hash,
    weights_file,
)
from latentlabels.errors import ConfigError, WeightsError


@pytest.fixture
def torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    return tmp_path / "hf"


# --- the hash ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("resnet18-f37072fd.pth", "f37072fd"),
        ("shufflenetv2_x1-5666bf0f80.pth", "5666bf0f80"),
        ("efficientnet-lite0-57934424.pth", "57934424"),
        ("tf_efficientnet_lite0-0aa007d2.pth", "0aa007d2"),
        ("model-20240131.pth", None),  # a date
        ("resnet18-deadbee.pth", None),  # seven digits
        ("resnet18-DEADBEEF.pth", None),
        ("dinov2_vits14_pretrain.pth", None),
        ("model.safetensors", None),
    ],
)
def test_names_state_hashes(name: str, stated: str | None) -> None:
    assert stated_hash(name) == stated


def test_published_names_of_torchvision_state_theirs() -> None:
    import torchvision

    for name in torchvision.models.list_models(torchvision.models):
        for weights in torchvision.models.get_model_weights(name):
            found = stated_hash(torch_file(weights.url).name)
            assert found is not None and weights.url.endswith(f"-{found}.pth")


def test_a_file_that_was_changed_is_refused_with_both_hashes(tmp_path: Path) -> None:
    path = with_hash(TinyCNN().state_dict(), tmp_path, "tiny")
    right = sha(path)
    check_hash(path)
    assert is_intact(path) and build_encoder("tiny", str(path)).num_features == 256
    torch.save(TinyCNN().state_dict(), path)  # a state_dict that loads
    assert not is_intact(path)
    with pytest.raises(
        WeightsError, match=f"{path.name}: SHA-256 begins with {sha(path)[:8]}, expected {right[:8]}.*remove it"
    ):
        build_encoder("tiny", str(path))


def test_a_hash_that_is_known_goes_before_the_name(tmp_path: Path) -> None:
    path = with_hash(TinyCNN().state_dict(), tmp_path, "tiny")
    read_tensors(path, sha(path))
    with pytest.raises(WeightsError, match="expected 00000000"):
        read_tensors(path, "0" * 64)


# --- what would be executed -------------------------------------------------------------------------------------


def pickled(path: Path, harm: Harm) -> None:
    path.write_bytes(pickle.dumps({"weight": harm}))


def saved(path: Path, harm: Harm) -> None:
    torch.save({"weight": torch.zeros(1), "more": harm}, path)


def saved_before_zip(path: Path, harm: Harm) -> None:
    torch.save({"weight": torch.zeros(1), "more": harm}, path, _use_new_zipfile_serialization=False)


def zipped(path: Path, harm: Harm) -> None:
    """As torch.hub unpacks it: an archive with one file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.pth", pickle.dumps({"weight": harm}))


def tarred(path: Path, harm: Harm) -> None:
    """As the first versions of torch saved."""
    for name in ("sys_info", "pickle", "storages", "tensors"):
        (path.parent / name).write_bytes(pickle.dumps(harm))
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.add(path.parent / name, name)
            (path.parent / name).unlink()


@pytest.mark.parametrize("write", [pickled, saved, saved_before_zip, zipped, tarred])
@pytest.mark.parametrize("ending", ["pth", "bin", "safetensors"])
def test_nothing_is_executed(write, ending: str, tmp_path: Path) -> None:
    path, marker = tmp_path / f"harm.{ending}", tmp_path / "harmed"
    write(path, Harm(marker))
    with pytest.raises(WeightsError, match=r"harm\.\w+: cannot be read as a state_dict \(it is damaged") as error:
        build_encoder("tiny", str(path))
    assert not marker.exists() and [one.name for one in tmp_path.iterdir()] == [path.name]
    assert "weights_only" not in str(error.value)  # torch's advice would execute it
    pickle.loads(pickle.dumps(Harm(marker)))  # and it would do harm
    assert marker.exists()


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vit_b_16"])
def test_a_changed_file_in_the_cache_of_torch_is_refused_unread(name: str, torch_cache: Path, tmp_path: Path) -> None:
    import torchvision

    path = torch_file(torchvision.models.get_model_weights(name).DEFAULT.url)
    assert path.parent == torch_cache
    saved(path, Harm(tmp_path / "harmed"))
    with pytest.raises(WeightsError, match=f"{path.name}: SHA-256 begins with {sha(path)[:8]}, expected .*remove it"):
        build_encoder(name, "DEFAULT", size=(32, 32))
    assert not (tmp_path / "harmed").exists()
    torch.save(torchvision.models.get_model("resnet18").state_dict(), path)  # tensors, but others
    with pytest.raises(WeightsError, match="SHA-256"):
        build_encoder(name, "DEFAULT", size=(32, 32))


# --- what is no file of weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS"),
        (b"", "it is empty"),
        (b"<html>404</html>", "it is damaged"),
    ],
)
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_of_something_else_is_named(content: bytes, said: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"net\.{ending}: cannot be read as a state_dict \({said}"):
        read_tensors(path)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(share: float, ending: str, tmp_path: Path) -> None:
    path, state = tmp_path / f"net.{ending}", TinyCNN().state_dict()
    save_file(state, path) if ending == "safetensors" else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="cannot be read as a state_dict"):
        load_weights(TinyCNN(), "tiny", path)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({}, "nothing"),
        ({"epoch": 3}, 'an entry "epoch" of type int'),
        ([torch.zeros(1)], "a list"),
        (torch.ones(1), "a Tensor"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_has(held: object, said: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=f"net.pth: holds no state_dict, but {said}"):
        read_tensors(tmp_path / "net.pth")


def test_entries_are_found_in_what_trainers_save(tmp_path: Path) -> None:
    state = TinyCNN().state_dict()
    for number, held in enumerate(
        [state, {"state_dict": state, "epoch": 3}, {"model": {f"module.{k}": v for k, v in state.items()}}]
    ):
        torch.save(held, tmp_path / f"{number}.pth")
        assert read_tensors(tmp_path / f"{number}.pth").keys() == state.keys()


def test_weights_of_a_larger_network_of_one_kind_are_refused() -> None:
    """Each entry of the small one is in the large one, of its shape."""
    small, large = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(
        WeightsError, match=r'x\.pth: not the weights of small: it has no place for 2 of the 4 entries \(first: "1'
    ):
        fit_tensors(small, "small", large.state_dict(), "x.pth")
    with pytest.raises(WeightsError, match=r'2 of 4 entries are missing or have another shape \(first: "1.weight"\)'):
        fit_tensors(large, "large", small.state_dict(), "x.pth")
    fit_tensors(small, "small", {**small.state_dict(), "fc.weight": torch.zeros(3, 2)}, "x.pth")  # a head


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_folder_means_its_file(tmp_path: Path) -> None:
    one, hub, none, several = (tmp_path / name for name in ("one", "hub", "none", "several"))
    for folder in (one, hub, none, several):
        folder.mkdir()
        (folder / "README.md").write_text("x")
    state = TinyCNN().state_dict()
    for path in (one / "any.pt", hub / "pytorch_model.bin", several / "a.pth", several / "b.pth"):
        torch.save(state, path)
    assert weights_file(one) == one / "any.pt" and weights_file(hub) == hub / "pytorch_model.bin"
    save_file(state, hub / "model.safetensors")
    assert weights_file(hub) == hub / "model.safetensors"
    for folder in (one, hub):
        build_encoder("tiny", str(folder))
    with pytest.raises(WeightsError, match=r"none: expected one file of weights.*found 0 \(none\)"):
        build_encoder("tiny", str(none))
    with pytest.raises(WeightsError, match=r"found 2 \(a.pth, b.pth\); give the path of the file"):
        build_encoder("tiny", str(several))
    with pytest.raises(WeightsError, match="nowhere: not found"):
        weights_file(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match='"DEFAULT" is neither a file nor a folder, and no weights of tiny are published'):
        build_encoder("tiny", "DEFAULT")


# --- hubs -------------------------------------------------------------------------------------------------------


def test_a_download_is_kept_and_checked(torch_cache: Path, tmp_path: Path) -> None:
    source = with_hash({"a": torch.ones(2)}, tmp_path, "net")
    assert from_url(source.as_uri(), "net")["a"].tolist() == [1, 1]
    kept = torch_cache / source.name
    assert kept.is_file() and kept == torch_file(source.as_uri())
    source.unlink()
    assert from_url(source.as_uri(), "net")["a"].tolist() == [1, 1]  # without it
    kept.unlink()
    with pytest.raises(WeightsError, match=r"those of net could not be downloaded from file.*local state_dict file.*null"):
        from_url(source.as_uri(), "net")


def test_a_download_of_something_else_leaves_nothing(torch_cache: Path, tmp_path: Path) -> None:
    source = tmp_path / "net-00000000.pth"
    torch.save({"a": torch.ones(2)}, source)
    with pytest.raises(WeightsError, match="could not be downloaded.*invalid hash"):
        from_url(source.as_uri(), "net")
    assert not list(torch_cache.iterdir())


def test_what_the_hugging_face_cache_has_is_read_and_checked(hub_cache: Path) -> None:
    link = in_hub_cache({"a": torch.ones(2)}, hub_cache, "timm/net")
    assert content_hash(link) == sha(link)
    assert from_hub("timm/net", ("model.safetensors",), "net")["a"].tolist() == [1, 1]
    save_file({"a": torch.zeros(2)}, link.resolve())
    with pytest.raises(WeightsError, match="SHA-256 begins with .*remove it"):
        from_hub("timm/net", ("model.safetensors",), "net")


def test_safetensors_are_preferred_and_pickles_taken_where_there_is_nothing_else(
    hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import EntryNotFoundError

    asked: list[str] = []

    def download(repo: str, filename: str) -> str:
        asked.append(f"{repo} {filename}")
        if not (tmp_path / filename).exists():
            raise EntryNotFoundError(f"404: {filename}")
        return str(tmp_path / filename)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    files = ("model.safetensors", "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"could not be downloaded from the Hugging Face hub, timm/net \(404"):
        from_hub("timm/net", files, "net")
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    assert from_hub("timm/net", files, "net")["a"].tolist() == [1, 1]
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert from_hub("timm/net", files, "net")["a"].tolist() == [0, 0]
    assert asked == ["timm/net model.safetensors", "timm/net pytorch_model.bin"] * 2 + ["timm/net model.safetensors"]


def test_no_network_is_one_error(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def download(repo: str, filename: str) -> str:
        raise LocalEntryNotFoundError("no network\nmore lines")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(WeightsError, match=r"timm/net \(no network\); fetch the file.*local state_dict file or folder"):
        from_hub("timm/net", ("model.safetensors", "pytorch_model.bin"), "net")


def test_a_library_that_is_missing_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r'"x:y" needs nosuchlibrary; run pip install \'latentlabels\[encoders\]\''):
        need("nosuchlibrary", "x:y")
