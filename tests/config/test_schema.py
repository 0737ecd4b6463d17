"""The config: what a YAML may say, where an error stands and which key was meant, overrides, paths, round trips."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from latentlabels.config import OBJECTIVE_NAMES, Config, FitConfig, ModelConfig, read_config
from latentlabels.config.source import Source, parse_overrides, read_source
from latentlabels.errors import ConfigError, LabelSpaceError
from latentlabels.space import Free, OneOf

WHOLE = """\
data:
  images: pictures
  observed: labels.csv
  unlisted: unknown
labels:
  - {name: colour, one_of: [blue, red]}
  - {name: vehicle, one_of: [car, bike], optional: true}
  - {name: doors, one_of: [2-doors, 4-doors], requires: car}
  - {name: striped}
annotation: {kind: scar, noise: 0.1, rates: {blue: 0.5, red: 0.5, car: 0.5, bike: 1, 2-doors: 1, 4-doors: 1, striped: 0.1}}
model: {encoder: tiny, weights: DEFAULT, frozen: false, image_size: [64, 48], expected_labels: 1.5, mixture: 2, beta: 0.1}
fit: {epochs: 20, batch_size: 32, learning_rate: 1e-3, held_out: 0.2, seed: 7, accelerator: cpu, devices: 1, strategy: auto}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a config and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "fit.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def message(path: Path, *overrides: str) -> str:
    with pytest.raises((ConfigError, LabelSpaceError)) as caught:
        read_config(path, overrides)
    return str(caught.value)


# --- what is read ---------------------------------------------------------------------------------------


def test_a_whole_config(write: Any, tmp_path: Path) -> None:
    config = read_config(write(WHOLE))
    assert config.data.images == tmp_path / "pictures"
    assert config.data.observed == tmp_path / "labels.csv"
    assert (config.data.unlisted, config.data.strict, config.data.embeddings) == ("unknown", False, None)
    space = config.space()
    assert space is not None
    assert space.groups == (
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    )
    assert config.annotation.kind == "scar"
    assert isinstance(config.annotation.rates, dict)
    assert config.annotation.rates["striped"] == 0.1
    assert (config.model.image_size, config.model.weights, config.model.mixture) == ((64, 48), "DEFAULT", 2)
    assert (config.fit.learning_rate, config.fit.held_out, config.fit.devices) == (1e-3, 0.2, 1)  # 1e-3 is text in YAML 1.1


@pytest.mark.parametrize("text", ["", "# nothing\n", "data:\nmodel:\nfit:\n", "{}"])
def test_every_key_has_a_default(write: Any, text: str) -> None:
    assert read_config(write(text)).resolved() == Config().resolved() == read_config(None).resolved()


def test_model_and_fit_are_the_arguments_of_the_estimator() -> None:
    from latentlabels import LatentLabels

    arguments = read_config(None).estimator_arguments()
    assert set(arguments) == {*ModelConfig.model_fields, *FitConfig.model_fields}
    parameters = inspect.signature(LatentLabels).parameters
    assert {name: parameters[name].default for name in arguments} == arguments


def test_write_and_read_again(write: Any, tmp_path: Path) -> None:
    config = read_config(write(WHOLE), ["fit.epochs=3"])
    (tmp_path / "elsewhere").mkdir()
    config.write(tmp_path / "elsewhere" / "again.yaml")
    again = read_config(tmp_path / "elsewhere" / "again.yaml")
    assert again.resolved() == config.resolved()
    assert again.space() == config.space()
    assert yaml.safe_load((tmp_path / "elsewhere" / "again.yaml").read_text())["data"]["images"] == str(tmp_path / "pictures")


def test_a_bench_section_is_written_where_there_is_one(write: Any, tmp_path: Path) -> None:
    config = read_config(write("bench: {hide: 0.3, truth: a.csv, test: {images: b, truth: c.csv}, seeds: [4], starts: [both]}"))
    assert "bench" not in Config().resolved()
    assert config.bench is not None and config.bench.test is not None
    assert (config.bench.hide, config.bench.truth, config.bench.test.images) == (0.3, tmp_path / "a.csv", tmp_path / "b")
    config.write(tmp_path / "again.yaml")
    assert read_config(tmp_path / "again.yaml").bench == config.bench


