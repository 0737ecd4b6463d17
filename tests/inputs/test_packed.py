"""Images inside of tar shards, Parquet and Arrow come through the door as files do."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from packed_files import class_label, pictures, png, write_parquet, write_tar
from PIL import Image

from latentlabels.errors import AmbiguousError, DataError, DataWarning
from latentlabels.inputs import Inputs, Reading, Wanted, read_inputs
from latentlabels.inputs.stream import open_stream
from latentlabels.kind import Kind
from latentlabels.observed import Observed
from latentlabels.observed.options import ReadOptions
from latentlabels.space import LabelSpace

WANTED = Wanted(Kind.IMAGES, size=(16, 12))
SPACE = LabelSpace.free(["cat", "dog"])
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 20, 30, 3)).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "png") -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **({"quality": 90} if kind == "jpeg" else {}))
    return content.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Pictures of several kinds, as a folder has them and as the packed files below."""
    out = {f"{row}.{'jpg' if row % 2 else 'png'}": encoded(PIXELS[row], "jpeg" if row % 2 else "png") for row in range(5)}
    deep = io.BytesIO()
    Image.fromarray((RNG.integers(0, 4096, (20, 30))).astype(np.uint16)).save(deep, "tiff")
    out["5.tif"] = deep.getvalue()
    (tmp_path / "folder").mkdir()
    for name, content in out.items():
        (tmp_path / "folder" / name).write_bytes(content)
    return out


def packed(tmp_path: Path, kind: str, files: dict[str, bytes]) -> Path:
    names = [*files]
    if kind == "tar":
        for number in range(2):
            write_tar(tmp_path / f"s-{number}.tar", {name: files[name] for name in names[number * 3 : number * 3 + 3]})
        return tmp_path / "s-{0..1}.tar"
    cells = pa.array([{"bytes": files[name], "path": name} for name in names])
    return write_parquet(tmp_path / "x.parquet", {"image": cells}, {"image": {"_type": "Image"}}, rows=2)


def read(where: object, known: object = None, how: Reading | None = None, space: LabelSpace | None = SPACE) -> Inputs:
    return read_inputs(where, known, space=space, wanted=WANTED, how=how)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["tar", "parquet"])
