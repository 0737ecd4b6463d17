"""Inputs block by block: the same as all at once, whatever the size of a block."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from command import picture

from latentlabels import LatentLabels
from latentlabels.errors import DataError, DataWarning
from latentlabels.inputs import InputStream, PixelFormat, Wanted, open_stream, stream
from latentlabels.kind import Kind
from latentlabels.observed import Observed, find_images, list_images
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), Free("car")])
IMAGES = Wanted(Kind.IMAGES, (8, 8), PixelFormat())
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(23, 5)).astype(np.float32)
NAMES = [f"shop/{row:02d}.jpg" for row in range(23)]


@pytest.fixture(scope="module")
def model() -> LatentLabels:
    known = np.full((40, 3), -1, np.int8)
    known[np.arange(40), np.arange(40) % 3] = 1
    fitted = LatentLabels(SPACE, encoder="embedding", epochs=1, accelerator="cpu", learning_rate=0.1)
    return fitted.fit(RNG.normal(size=(40, 5)).astype(np.float32), known)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    np.savez(tmp_path / "v.npz", embeddings=VECTORS, images=np.array(NAMES))
    return tmp_path / "v.npz"


def known_labels(names: list[str] | None = None) -> Observed:
    values = np.full((23, 3), -1, np.int8)
    values[np.arange(23), np.arange(23) % 3] = 1
    return Observed.from_array(values, SPACE, names)


# --- listing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_images_are_listed_in_the_order_of_their_paths(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    root = tmp_path / "root"
    root.mkdir()
    folders = [root]
    for _ in range(12):
        folder = folders[rng.integers(len(folders))] / ["a", "a-b", "a b", "B", "é", "z.png", "aa", ".hidden"][rng.integers(8)]
        if not folder.exists():
            folder.mkdir()
            folders.append(folder)
    for _ in range(40):
        (folders[rng.integers(len(folders))] / (["a", "a-b", "B", "é", "-"][rng.integers(5)] + ".png")).touch()
    (folders[-1] / "loop").symlink_to(root)
    (root / "again").symlink_to(folders[1])
    assert list_images(root) == [str(path) for path in find_images(root)]
    assert list_images(f"{root}{os.sep}") == list_images(root)
    monkeypatch.chdir(root)
    assert list_images(".") == [str(path) for path in find_images(".")]


# --- embeddings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 7, 23, 1000])
def test_posteriors_in_blocks_are_those_of_all(
    model: LatentLabels, vectors: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_MOST", most)
    for observed in (None, known_labels(), known_labels(NAMES)):
        whole = model.posterior(vectors, observed)
        opened = model.stream(vectors, observed)
        blocks = list(model.posterior_blocks(opened))
        assert [block.start for block, _ in blocks] == list(range(0, 23, most))
        assert [name for block, _ in blocks for name in block.names] == NAMES
        assert np.concatenate([found.marginals for _, found in blocks]) == pytest.approx(whole.marginals, abs=1e-6)
        plain = [found.marginals for _, found in model.posterior_blocks(opened, conditioned=False)]
        assert np.concatenate(plain) == pytest.approx(model.posterior(vectors).marginals, abs=1e-6)
    later = [found.marginals for _, found in model.posterior_blocks(model.stream(vectors), 14)]
    assert np.concatenate(later) == pytest.approx(model.posterior(vectors).marginals[14:], abs=1e-6)
    inputs = model.read(vectors)
    again = [found.marginals for _, found in model.posterior_blocks(model.stream(inputs))]
    assert np.concatenate(again) == pytest.approx(model.posterior(vectors).marginals, abs=1e-6)


def test_a_table_selects_and_orders_the_embeddings_of_several_files(
    model: LatentLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_MOST", 4)
    np.savez(tmp_path / "a.npz", embeddings=VECTORS[:9], images=np.array(NAMES[:9]))
    np.savez_compressed(tmp_path / "b.npz", embeddings=VECTORS[9:].astype(np.float64), images=np.array(NAMES[9:]))
    rows = RNG.permutation(23)[:15]
    table = known_labels(NAMES).take(rows)
    with pytest.warns(DataWarning, match="8 images not in truth, so not used: shop/"):
        opened = model.stream([tmp_path / "a.npz", tmp_path / "b.npz"], table, what="truth")
    blocks = list(opened.blocks())
    assert [name for block in blocks for name in block.names] == [NAMES[row] for row in rows]
    read = np.concatenate([block.inputs.items.inputs(np.arange(len(block))) for block in map(_indexable, blocks)])
    assert np.array_equal(read, VECTORS[rows])
    known = np.concatenate([opened.known_rows(block) for block in blocks])
    assert np.array_equal(known, table.values)


def _indexable(block: stream.InputBlock) -> stream.InputBlock:
    import torch

    items = block.inputs.items
    original = items.inputs
    items.inputs = lambda rows: original(torch.as_tensor(rows)).numpy()  # type: ignore[method-assign]
    return block


def test_embeddings_of_another_size_are_refused(model: LatentLabels, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.zeros((3, 4)))
    with pytest.raises(DataError, match="have 4 numbers each, but the run was fitted on 5"):
        model.stream(tmp_path / "e.npy")


# --- image files ----------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten files in two folders; three in a row cannot be read."""
    for number in range(10):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        picture(path, seed=number, size=8)
        if number in (2, 4, 6):
            path.write_bytes(b"no picture")
    return tmp_path / "photos"


