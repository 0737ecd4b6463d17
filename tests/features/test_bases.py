"""Principal components of maps: found once, kept, and used again while the data set is mostly the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latentlabels.encoders import RegionFeatures, TinyCNN
from latentlabels.errors import DataWarning
from latentlabels.features import EncoderFeatures
from latentlabels.features.bases import Bases
from latentlabels.features.folder import Notes
from latentlabels.features.listing import clear, list_cache
from latentlabels.inputs import PixelFormat
from latentlabels.inputs.sample import SampleOfPixels

SIZE = (32, 32)


def _build(size: tuple[int, int]) -> nn.Module:
    torch.manual_seed(0)
    return RegionFeatures(TinyCNN().eval(), 256, size, "tiny", 8)


def _source(root: Path | None) -> EncoderFeatures:
    return EncoderFeatures("tiny", _build, PixelFormat(), "torch", root)


def _pictures(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (number, 3, *SIZE), dtype=np.uint8)


def _meet(source: EncoderFeatures, pictures: np.ndarray) -> RegionFeatures:
    source.meet(SIZE, SampleOfPixels(len(pictures), lambda rows: pictures[rows]))
    network = source.network(SIZE)
    assert isinstance(network, RegionFeatures)
    return network


def test_what_was_learned_is_found_again(tmp_path: Path) -> None:
    pictures = _pictures(20)
    first = _meet(_source(tmp_path), pictures)
    assert not first.needs_basis
    second = _source(tmp_path)
    network = second.network(SIZE)
    network.fit_basis = lambda images: pytest.fail("it is found, not computed")
    assert torch.equal(_meet(second, pictures).basis, first.basis)
    assert second.at(SIZE).kept.key == _met(tmp_path, pictures).at(SIZE).kept.key


def _met(root: Path, pictures: np.ndarray) -> EncoderFeatures:
    source = _source(root)
    _meet(source, pictures)
    return source


def test_it_stays_while_half_of_the_sample_is_the_same(tmp_path: Path) -> None:
    pictures, others = _pictures(20), _pictures(30, 1)
    first = _meet(_source(tmp_path), pictures)
    grown = _meet(_source(tmp_path), np.concatenate([pictures, others[:5]]))
    assert torch.equal(grown.basis, first.basis)
    shrunk = _meet(_source(tmp_path), pictures[:11])
    assert torch.equal(shrunk.basis, first.basis)
    new = _meet(_source(tmp_path), np.concatenate([pictures[:9], others]))
    assert not torch.equal(new.basis, first.basis)
    assert torch.equal(_meet(_source(tmp_path), pictures).basis, first.basis), "both are kept"


def test_another_basis_is_another_encoder(tmp_path: Path) -> None:
    """Features of one basis are not taken for those of another."""
    one, two = _met(tmp_path, _pictures(20)), _met(tmp_path, _pictures(20, 1))
    assert one.at(SIZE).kept.key != two.at(SIZE).kept.key
    one.at(SIZE).add([b"a" * 16], _pictures(1))
    assert two.at(SIZE).find([b"a" * 16]).tolist() == [-1]


def test_features_know_what_they_were_computed_with() -> None:
    """Without a folder, what one source has learned is all that another one needs."""
    one = _source(None)
    _meet(one, _pictures(20))
    numbers = one.at(SIZE).add([b"a" * 16], _pictures(1))
    kept = one.at(SIZE).kept
    two = _source(None)
    two.adopt(SIZE, kept.learnt)
    assert two.at(SIZE).kept.key == kept.key
    again = two.at(SIZE).add([b"a" * 16], _pictures(1))
    np.testing.assert_array_equal(two.at(SIZE).kept.rows(again), kept.rows(numbers))
    other = EncoderFeatures("tiny", _build, PixelFormat(mean=(0.1, 0.1, 0.1)), "torch", None)
    other.adopt(SIZE, kept.learnt)
    assert other.network(SIZE).needs_basis, "pixels are made otherwise for it"


def test_it_computes_nothing_before_it_has_met_a_sample() -> None:
    with pytest.raises(RuntimeError, match="has to meet a sample"):
        _source(None).at(SIZE).add([b"a" * 16], _pictures(1))


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "other size"])
def test_a_damaged_file_is_replaced(tmp_path: Path, damage: str) -> None:
    pictures = _pictures(20)
    first = _meet(_source(tmp_path), pictures)
    (file,) = (tmp_path / "bases").rglob("*.safetensors")
    content = file.read_bytes()
    if damage == "other size":
        names = Bases(file.parent, Notes(tmp_path))
        names.keep(SampleOfPixels(20, lambda rows: pictures[rows]).contents(), {"mean": torch.zeros(3), "basis": torch.eye(3)})
        assert torch.equal(_meet(_source(tmp_path), pictures).basis, first.basis)
        return
    if damage == "foreign":
        save_file({"weights": torch.zeros(2)}, file)
    else:
        file.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with pytest.warns(DataWarning, match="damaged"):
        again = _meet(_source(tmp_path), pictures)
    torch.testing.assert_close(again.basis, first.basis)
    assert file.read_bytes() == content


def test_they_are_counted_and_cleared(tmp_path: Path) -> None:
    _meet(_source(tmp_path), _pictures(20))
    (tmp_path / "bases" / "notes.txt").write_text("of somebody else")
    found = list_cache(tmp_path)
    assert [path.suffix for path in found.others] == [".safetensors"] and found.bytes > 8 * 128 * 4
    clear(found, found.stores, everything=True)
    assert sorted(path.name for path in (tmp_path / "bases").iterdir()) == ["notes.txt"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "bases").write_text("in the way")
    with pytest.warns(DataWarning, match="cannot be kept there"):
        assert not _meet(_source(tmp_path), _pictures(20)).needs_basis