@pytest.mark.parametrize("budget", [None, 0])
def test_pixels_are_those_of_the_same_files_in_a_folder(kind: str, budget: int | None, tmp_path: Path, files: dict[str, bytes]):
    how = Reading(budget=budget)
    expected, found = read(tmp_path / "folder", how=how), read(packed(tmp_path, kind, files), how=how)
    assert found.names == tuple(files) and found.named
    rows = torch.arange(6)
    torch.testing.assert_close(found.items.inputs(rows), expected.items.inputs(rows), rtol=0, atol=0)
    assert found.levels == expected.levels
    for row in range(6):
        np.testing.assert_array_equal(np.asarray(found.picture(row)), np.asarray(expected.picture(row)))
    some = found.take([4, 1])
    assert some.names == ("4.png", "1.jpg")
    torch.testing.assert_close(some.items.inputs(torch.arange(2)), expected.items.inputs(torch.tensor([4, 1])), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_table_selects_and_orders_by_name(kind: str, tmp_path: Path, files: dict[str, bytes]):
    table = Observed(np.array([[1, 0], [0, -1]], np.int8), SPACE, ("export/4.png", "1.jpg"))
    with pytest.warns(DataWarning, match="4 images"):
        found = read(packed(tmp_path, kind, files), table)
    assert found.names == ("4.png", "1.jpg") and found.observed is not None
    assert found.observed.values.tolist() == [[1, 0], [0, -1]]
    with pytest.raises(DataError, match="1 of the 1 images of observed are not in"):
        read(packed(tmp_path, kind, files), Observed(np.array([[1, 0]], np.int8), SPACE, ("9.png",)))


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_what_is_known_stands_in_the_file_itself(kind: str, tmp_path: Path):
    if kind == "tar":
        files = {f"{row}.png": png(60 + 40 * row) for row in range(4)} | {f"{row}.cls": str(row % 2) for row in range(3)}
        where = write_tar(tmp_path / "x.tar", files)
    else:
        columns = {"image": pictures([f"{row}.png" for row in range(4)], [60, 90, 120, 150]), "label": [0, 1, 0, -1]}
        features = {"image": {"_type": "Image"}, "label": class_label(["cat", "dog"])}
        where = write_parquet(tmp_path / "x.parquet", columns, features)
    options = ReadOptions(unlisted="unknown", classes=("cat", "dog"))
    found = read(where, how=Reading(labelled=True, folder=options), space=None)
    assert found.observed is not None and found.observed.space.labels == ("cat", "dog")
    assert found.observed.values.tolist() == [[1, -1], [-1, 1], [1, -1], [-1, -1]]
    assert found.observed.images == found.names
    with pytest.raises(AmbiguousError, match='unlisted="absent"'):
        read(where, how=Reading(labelled=True, folder=ReadOptions(classes=("cat", "dog"))))


def test_a_table_that_is_read_for_packed_images_keeps_their_rows(tmp_path: Path, files: dict[str, bytes]):
    where = packed(tmp_path, "tar", files)
    (tmp_path / "known.csv").write_text("image,cat,dog\n4,1,0\n9.png,0,1\n0.png,0,0\n")
    with pytest.warns(DataWarning, match=r"1 of its 3 images are not in \S+s-\{0\.\.1\}\.tar, left out: 9\.png"):
        known = Observed.from_table(tmp_path / "known.csv", images_root=where)
    assert known.images == ("4.png", "0.png")


@pytest.mark.parametrize("kind", ["tar", "parquet"])
@pytest.mark.parametrize("budget", [None, 0])
def test_an_image_that_cannot_be_read_is_left_out_with_its_place(kind: str, budget: int | None, tmp_path: Path):
    where = packed(tmp_path, kind, {"a.png": png(), "b.png": encoded(PIXELS[0])[:-60], "c.png": b"<html>", "d.png": png(3)})
    with pytest.warns(DataWarning, match=r"2 of 4 images cannot be read.*cut off.*web page"):
        found = read(where, how=Reading(budget=budget))
    assert found.names == ("a.png", "d.png") and len(found.items) == 2
    assert found.left_out[0].name.startswith(str(tmp_path)) and "b.png" in found.left_out[0].name
    with pytest.raises(DataError, match="2 of 4 images cannot be read"):
        read(where, how=Reading(budget=budget, unreadable="error"))


def test_a_row_without_an_image_is_one_that_cannot_be_read(tmp_path: Path):
    cells = pa.array([{"bytes": png(), "path": "a.png"}, {"bytes": None, "path": "gone.png"}])
    where = write_parquet(tmp_path / "x.parquet", {"image": cells}, {"image": {"_type": "Image"}})
    with pytest.warns(DataWarning, match=r"row 1 \(gone\.png\): holds no bytes but the path gone\.png"):
        assert read(where).names == ("a.png",)


def test_embeddings_are_not_taken_from_images(tmp_path: Path, files: dict[str, bytes]):
    with pytest.raises(DataError, match='encoder "embedding" takes an array'):
        read_inputs(packed(tmp_path, "tar", files), space=SPACE, wanted=Wanted(Kind.EMBEDDINGS))


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_stream_reads_block_by_block(kind: str, tmp_path: Path, files: dict[str, bytes]):
    where = packed(tmp_path, kind, files)
    stream = open_stream(str(where), None, WANTED, 2)
    stream.size = 4
    blocks = list(stream.blocks())
    assert [block.names for block in blocks] == [tuple(files)[:4], tuple(files)[4:]]
    expected = read(tmp_path / "folder").items.inputs(torch.arange(4))
    torch.testing.assert_close(blocks[0].inputs.items.inputs(torch.arange(4)), expected, rtol=0, atol=0)
    before = stream.fingerprint()
    assert open_stream(str(where), None, WANTED, 2).fingerprint() == before
    table = Observed(np.array([[1, 0], [0, 0]], np.int8), SPACE, ("4.png", "1.jpg"))
    with pytest.warns(DataWarning, match="4 images"):
        chosen = open_stream(where, table, WANTED, 2)
    assert [*chosen.names] == ["4.png", "1.jpg"] and chosen.fingerprint() != before
    with pytest.raises(DataError, match="give several shards by one pattern"):
        open_stream([where, where], None, WANTED, 2)


def test_notes_about_a_tar_are_warnings(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.png": png(), "b.png": png(1)})
    data = path.read_bytes()
    path.write_bytes(data[: 2 * (512 + -(-len(png()) // 512) * 512)])
    with pytest.warns(DataWarning, match="may be cut off after b.png"):
        assert read(path).names == ("a.png", "b.png")