@pytest.mark.parametrize("most", [1, 2, 4, 100])
def test_unreadable_images_have_no_row_but_a_name(photos: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_MOST", most)
    blocks = list(open_stream(photos, None, IMAGES, 3).blocks())
    files = [str(path) for path in find_images(photos)]
    assert [name for block in blocks for name in block.names] == files
    left = [image.name for block in blocks for image in block.inputs.left_out]
    assert left == [name for name in files if Path(name).stem in "246"]
    kept = [block.start + row for block in blocks for row in block.inputs.rows.tolist()]
    assert [files[row] for row in kept] == [name for name in files if name not in left]
    assert [name for block in blocks for name in block.inputs.names] == [files[row] for row in kept]
    with pytest.raises(DataError, match="cannot be read"):
        list(open_stream(photos, None, IMAGES, 3, strict=True).blocks())


def test_a_table_orders_the_images_of_a_folder_and_names_others_elsewhere(photos: Path, tmp_path: Path) -> None:
    elsewhere = picture(tmp_path / "elsewhere.png", size=8)
    names = ["b/3.png", "a/2.png", str(elsewhere), "a/0.png"]
    table = Observed.from_array([[1, -1, 1], [-1, 1, 0], [-1, -1, 1], [-1, -1, 0]], SPACE, names)
    with pytest.warns(DataWarning, match="7 images not in observed, so not used: a/4.png"):
        opened = open_stream(photos, table, IMAGES, 3)
    [block] = opened.blocks()
    assert block.names == tuple(names)
    assert block.inputs.rows.tolist() == [0, 2, 3]
    assert block.inputs.observed is not None
    assert block.inputs.observed.values.tolist() == table.values[[0, 2, 3]].tolist()
    assert opened.known_rows(block).tolist() == table.values.tolist()
    missing = Observed.from_array([[1, -1, 1]], SPACE, ["b/33.png"])
    with pytest.raises(DataError, match=r"1 of the 1 images of observed are not in .*photos: b/33\.png"):
        open_stream(photos, missing, IMAGES, 3)


def test_each_image_once(photos: Path) -> None:
    opened = open_stream([photos / "b", photos / "b" / "*.png", photos / "b" / "1.png"], None, IMAGES, 3)
    assert list(opened.names) == [str(path) for path in find_images(photos / "b")]


# --- what a command was begun with ----------------------------------------------------------------------


def test_the_fingerprint_changes_with_the_inputs_and_with_nothing_else(photos: Path, vectors: Path) -> None:
    def of(opened: InputStream) -> str:
        return opened.fingerprint()

    first = of(open_stream(photos, None, IMAGES, 3))
    assert of(open_stream(photos, None, IMAGES, 3)) == first
    assert of(open_stream([photos / "b", photos / "a"], None, IMAGES, 3)) != first
    file = photos / "a" / "0.png"
    os.utime(file, ns=(0, 12345))
    touched = of(open_stream(photos, None, IMAGES, 3))
    assert touched != first
    file.unlink()
    assert of(open_stream(photos, None, IMAGES, 3)) not in (first, touched)
    wanted = Wanted(Kind.EMBEDDINGS)
    names = list(NAMES)
    alone = of(open_stream(vectors, None, wanted, 3))
    table = known_labels(names)
    given = of(open_stream(vectors, table, wanted, 3))
    assert given != alone
    assert of(open_stream(vectors, known_labels(names), wanted, 3)) == given
    assert of(open_stream(vectors, table.take(np.arange(23)[::-1]), wanted, 3)) not in (alone, given)
