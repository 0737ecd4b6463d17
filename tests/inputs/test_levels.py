"""Black and white of a data set: by the bits in use, stated, or as they were in the fit; and what is said of the outcome."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset, TensorDataset
from written import write_png, write_tiff

import latentlabels as ll
from latentlabels.errors import ConfigError, DataError, DataWarning, RunError
from latentlabels.inputs import Levels, Reading, Wanted, read_inputs
from latentlabels.inputs.images import check_images, decode_images
from latentlabels.inputs.levels import BYTES, UNIT, Scale, Span, levels_of, scale_in_use
from latentlabels.inputs.looks import look_at_bytes, sentence
from latentlabels.kind import Kind

SPACE = ll.LabelSpace([ll.OneOf("colour", ["red", "blue"])])


@pytest.mark.parametrize("bits", range(1, 33))
def test_white_is_the_largest_value_of_the_bits_in_use(bits: int) -> None:
    top = 2**bits - 1
    for high in (top, max(1, 3 * top // 4)):
        white = max(top, 255)
        assert scale_in_use(Span("whole", 0, high)) == (0, white)
        assert scale_in_use(Span("real", 0, high)) == (0, top)
        assert scale_in_use(Span("whole", -high, 0)) == (-high, top - high)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, UNIT),
        (0.2, 0.3, UNIT),
        (-0.05, 1.08, UNIT),
        (0, 1.5, (0, 3)),
        (0, 254.7, (0, 255)),
        (0, 255.4, (0, 255)),
        (-0.4, 255, (0, 255)),
        (0, 4095.5, (0, 4095)),
        (-1000, 3000, (-1000, 3095)),
        (0, 0, UNIT),
    ],
)
def test_white_of_floating_point(low: float, high: float, expected: tuple[float, float]) -> None:
    assert scale_in_use(Span("real", low, high)) == expected


def test_bytes_are_scaled_to_the_nearest() -> None:
    for white in (1, 255, 1023, 4095, 65535):
        values = np.arange(0, white + 1, max(1, white // 1000))
        for kind in (np.int64, np.uint16, np.float32, np.float64):
            exact = [int(255 * int(value) / white + 0.5) for value in values]  # never half-way: 2 * 255 * value is even
            assert Scale(0, white).to_bytes(values.astype(kind)).tolist() == exact
    assert Scale(-10, 10).to_bytes(np.array([-99, -10, 0.01, 10, 99])).tolist() == [0, 0, 128, 255, 255]


def test_levels_join_what_is_seen_and_keep_what_is_known() -> None:
    seen = [Span("whole", 3, 900), Span("byte", 0, 255), Span("real", 0, 0.7), Span("whole", 0, 2000)]
    found = levels_of(seen)
    assert found == Levels(BYTES, Scale(0, 2047), UNIT)
    assert levels_of([Span("whole", 0, 9000), Span("byte", 0, 255)], known=found) == found
    assert levels_of([Span("real", 0, 900)], known=Levels(whole=Scale(0, 511))) == Levels(
        whole=Scale(0, 511), real=Scale(0, 1023)
    )
    assert levels_of(seen, stated=4095) == Levels(BYTES, Scale(0, 4095), Scale(0, 4095), 4095)
    assert levels_of([Span("byte", 0, 255)], stated=15) == Levels(Scale(0, 15), stated=15)
    assert levels_of([*seen], stated=15).byte == BYTES  # it is meant for the deep ones
    assert levels_of([Span("byte", 0, 255)], stated=4095).byte == BYTES
    assert levels_of([Span("real", 0, 9)], known=levels_of([], stated=12)).real == (0, 12)


def test_levels_come_back_from_a_run_and_strange_ones_are_refused() -> None:
    for levels in (Levels(), Levels(whole=Scale(-5, 1018)), Levels(Scale(0, 7), Scale(0, 7), UNIT, 7)):
        assert Levels.from_config(json.loads(json.dumps(levels.to_config()))) == levels
    assert Levels.from_config(None) == Levels()
    for wrong in ([5, 5], [9, 1], [0, float("inf")], [0], "x"):
        with pytest.raises((ValueError, TypeError)):
            Levels.from_config(Levels().to_config() | {"whole": wrong})


# --- what is said -------------------------------------------------------------------------------------------------------


def pictures(folder: Path, most: int, number: int = 6, kind: Any = np.uint16) -> list[Path]:
    """Files of random values up to `most`."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(most)
    values = [(rng.random((20, 20, 1)) * most).astype(kind) for _ in range(number)]
    ending, write = ("png", write_png) if kind is np.uint16 else ("tif", write_tiff)
    return [write(folder / f"{most}-{row}.{ending}", one) for row, one in enumerate(values)]


