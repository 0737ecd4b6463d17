"""The configs of published data sets, run as they are on tiny data in the true layout: fit on one part, evaluate on the
other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from benchmark_sets import write_celeba, write_coco, write_cub, write_nus_wide, write_voc
from numpy.typing import NDArray

from latentlabels.cli.app import main
from latentlabels.cli.configs import read_training
from latentlabels.config import read_config
from latentlabels.errors import DataWarning, LatentLabelsError
from latentlabels.inputs import Inputs

CONFIGS = Path(__file__).parents[2] / "configs"
TRAIN, TEST, K = 16, 8, 3
Truth = NDArray[np.int8]
Written = tuple[Truth, list[str]]
TINY = (
    *("model.encoder=tiny", "model.weights=null", "model.image_size=24", "fit.epochs=1", "fit.batch_size=8"),
    "model.expected_labels=1.5",
)


def drawn(rows: int, seed: int) -> Truth:
    truth = (np.random.default_rng(seed).random((rows, K)) < 0.45).astype(np.int8)
    truth[np.arange(rows), np.arange(rows) % K] |= (truth.sum(1) == 0).astype(np.int8)
    truth[0], truth[1] = 0, 1  # an image without a label, which is left out, and one with all
    return truth


def coco(root: Path) -> Written:
    truth = drawn(TRAIN, 0)
    write_coco(root / "coco" / "train2014", truth)
    write_coco(root / "coco" / "val2014", drawn(TEST, 1))
    where = root / "coco"
    return truth, [
        "--images",
        f"{where}/val2014",
        "--truth",
        f"{where}/annotations/instances_val2014.json",
        "--unlisted",
        "absent",
    ]


def voc(root: Path) -> Written:
    truth = np.concatenate([drawn(TRAIN, 2), drawn(TEST, 3)])
    difficult = truth.copy()
    difficult[3:5][truth[3:5] == 0] = -1
    where = root / "VOCdevkit" / "VOC2012"
    write_voc(where, difficult, TRAIN)
    more = ["--images", f"{where}/JPEGImages", "--truth", str(where), "--part", "val", "--absent", "difficult"]
    return truth[:TRAIN], more


def celeba(root: Path) -> Written:
    truth = np.concatenate([drawn(TRAIN, 4), drawn(2, 5), drawn(TEST, 6)])
    where = root / "celeba"
    write_celeba(where, truth, [0] * TRAIN + [1] * 2 + [2] * TEST)
    return truth[:TRAIN], [
        "--images",
        f"{where}/img_align_celeba",
        "--truth",
        f"{where}/list_attr_celeba.txt",
        "--part",
        "test",
    ]


def nus_wide(root: Path) -> Written:
    truth = np.concatenate([drawn(TRAIN, 7), drawn(TEST, 8)])
    where = root / "NUS-WIDE"
    write_nus_wide(where, truth, TRAIN, pictures=True)
    return truth[:TRAIN], ["--images", f"{where}/Flickr", "--truth", f"{where}/ImageList/TestImagelist.txt"]


def cub(root: Path) -> Written:
    truth = np.concatenate([drawn(TRAIN, 9), drawn(TEST, 10)])
    certainty = np.full(truth.shape, 3, np.int8)
    certainty[2:4] = np.where(truth[2:4] == 0, 1, 4)
    where = root / "CUB_200_2011"
    write_cub(where, truth, certainty, [1] * TRAIN + [0] * TEST, pictures=True)
    more = ["--images", f"{where}/images", "--truth", str(where), "--part", "test", "--absent", "not visible"]
    return truth[:TRAIN], more


SETS: dict[str, Callable[[Path], Written]] = {"coco": coco, "voc": voc, "celeba": celeba, "nus-wide": nus_wide, "cub": cub}


def copied(name: str, root: Path) -> Path:
    """The config beside the data, as it stands in the repository."""
    (root / "configs").mkdir()
    return Path(shutil.copy(CONFIGS / f"{name}.yaml", root / "configs"))


def training(path: Path, *more: str) -> Inputs:
    with pytest.warns(DataWarning, match="1 image of 16 without a present label left out"):
        return read_training(read_config(path, [*TINY, *more]))


@pytest.mark.filterwarnings("ignore:.*not in observed, so not used")  # NUS-WIDE's folder holds the images of the test as well
@pytest.mark.parametrize("name", SETS)
def test_one_known_present_label_of_each_image_is_kept(name: str, tmp_path: Path):
    truth, _ = SETS[name](tmp_path)
    path = copied(name, tmp_path)
    found = training(path)
    assert found.observed is not None and found.truth is not None
    np.testing.assert_array_equal(found.truth, truth[truth.any(1)])
    known = found.observed.values
    assert ((known == 1).sum(1) == 1).all() and (known != 0).all() and (found.truth[known == 1] == 1).all()
    np.testing.assert_array_equal(training(path).observed.values, known)  # type: ignore[union-attr]
    other = training(path, "data.single_positive=7").observed
    assert other is not None and not np.array_equal(other.values, known)
    facts = dict(found.observed.how_read.facts)  # type: ignore[union-attr]
    assert facts["known labels"] == "one present label of each image, drawn by data.single_positive: 1200"


@pytest.mark.parametrize("name", SETS)
def test_one_command_fits_and_one_evaluates(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, evaluate = SETS[name](tmp_path)
    run = tmp_path / "run"
    tiny = [part for one in TINY for part in ("--set", one)]
    assert main(["fit", str(copied(name, tmp_path)), "--out", str(run), *tiny, "--json"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert fitted["num_images"] == TRAIN - 1
    assert main(["evaluate", str(run), *evaluate, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_images"] == TEST and 0 <= found["map"] <= 1, sorted(found)


def test_the_draw_is_uniform_over_the_present_labels(tmp_path: Path):
    """Chi-square with 2 degrees of freedom, of 240 draws of one of three labels; the bound has a false-alarm rate of 1e-4."""
    truth = np.ones((240, K), np.int8)
    write_coco(tmp_path / "coco" / "train2014", truth)
    config = read_config(copied("coco", tmp_path), TINY)
    found = read_training(config).observed
    assert found is not None
    counts = (found.values == 1).sum(0)
    assert counts.sum() == 240 and float(((counts - 80) ** 2 / 80).sum()) < 18.4


def test_copies_of_an_image_keep_one_known_label_each(tmp_path: Path):
    root = tmp_path / "coco" / "train2014"
    names = write_coco(root, np.ones((12, K), np.int8))
    for name in names[1:4]:
        shutil.copy(root / names[0], root / name)
    found = read_training(read_config(copied("coco", tmp_path), TINY))
    assert len(found) == 12 and found.observed is not None and found.observed.num_known.tolist() == [1] * 12


def test_labels_that_are_unknown_are_refused_with_what_mends_it(tmp_path: Path):
    voc(tmp_path)
    path = copied("voc", tmp_path)
    with pytest.raises(
        LatentLabelsError, match=r'single_positive: \S+: label "kind\d" is unknown \(\d such entr.*data\.absent'
    ):
        read_training(read_config(path, [*TINY, "data.absent=null"]))


def test_an_oracle_reads_the_complete_labels(tmp_path: Path):
    coco(tmp_path)
    tiny = [part for one in (*TINY, "model.objective=full-labels") for part in ("--set", one)]
    assert main(["fit", str(copied("coco", tmp_path)), "--out", str(tmp_path / "run"), *tiny]) == 0


def test_the_configs_state_the_published_settings():
    for name in SETS:
        stated = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
        assert stated["data"]["single_positive"] == 1200 and stated["fit"]["epochs"] == 10 and stated["fit"]["held_out"] == 0.2
        assert stated["model"]["encoder"] == "resnet50" and stated["annotation"] == {"kind": "uniform-positive"}
        assert name == "celeba" or stated["model"]["image_size"] == 448


def test_images_of_a_test_are_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    cub(tmp_path)
    path = copied("cub", tmp_path)
    tiny = [part for one in TINY for part in ("--set", one)]
    assert main(["fit", str(path), "--out", str(tmp_path / "run"), *tiny, "--set", "data.part=null"]) == 2
    said = capsys.readouterr().err
    assert (
        "train (16), test (8)" in said and "--split split" in said and "--part train " in said and "--part train,test" in said
    )
    assert main(["fit", str(path), "--out", str(tmp_path / "run"), *tiny, "--set", "data.part=valid"]) != 0
    assert 'no part "valid" (parts: train, test)' in capsys.readouterr().err
    for given, size in (("data.part=[train,test]", TRAIN + TEST - 2), ("data.part=test", TEST - 1)):
        with pytest.warns(DataWarning, match="without a present label"):
            assert len(read_training(read_config(path, [*TINY, given]))) == size