def test_reading_a_config_imports_nothing_slow(write: Any) -> None:
    code = (
        "import sys; from latentlabels.config import read_config; read_config(sys.argv[1])\n"
        "print([name for name in ('torch', 'numpy', 'pandas', 'lightning') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(write(WHOLE))], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "[]")


def test_shards_and_folders_of_labels_pass(write: Any, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"s-{number}.tar").touch()
    (tmp_path / "VOC2012").mkdir()
    for name in ("s-{0..1}.tar", "s-*.tar", "s-0.tar"):
        config = read_config(write(f"data:\n  images: {name!r}\n  observed: VOC2012\n"))
        config.check_files()
        assert config.data.images == tmp_path / name


def test_names_of_classes_are_a_list_or_a_file(write: Any, tmp_path: Path) -> None:
    assert read_config(write("data: {classes: [cat, dog]}\n")).data.classes == ["cat", "dog"]
    assert read_config(write("data: {classes: classes.txt}\n")).data.classes == "classes.txt"
    (tmp_path / "classes.txt").write_text("cat\n")
    assert read_config(write("data: {classes: classes.txt}\n")).data.classes == str(tmp_path / "classes.txt")
    with pytest.raises(ConfigError, match=r"data\.classes: expected the names of the classes 0, 1, \.\.\.: a list, or a file"):
        read_config(write("data: {classes: []}\n"))


# --- errors: where, what, and what was meant ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("fit:\n  epoch: 3\n", 2, 'unknown key fit.epoch; did you mean "epochs"? (known: epochs, batch_size,'),
        ("fit:\n  epochs: 3\nmodle: {}\n", 3, 'unknown key modle; did you mean "model"? (known: data, labels, annotation,'),
        ("epochs: 3\n", 1, 'unknown key epochs; did you mean "fit.epochs"?'),
        ("model:\n  epochs: 3\n", 2, 'unknown key model.epochs; did you mean "fit.epochs"?'),
        ("fit:\n  zzz: 3\n", 2, "unknown key fit.zzz (known: "),
        ("fit: 3\n", 1, "fit: expected a mapping: epochs, batch_size, ..., not 3"),
        ("data: pictures\n", 1, 'data: expected a mapping: images, observed, ..., not "pictures"'),
        ("fit:\n  epochs: many\n", 2, 'fit.epochs: expected a whole number of at least 1, not "many"'),
        ("fit:\n  epochs: 0\n", 2, "fit.epochs: expected a whole number of at least 1, not 0"),
        ("fit:\n  epochs: yes\n", 2, "fit.epochs: expected a whole number of at least 1, not true"),
        ('fit:\n  epochs: "3"\n', 2, 'fit.epochs: expected a whole number of at least 1, not "3"'),
        ("fit:\n  epochs: 2.5\n", 2, "fit.epochs: expected a whole number of at least 1, not 2.5"),
        ("fit:\n  learning_rate: -1\n", 2, "fit.learning_rate: expected a number above 0, not -1"),
        ("fit:\n  learning_rate: .nan\n", 2, "fit.learning_rate: expected a number above 0, not NaN"),
        ("fit:\n  held_out: 1\n", 2, "fit.held_out: expected a share, at least 0 and below 1, not 1"),
        ("fit:\n  stop: likelyhood\n", 2, 'known-map or none, not "likelyhood"; did you mean "likelihood"?'),
        ("fit:\n  devices: few\n", 2, 'fit.devices: expected auto, a number, or a list of numbers, not "few"'),
        ("model:\n  objective: colapsed\n", 2, 'not "colapsed"; did you mean "collapsed"?'),
        (
            "model:\n  image_size: 4\n",
            2,
            "model.image_size: expected a number of pixels of at least 8, or [height, width], not 4",
        ),
        ("model:\n  image_size: [64]\n", 2, "expected a number of pixels of at least 8, or [height, width], not [64]"),
        (
            "model:\n  frozen: 1\n",
            2,
            "model.frozen: expected true or false, or null to freeze published weights on a CPU, not 1",
        ),
        ("model:\n  beta: 2\n", 2, "model.beta: expected a number from 0 to 1, not 2"),
        (
            "model:\n  at_least_one: 1\n",
            2,
            "model.at_least_one: expected true or false, or null to decide from the data, not 1",
        ),
        ("model:\n  mixture: 0\n", 2, "model.mixture: expected a whole number of at least 1, not 0"),
        ("model:\n  expected_labels: 0\n", 2, "model.expected_labels: expected a number above 0, or null to derive it"),
        ("annotation:\n  kind: scarf\n", 2, 'not "scarf"; did you mean "scar"?'),
        ("annotation:\n  noise: 1\n", 2, "annotation.noise: expected a probability, at least 0 and below 1, or learn, not 1"),
        ("annotation:\n  kind: scar\n  rates: 1.5\n", 3, "annotation.rates: expected a number above 0 up to 1,"),
        ("annotation:\n  weights: [1, -1]\n", 2, "annotation.weights: expected positive numbers, one for each label"),
        ("data:\n  unlisted: unkown\n", 2, 'data.unlisted: expected unknown or absent, not "unkown"; did you mean "unknown"?'),
        ("data:\n  images: [a, b]\n", 2, 'data.images: expected the path of a folder of images, not ["a", "b"]'),
        ("labels:\n  - {name: a}\n  - {nam: b}\n", 3, 'labels, entry 2: unknown key "nam"; did you mean "name"?'),
        ("labels:\n  - {name: a}\n  - {name: c, one_of: [a, b]}\n", 1, 'label "a" is in group "a" and in group "c"'),
        ("labels:\n  - {name: d, one_of: [x], requires: carr}\n  - car\n", 1, 'requires "carr", which is not a label'),
        ("labels:\n  - {name: a}\n  - {name: yes}\n", 3, "labels, entry 2: True is not text; put quotes around it"),
        ("labels: 3\n", 1, "labels: expected a list of groups, or the path of a labels.yaml, not 3"),
        ("- fit\n", 1, "expected sections such as data, model and fit, not list"),
        ("fit:\n  epochs: 1\n  seed: 2\n  epochs: 3\n", 4, "fit.epochs is given twice, first in line 2; remove one"),
        ("fit:\n  epochs: [1\n", 3, "not valid YAML: "),
        ("fit: {epochs: 1}}\n", 1, "not valid YAML: "),
    ],
)
def test_an_error_names_file_line_and_key(write: Any, text: str, line: int, said: str) -> None:
    path = write(text)
    found = message(path)
    assert found.startswith(f"{path}:{line}: "), found
    assert said in found