def said(files: list[Path], **how: Any) -> list[str]:
    """Notes of both passes over files, which agree."""
    notes = decode_images(files, (8, 8), **how).notes
    checked = check_images(files, **how)
    assert notes == checked.notes
    assert decode_images(files, (8, 8), **how).levels == checked.levels
    return [sentence(note) for note in notes]


@pytest.mark.parametrize("most", [1000, 4095, 16_000, 65_535])
def test_well_exposed_pictures_are_silent(tmp_path: Path, most: int) -> None:
    assert said(pictures(tmp_path, most)) == []


def test_a_hot_pixel_makes_a_set_dark_and_that_is_said(tmp_path: Path) -> None:
    files = pictures(tmp_path, 1000)
    write_png(files[3], np.where(np.arange(400).reshape(20, 20, 1) == 7, 65_535, 500).astype(np.uint16))
    (found,) = said(files)
    assert found == (
        f"6 of 6 images come out black ({files[0]}, {files[1]}, {files[2]} and 3 more): 0 is read as black and 65535 as white "
        "(16 bits); if white is another value, state it, for example white=1023 (data.white: 1023 in a config, --white 1023)"
    )
    assert said(files, white=1023) == [
        f"1 of 6 images comes out with a handful of grey levels ({files[3]}): 0 is read as black and 1023 as white (10 bits); "
        "if white is another value, state it, for example white=511 (data.white: 511 in a config, --white 511)"
    ]


def test_bright_and_flat_pictures(tmp_path: Path) -> None:
    for row, value in enumerate((60_000, 3000, 4090, 2000)):
        write_png(tmp_path / f"{row}.png", np.full((5, 5, 1), value, np.uint16))
    files = sorted(tmp_path.iterdir())
    black, few = said(files)
    assert "2 of 4 images come out black" in black
    assert "2 of 4 images come out with a handful of grey levels" in few
    assert f"1 of 3 images comes out white ({files[2]}): 0 is read as black and 4095 as white" in said(files[1:])[0]


@pytest.mark.parametrize("most, doubt", [(2, "black"), (100, None)])
def test_pictures_of_8_bits_are_noted_if_most_are_so(tmp_path: Path, most: int, doubt: str | None) -> None:
    files = [tmp_path / f"{row}.png" for row in range(6)]
    for row, file in enumerate(files):
        values = np.random.default_rng(row).integers(0, most + 1 if row > 1 else 200, (9, 9), np.uint8)
        Image.fromarray(values).save(file)
    assert [doubt or "" in one for one in said(files)] == ([] if doubt is None else [doubt])
    assert said(files[:4]) == []  # half of them
    assert said(files[2:], white=most) == []
    found = decode_images(files[2:], (9, 9), white=most).pixels[0, 0]
    with Image.open(files[2]) as image:
        np.testing.assert_allclose(found, np.asarray(image) * (255 / most), atol=0.51)


def test_a_white_that_has_nothing_to_say(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)).save(tmp_path / "a.png")
    assert said([tmp_path / "a.png"], white=4095) == [
        f"the value of white is stated, but all images have 8 bits ({tmp_path}/a.png): 0 is read as black and 255 as white"
    ]


def test_what_floating_point_and_values_below_0_are_read_as(tmp_path: Path) -> None:
    files = pictures(tmp_path, 4095, kind=np.float32)
    assert said(files)[0].startswith("6 of 6 images have floating-point values of ")
    assert ": 0 is read as black and 4095 as white (12 bits); if white is another value, state it" in said(files)[0]
    assert said(files, white=4095) == []
    rng = np.random.default_rng(0)
    for file in files:
        write_tiff(file, rng.integers(-1024, 3072, (50, 50, 1)).astype(np.int16))
    (found,) = said(files)
    assert "have values below 0" in found
    assert "down to -1024: -1024 is read as black and 3071 as white (12 bits); to make 0 black, state it" in found


