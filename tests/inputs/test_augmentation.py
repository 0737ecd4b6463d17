"""Strong changes: what they leave, what they do not touch, and that the seed alone decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlabels.config import read_config
from latentlabels.errors import ConfigError
from latentlabels.inputs.augmentation import COVERED, COVERS, LEAST_AREA, LIGHT, augment_strongly
from latentlabels.inputs.batches import Batch, InMemory, Order

COUNT = 2000


def changed(pictures: Tensor, seed: int = 0) -> Tensor:
    return augment_strongly(pictures, torch.Generator().manual_seed(seed))


def coordinates(height: int, width: int) -> Tensor:
    """Red rises with the column and green with the row, from 0.25 to 0.75; blue is 0.5."""
    rows, columns = torch.meshgrid(torch.linspace(0.25, 0.75, height), torch.linspace(0.25, 0.75, width), indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, 0.5)])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 64), (60, 24)])
def test_at_least_six_tenths_of_the_area_remain(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.inputs.augmentation.LIGHT", 0.0)
    monkeypatch.setattr("latentlabels.inputs.augmentation.COVERS", 0.0)
    seen = changed(coordinates(height, width).expand(300, 3, height, width))
    assert seen.shape == (300, 3, height, width)
    across = (seen[:, 0].amax((-2, -1)) - seen[:, 0].amin((-2, -1))) / 0.5
    down = (seen[:, 1].amax((-2, -1)) - seen[:, 1].amin((-2, -1))) / 0.5
    share = across * down
    assert float(share.min()) > LEAST_AREA - 0.08  # a pixel at each side
    assert float(share.min()) < LEAST_AREA + 0.1 and float(share.max()) > 0.9
    stretched = across / down
    assert float(stretched.min()) > 0.70 and float(stretched.max()) < 1.45
    mirrored = int((seen[:, 0, :, 0] > seen[:, 0, :, -1]).all(-1).sum())
    assert 100 < mirrored < 200  # of 300: six standard deviations
    assert not bool((seen[:, 1, 0] > seen[:, 1, -1]).any())  # and none is turned upside down


def test_hue_is_left_alone_and_light_changes_by_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.inputs.augmentation.COVERS", 0.0)
    colour = torch.tensor([0.6, 0.3, 0.15]).view(1, 3, 1, 1).expand(COUNT, 3, 8, 8)
    seen = changed(colour)[:, :, 4, 4]
    # of one colour: brightness multiplies it, contrast moves it to or from its own grey by up to a fifth
    spread = seen.amax(1) - seen.amin(1)
    assert float(spread.min()) > 0.45 * (1 - LIGHT) ** 2 - 1e-4 and float(spread.max()) < 0.45 * (1 + LIGHT) ** 2 + 1e-4
    hue = (seen[:, 1] - seen[:, 2]) / spread
    torch.testing.assert_close(hue, torch.full_like(hue, 1 / 3), rtol=0, atol=1e-3)
    light = seen.mean(1)
    assert float(light.min()) > 0.35 * (1 - LIGHT) - 0.02 and float(light.max()) < 0.35 * (1 + LIGHT) + 0.02
    assert float(light.std()) > 0.02


def test_every_fourth_picture_is_partly_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.inputs.augmentation.LIGHT", 0.0)
    seen = changed(torch.full((COUNT, 3, 40, 40), 0.9))
    covered = (seen - 0.5).abs().amax(1) < 1e-6
    share = covered.flatten(1).double().mean(1)
    some = share[share > 0]
    deviation = (COVERS * (1 - COVERS) / COUNT) ** 0.5
    assert abs(len(some) / COUNT - COVERS) < 5 * deviation
    assert float(some.min()) > COVERED[0] - 0.01 and float(some.max()) < COVERED[1] + 0.01


def test_the_seed_decides_and_no_other_random_number_moves() -> None:
    pictures = torch.rand(6, 3, 24, 24)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = changed(pictures, 1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    torch.rand(9)
    assert torch.equal(one, changed(pictures, 1))
    assert not torch.equal(one, changed(pictures, 2))
    assert not torch.equal(one[0], changed(pictures[:1].expand(2, -1, -1, -1), 1)[1])  # each picture has its own draw
    assert float(one.min()) >= 0 and float(one.max()) <= 1
    assert changed(pictures[:0]).shape == (0, 3, 24, 24)


def test_the_second_view_changes_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher sees pictures that are only mirrored and moved."""
    value = torch.full((8, 3, 32, 32), 230, dtype=torch.uint8)
    source = InMemory(value, augment="strong")
    known = torch.zeros(8, 2, dtype=torch.int8)
    strong, small = [], []
    for epoch in range(20):
        for item in source.loader(torch.arange(8), known, None, 8, Order(0, epoch, two_views=True)):
            batch = Batch(*item)
            assert batch.other is not None
            strong.append(batch.inputs)
            small.append(batch.other)
    assert bool((torch.cat(small) == 230 / 255).all())
    assert not bool((torch.cat(strong) == 230 / 255).all())


def test_a_config_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "fit.yaml"
    for text, expected in (("strong", "strong"), ("true", True), ("false", False)):
        path.write_text(f"fit: {{augment: {text}}}\n")
        assert read_config(path).fit.augment == expected
    path.write_text("fit: {augment: stronger}\n")
    with pytest.raises(ConfigError, match=r'fit\.augment: expected true, false or strong, not "stronger"'):
        read_config(path)


def test_it_is_used_in_a_fit_and_changes_it() -> None:
    import latentlabels as ll

    pictures = np.random.default_rng(0).integers(0, 256, (24, 3, 16, 16), np.uint8)
    known = np.full((24, 3), -1, np.int8)
    known[np.arange(24), np.arange(24) % 3] = 1
    space = ll.LabelSpace.free("abc")
    found = []
    for augment in (True, "strong", "strong"):
        model = ll.LatentLabels(space, encoder="tiny", epochs=1, batch_size=8, augment=augment, held_out=0.0, stop="none")
        found.append(model.fit(pictures, known).predict_proba(pictures))
    np.testing.assert_array_equal(found[1], found[2])
    assert np.abs(found[0] - found[1]).max() > 1e-7