def test_all_wrong_keys_at_once_in_the_order_of_the_file(write: Any) -> None:
    path = write("model: {bet: 0.1}\nfit:\n  seed: x\n  epoch: 1\n")
    lines = message(path, "fit.patience=0").splitlines()
    assert [line.split(": ", 1)[0] for line in lines] == [f"{path}:1", f"{path}:3", f"{path}:4", "--set fit.patience=0"]


def test_files_that_are_no_config(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in message(tmp_path / "none.yaml")
    assert f"for a folder of images give --images {tmp_path}" in message(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    assert "is not UTF-8 text" in message(tmp_path / "binary.yaml")


def test_the_label_space_in_a_file_of_its_own(write: Any, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("labels:\n- {name: colour, one_of: [blue, red]}\n")
    space = read_config(write("labels: labels.yaml\n")).space()
    assert space is not None
    assert space.labels == ("blue", "red")
    path = write("fit: {}\nlabels: none.yaml\n")
    assert message(path) == f"{path}:2: labels: {tmp_path / 'none.yaml'} not found; give the path of a labels.yaml"
    (tmp_path / "labels.yaml").write_text("- {nam: colour}\n")
    assert f'{tmp_path / "labels.yaml"}: labels, entry 1: unknown key "nam"' in message(write("labels: labels.yaml\n"))


@pytest.mark.parametrize("name", OBJECTIVE_NAMES)
def test_every_objective_can_be_named(name: str) -> None:
    assert read_config(None, [f"model.objective={name}"]).model.objective == name


# --- data -----------------------------------------------------------------------------------------------


def test_files_are_checked_with_their_lines(write: Any, tmp_path: Path) -> None:
    def checked(text: str, *overrides: str) -> str:
        config = read_config(path := write(text), overrides)
        with pytest.raises(ConfigError) as caught:
            config.check_files()
        return str(caught.value).replace(str(path), "fit.yaml")

    (tmp_path / "pictures").mkdir()
    (tmp_path / "table.csv").write_text("image\n")
    assert checked("fit: {}\n").startswith("fit.yaml: no data; give data.images (a folder) or data.embeddings (a file)")
    found = checked("data:\n  images: picturs\n")
    assert found.startswith(f"fit.yaml:2: data.images: {tmp_path / 'picturs'} not found; paths in a config are relative")
    found = checked("data:\n  images: table.csv\n")
    assert "fit.yaml:2: data.images: " in found and "is not a folder of images" in found
    found = checked("data:\n  embeddings: pictures\n")
    assert "fit.yaml:2: data.embeddings: " in found and "is not a file" in found
    found = checked("data:\n  images: s-{000..002}.tar\n")
    assert found.startswith("fit.yaml:2: data.images: ") and "3 of 3 shards not found: s-000.tar, s-001.tar, s-002.tar" in found
    found = checked("data:\n  images: photos.tar.gz\n")
    assert found.startswith("fit.yaml:2: data.images: ") and "unpack it" in found
    found = checked("data: {images: pictures}\nmodel:\n  weights: none.pt\n")
    assert f"fit.yaml:3: model.weights: {tmp_path / 'none.pt'} not found" in found
    found = checked("data: {images: pictures}\n", "data.observed=none.csv")
    assert found.startswith("--set data.observed=none.csv: data.observed: ")
    assert "relative" not in found  # to the current folder, as for any command
    config = read_config(write("data: {images: pictures, observed: table.csv}\nmodel: {weights: DEFAULT}\n"))
    config.check_files()


def test_paths_are_relative_to_the_file_and_those_of_overrides_to_the_current_folder(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = write("data: {images: pictures, observed: ../labels.csv}\nmodel: {weights: own.pt}\n")
    config = read_config(path, ["data.embeddings=x.npz", "model.encoder=embedding"])
    assert config.data.images == tmp_path / "pictures"
    assert config.data.observed == tmp_path / ".." / "labels.csv"
    assert config.data.embeddings == tmp_path / "here" / "x.npz"
    assert config.model.weights == str(tmp_path / "own.pt")
    assert read_config(path, ["model.weights=IMAGENET1K_V1"]).model.weights == "IMAGENET1K_V1"  # a name, no path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_config(None, ["data.images=~/pictures"]).data.images == tmp_path / "pictures"


def test_embeddings_settle_the_encoder(write: Any) -> None:
    assert read_config(write("data: {embeddings: x.npz}\n")).model.encoder == "embedding"
    path = write("data: {embeddings: x.npz}\nmodel:\n  encoder: resnet18\n")
    assert message(path).startswith(f'{path}:3: model.encoder: data.embeddings need the encoder "embedding", not "resnet18"')
    path = write("data: {images: x}\nmodel:\n  encoder: embedding\n")
    assert message(path).startswith(f'{path}:3: model.encoder: "embedding" takes vectors, but data.images names images')


# --- what the command line sets -------------------------------------------------------------------------


def test_overrides_win_the_later_the_better(write: Any) -> None:
    path = write("fit: {epochs: 1, seed: 4}\n")
    config = read_config(path, ["fit.epochs=2", "fit.epochs=3", "model.image_size=[32, 48]", "model.expected_labels=null"])
    assert (config.fit.epochs, config.fit.seed, config.model.image_size, config.model.expected_labels) == (3, 4, (32, 48), None)
    read = [read_config(path, [f"model.at_least_one={value}"]).model.at_least_one for value in ("true", "false", "null")]
    assert read == [True, False, None] and config.model.at_least_one is None
    assert read_config(path, ["fit={epochs: 9}"]).fit.seed == 0  # a section as a whole
    assert read_config(path, ["annotation.rates={a: 0.5}", "annotation.kind=scar"]).annotation.rates == {"a": 0.5}
    assert read_config(path, ["fit.epochs=2"], {"fit.epochs": 7, "fit.seed": None}).fit.epochs == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("fit.epochs", "--set fit.epochs: expected KEY=VALUE, for example --set fit.epochs=5"),
        ("=5", "--set =5: expected KEY=VALUE"),
        ("fit.epochs=[1", "--set fit.epochs=[1: '[1' is not valid YAML; put quotes around it"),
        ("fit.epoch=1", '--set fit.epoch=1: unknown key fit.epoch; did you mean "epochs"?'),
        ("fit.epochs=x", '--set fit.epochs=x: fit.epochs: expected a whole number of at least 1, not "x"'),
        ("fit.seed.deep=1", "--set fit.seed.deep=1: seed is 4 and has no keys; set seed as a whole"),
        ("labels=[{nam: x}]", '--set labels=[{nam: x}]: labels, entry 1: unknown key "nam"'),
    ],
)
def test_wrong_overrides_name_the_flag(write: Any, override: str, said: str) -> None:
    assert message(write("fit:\n  seed: 4\n"), override).startswith(said)


def test_flags_are_named_as_they_are_given(write: Any) -> None:
    with pytest.raises(ConfigError, match=re.escape('--unlisted: data.unlisted: expected unknown or absent, not "x"')):
        read_config(write("{}"), (), {"data.unlisted": "x"})


def test_where_a_key_stands(write: Any) -> None:
    path = write("fit:\n  epochs: 1\nlabels:\n  - a\n  - b\n")
    config = read_config(path, ["fit.seed=3"])
    assert config.where("fit.epochs") == f"{path}:2"
    assert config.where("fit.patience") == f"{path}:1"  # not given: its section
    assert config.where("fit.seed") == "--set fit.seed=3"
    assert config.where("labels.1") == f"{path}:5"
    assert config.where("model.encoder") == str(path)
    assert read_config(None).where("fit.epochs") == "command line"


def test_errors_about_a_key_are_explained(write: Any) -> None:
    path = write("annotation:\n  kind: scar\n")
    config = read_config(path)
    explained = config.explain(ConfigError("it rains", key="annotation.kind"))
    assert str(explained) == f"{path}:2: annotation.kind: it rains"
    sent = pickle.loads(pickle.dumps(ConfigError("it rains", key="annotation.kind")))  # as between processes
    assert str(config.explain(sent)) == str(explained)
    for text in ("it rains", "nothing.here: it rains", "labels.yaml: it rains", "annotation.zzz: it rains"):
        assert str(config.explain(ConfigError(text))) == text


def test_source_gets_and_sets() -> None:
    source = Source(raw={"fit": {"epochs": 1}, "model": None})
    assert (source.get("fit.epochs"), source.get("fit.seed", 5), source.get("fit.epochs.deep", 6)) == (1, 5, 6)
    source.set("model.beta", 0.5, "--set")
    source.set("model", {"beta": 0.1}, "--model")
    assert source.get("model.beta") == 0.1
    assert source.given == {"model": "--model"}  # what was set below it is gone
    assert parse_overrides(["a.b=1", "c=x=y"]) == [("a.b", 1), ("c", "x=y")]


def test_lines_of_nested_keys(write: Any) -> None:
    source = read_source(write("a:\n  b:\n    - c\n    - d: 1\n      e: 2\n"))
    assert source.lines == {"a": 1, "a.b": 2, "a.b.0": 3, "a.b.1": 4, "a.b.1.d": 4, "a.b.1.e": 5}