def test_pages_of_a_tiff_are_noted_but_not_smaller_copies(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 9), np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.tif")
    (found,) = said(sorted(tmp_path.iterdir()))
    assert found == f"1 of 2 images has several pages ({tmp_path}/a.tif); the first page is read"
    np.testing.assert_array_equal(decode_images([tmp_path / "a.tif"], (9, 9)).pixels[0, 0], np.asarray(pages[0]))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = int.from_bytes(data[4:8], "little")
    for number in range(3):
        after = at + 2 + 12 * int.from_bytes(data[at : at + 2], "little")
        if number:  # the first tag of a further page, its width, becomes NewSubfileType: a smaller copy
            data[at + 2 : at + 14] = struct.pack("<HHII", 254, 4, 1, 1)
        at = int.from_bytes(data[after : after + 4], "little")
    (tmp_path / "a.tif").write_bytes(data)
    assert said([tmp_path / "a.tif"]) == []
    (tmp_path / "a.tif").write_bytes(data[:-100])  # the last page is damaged, the first is not
    assert said([tmp_path / "a.tif"]) == []


def test_ends_of_bytes_leave_out_a_few_at_either_end() -> None:
    values = np.full(1000, 100, np.uint8)
    values[:19], values[-19:] = 0, 255
    assert look_at_bytes(values).ends == (100, 100)
    values[:21], values[-21:] = 0, 255
    assert look_at_bytes(values).ends == (0, 255)


# --- arrays, Datasets and models ----------------------------------------------------------------------------------------


def scenes(number: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Red or blue squares on grey; one known label each."""
    rng = np.random.default_rng(seed)
    images, known = rng.integers(40, 140, (number, 3, 24, 24), np.uint8), np.full((number, 2), -1, np.int8)
    for row in range(number):
        images[row, 2 * (row % 2), 4:12, 4:12] = 255
        known[row, row % 2] = 1
    return images, known


class Items(Dataset[Any]):
    def __init__(self, items: list[Any]):
        self.items, self.asked = items, [0] * len(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        self.asked[row] += 1
        return self.items[row]


def deep_kinds(images: NDArray[np.uint8], bits: int, folder: Path) -> dict[str, Any]:
    """8-bit pictures with their values stretched to more bits, in everything that can hold them."""
    values = np.rint(images.astype(np.float64) * ((2**bits - 1) / 255)).astype(np.uint16)
    last = values.transpose(0, 2, 3, 1)
    for name in ("png", "tif", "big"):
        (folder / name).mkdir(parents=True)
    for row, one in enumerate(last):
        write_png(folder / "png" / f"{row:03}.png", one)
        write_tiff(folder / "tif" / f"{row:03}.tif", one.astype(np.int32), compression=8)
        write_tiff(folder / "big" / f"{row:03}.tif", one.astype(np.float32), ">")
    return {
        "PNG of 16 bits": folder / "png",
        "TIFF of 32 bits": folder / "tif",
        "TIFF of floating point": folder / "big",
        "uint16": values,
        "int32, channels last": last.astype(np.int32),
        "tensor of int64": torch.from_numpy(values.astype(np.int64)),
        "float32": values.astype(np.float32),
        "Dataset of uint16": Items([*values]),
        "Dataset of tensors": TensorDataset(torch.from_numpy(values.astype(np.int32))),
    }


@pytest.fixture(scope="module")
def fitted() -> ll.LatentLabels:
    images, known = scenes(40)
    return ll.LatentLabels(SPACE, encoder="tiny", epochs=2, batch_size=8, image_size=24, learning_rate=3e-3).fit(images, known)


@pytest.mark.filterwarnings("ignore:.*floating-point values")
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_fit_is_the_same_however_many_bits_the_pictures_have(tmp_path: Path, bits: int, fitted: ll.LatentLabels) -> None:
    images, known = scenes(40)
    expected, white = fitted.predict_proba(images[:7]), 2**bits - 1
    for name, given in deep_kinds(images, bits, tmp_path).items():
        table = ll.Observed.from_array(known, SPACE)
        m = ll.LatentLabels(SPACE, encoder="tiny", epochs=2, batch_size=8, image_size=24, learning_rate=3e-3).fit(given, table)
        levels = m.fitted_.levels
        assert levels is not None
        assert (levels.real if "float" in name else levels.whole) == (0, white), name
        np.testing.assert_allclose(m.predict_proba(images[:7]), expected, atol=1e-6, err_msg=name)
        if name in ("uint16", "PNG of 16 bits"):
            asked = given if isinstance(given, Path) else [*given]
            one = sorted(given.iterdir())[:1] if isinstance(given, Path) else np.stack(asked[:1])
            again = ll.LatentLabels.load(m.save(tmp_path / f"run-{name}"))
            assert again.fitted_.levels == levels
            np.testing.assert_allclose(again.predict_proba(one), expected[:1], atol=1e-6)  # one alone does not tell its bits


def test_16_bit_forms_of_8_bit_pictures_have_the_same_probabilities(fitted: ll.LatentLabels, tmp_path: Path) -> None:
    """Of the fit's own size nothing is rounded; resized, at most one grey level lies between, which moves p by little."""
    images, _ = scenes(6, seed=1)
    for side, slack in ((24, 0), (36, 2e-3)):
        given = np.stack([np.asarray(Image.fromarray(one.transpose(1, 2, 0)).resize((side, side))) for one in images])
        expected = fitted.predict_proba(given)
        forms = deep_kinds(given.transpose(0, 3, 1, 2), 16, tmp_path / str(side))
        for name in (
            "PNG of 16 bits",
            "TIFF of 32 bits",
            "uint16",
            "int32, channels last",
            "tensor of int64",
            "Dataset of uint16",
        ):
            with pytest.warns(DataWarning, match="model was fitted on images of another kind: 0 is read as black and 65535"):
                found = fitted.predict_proba(forms[name])
            np.testing.assert_allclose(found, expected, rtol=0, atol=slack, err_msg=name)


def test_a_model_reads_white_as_its_fit_did(tmp_path: Path) -> None:
    images, known = scenes(20)
    m = ll.LatentLabels(SPACE, encoder="tiny", epochs=1, image_size=24, white=4095).fit(images.astype(np.uint16) * 8, known)
    assert m.fitted_.levels == Levels(BYTES, Scale(0, 4095), None, 4095)
    again = ll.LatentLabels.load(m.save(tmp_path / "run"))
    assert again.fitted_.levels == m.fitted_.levels
    assert again.white == 4095  # a second fit would read as the first
    few = images[:2].astype(np.uint16)
    np.testing.assert_array_equal(
        again.read(few * 8).items.inputs(torch.arange(2)).numpy() * 255, np.rint(few * np.float64(8 * 255 / 4095))
    )
    with pytest.raises(DataError, match="values from .* to 65535, but black is 0 and white 4095; give images"):
        again.predict_proba(few * 257)
    write_png(tmp_path / "bright.png", np.full((9, 9, 1), 9000, np.uint16))
    with pytest.warns(DataWarning) as caught:
        again.predict_proba([tmp_path / "bright.png"])
    assert "values far above white" in str(caught[0].message)


@pytest.mark.parametrize("white", [0, -5, float("nan"), "bright"])
def test_a_white_that_is_none_is_refused(white: Any) -> None:
    with pytest.raises(ConfigError, match="white is .*; expected the value of white"):
        ll.LatentLabels(SPACE, encoder="tiny", white=white).fit(*scenes(4))


def test_runs_that_stored_no_levels_still_load(fitted: ll.LatentLabels, tmp_path: Path) -> None:
    from latentlabels.fitting.run_folder import write_manifest

    folder = fitted.save(tmp_path / "run")
    about = json.loads((folder / "environment.json").read_text())
    del about["levels"]
    (folder / "environment.json").write_text(json.dumps(about))
    write_manifest(folder)
    again = ll.LatentLabels.load(folder)
    assert again.fitted_.levels == Levels()
    np.testing.assert_array_equal(again.predict_proba(scenes(3)[0]), fitted.predict_proba(scenes(3)[0]))


def test_a_dataset_with_8_bits_is_looked_at_in_a_few_places_and_one_with_more_throughout() -> None:
    images, known = scenes(30)
    wanted = Wanted(Kind.IMAGES, (24, 24))
    few, all_ = Items([*images]), Items([*(images.astype(np.uint16) * 16)])
    read_inputs(few, known, space=SPACE, wanted=wanted)
    assert sum(map(bool, few.asked)) == 4
    assert read_inputs(all_, known, space=SPACE, wanted=wanted).levels == Levels(whole=Scale(0, 4095))
    assert all(all_.asked)
    stated = Items([*(images.astype(np.uint16) * 16)])
    read_inputs(stated, known, space=SPACE, wanted=wanted, how=Reading(white=4095))
    assert sum(map(bool, stated.asked)) == 4


def test_notes_are_errors_where_the_reader_is_strict(tmp_path: Path) -> None:
    files = pictures(tmp_path, 4095, kind=np.float32)
    known = np.full((6, 2), -1)
    wanted = Wanted(Kind.IMAGES, (8, 8))
    for budget in (None, 0):
        with pytest.raises(DataError, match=r"floating-point values .* \(strict\)"):
            read_inputs(files, known, space=SPACE, wanted=wanted, how=Reading(strict=True, budget=budget))
        with pytest.warns(DataWarning, match="floating-point values"):
            read_inputs(files, known, space=SPACE, wanted=wanted, how=Reading(budget=budget))


def test_pictures_that_do_not_fit_into_memory_are_read_alike(tmp_path: Path) -> None:
    files = pictures(tmp_path, 1000)
    wanted = Wanted(Kind.IMAGES, (8, 8))
    known = np.full((6, 2), -1)
    memory, streamed = (
        read_inputs(files, known, space=SPACE, wanted=wanted, how=Reading(budget=budget)) for budget in (None, 0)
    )
    rows = torch.arange(6)
    assert memory.levels == streamed.levels == Levels(whole=Scale(0, 1023))
    torch.testing.assert_close(memory.items.inputs(rows), streamed.items.inputs(rows), rtol=0, atol=0)
    assert np.asarray(streamed.picture(0)).max() == pytest.approx(255 * 999 / 1023, abs=2)


def test_a_stream_scales_all_blocks_alike_and_says_once_what_is_doubtful(fitted: ll.LatentLabels, tmp_path: Path) -> None:
    """Where it begins does not matter: of numbers that the fit has not seen, all files say how many bits are in use."""
    images, _ = scenes(7, seed=3)
    folder = tmp_path / "deep"
    folder.mkdir()
    for row, one in enumerate(images):
        write_png(folder / f"{row}.png", one.transpose(1, 2, 0).astype(np.uint16) * (16 if row == 6 else 2))
    with pytest.warns(DataWarning, match="7 of 7 images have values .* 0 is read as black and 4095 as white"):
        whole = fitted.predict_proba(folder)
    for start in (0, 4):
        stream = fitted.stream(folder)
        stream.size = 2
        with pytest.warns(DataWarning) as caught:
            found = np.concatenate([posterior.marginals for _, posterior in fitted.posterior_blocks(stream, start)])
        np.testing.assert_allclose(found, whole[start:], atol=1e-6)
        texts = [str(warning.message) for warning in caught]
        assert len(texts) == len({text[8:40] for text in texts})
        assert any("7 of 7 images have values" in text and "4095" in text for text in texts)


def test_a_stream_of_known_levels_adds_up_its_notes(tmp_path: Path) -> None:
    images, known = scenes(20)
    m = ll.LatentLabels(SPACE, encoder="tiny", epochs=1, image_size=24).fit(images.astype(np.uint16) * 257, known)
    files = pictures(tmp_path, 100, 9)
    stream = m.stream(files)
    stream.size = 2
    with pytest.warns(DataWarning) as caught:
        assert len([*m.posterior_blocks(stream)]) == 5
    assert [str(warning.message) for warning in caught] == [
        f"9 of 9 images come out black ({files[0]}, {files[1]}, {files[2]} and 6 more): 0 is read as black and 65535 as white "
        "(16 bits); if white is another value, scale the images to those of the fit, or fit again with white stated"
    ]


def test_a_fit_that_reads_white_differently_is_another_fit(tmp_path: Path) -> None:
    images, known = scenes(20)
    deep, checkpoints = images.astype(np.uint16) * 16, tmp_path / "checkpoints"
    settings: dict[str, Any] = {"encoder": "tiny", "epochs": 1, "image_size": 24}
    ll.LatentLabels(SPACE, **settings).fit(deep, known, checkpoints=checkpoints)
    ll.LatentLabels(SPACE, **settings).fit(deep, known, checkpoints=checkpoints, resume=True)
    with pytest.raises(RunError, match="settings"):
        ll.LatentLabels(SPACE, white=8000, **settings).fit(deep, known, checkpoints=checkpoints, resume=True)
