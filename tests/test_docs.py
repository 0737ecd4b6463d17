"""The pages of docs/ are true: their Python runs, their files and rooms exist, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import sys
import types
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import typer

import latentlabels
from latentlabels.annotation.registry import HOMES

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
PACKAGE = ROOT / "latentlabels"


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next of its kind."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run(text: str) -> dict[str, object]:
    """The Python blocks of a text, one after the other in one namespace."""
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks(text):
        exec(block, names)
    return names


def test_the_annotation_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = section(read("extending.md"), "An annotation")
    assert len(blocks(text)) == 3
    names = run(text)
    assert names["m"].anchor_.expected_labels > 0  # type: ignore[attr-defined]
    names = run(text.replace("yes=0.6, no=0.2", "yes=0.6, no=0.2, noise=0.1").split("That is enough")[0])
    assert names["annotation"].noise == 0.1  # type: ignore[attr-defined]


def test_the_loop_over_blocks_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    run(read("result-tables.md"))
    assert capsys.readouterr().out.splitlines()[-1] == "0 200 (200, 3)"


def test_the_example_of_decisions_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(read("decisions.md"))
    source, likelihoods, covered = capsys.readouterr().out.splitlines()
    assert f"print(m.decisions_.thresholds.source)  # {source}\n" in read("decisions.md")
    before, after = map(float, likelihoods.split())
    assert after < before + 0.05
    assert float(covered) > 0.8  # 0.9, less three standard deviations of 100 images
    truth, sets = names["new_truth"], names["named_sets"]
    first = truth.argmax(1)  # type: ignore[attr-defined]
    assert sets[range(500), first].mean() > 0.8  # type: ignore[index]


def test_the_example_of_an_export_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(read("export.md"))["done"]
    table = read("export.md").split("| file | holds |")[1].split("\n\n")[0]
    endings = [name.removeprefix("photos") for name in re.findall(r"^\| `([\w.]+)`", table, re.MULTILINE)]
    assert sorted(f"vectors{ending}" for ending in endings) == sorted(path.name for path in tmp_path.iterdir())
    assert done.labels.name == "vectors.onnx"  # type: ignore[attr-defined]


def test_the_example_of_explore_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(read("explore.md"))
    assert "data-latentlabels" in (tmp_path / "explore.html").read_text(encoding="utf-8")


def test_the_page_of_exports_names_all_formats() -> None:
    from latentlabels.export import FORMATS

    rows = re.findall(r"^\| `([a-z-]+)` \| `(\.\w+)`", read("export.md"), re.MULTILINE)
    assert rows == [(name, form.ending) for name, form in FORMATS.items()]


def test_the_annotation_recipe_could_fail() -> None:
    text = section(read("extending.md"), "An annotation").split("That is enough")[0]
    wrong = text.replace("math.log(1 - self.yes) - math.log(1 - self.no)", "math.log(1 - self.yes)")
    assert wrong != text
    with pytest.raises(AssertionError):
        run(wrong)


def test_an_annotation_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered as the recipe says, it is saved and loaded with a run."""
    monkeypatch.chdir(tmp_path)
    names = run(section(read("extending.md"), "An annotation"))
    module = types.ModuleType("latentlabels.annotation.yes_and_no")
    module.YesAndNo = names["YesAndNo"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(HOMES, "yes-and-no", "yes_and_no:YesAndNo")
    names["m"].save(tmp_path / "run")  # type: ignore[attr-defined]
    assert latentlabels.LatentLabels.load(tmp_path / "run").annotation == names["annotation"]


def test_the_objective_recipe_runs() -> None:
    objectives = latentlabels.objectives.OBJECTIVES
    try:
        names = run(section(read("extending.md"), "An objective"))
        assert len(names["m"].history_) == 1  # type: ignore[attr-defined]
    finally:
        objectives.pop("pairwise-rank", None)


def test_the_reader_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    observed = run(section(read("extending.md"), "A reader of a file format"))["observed"]
    assert isinstance(observed, latentlabels.Observed)
    assert observed.images == ("1.jpg", "2.jpg") and observed.space.labels == ("blue", "car", "bike")
    assert observed.values.tolist() == [[1, 1, -1], [-1, -1, 1]]


def test_the_label_space_is_as_said() -> None:
    space = run(read("label-space.md"))["space"]
    assert isinstance(space, latentlabels.LabelSpace)
    assert space.num_labels == 8 and space.num_label_sets == 24
    assert space.columns(space.group_of("car")) == [3, 4]
    assert [group.name for group in space.children["car"]] == ["doors"]
    assert run(read("label-space.md"))["chest"].num_label_sets == 10  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::latentlabels.errors.DataWarning")
def test_the_examples_of_tables_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(blocks(read("tables.md"))) == 4
    run(read("tables.md"))


def test_the_page_of_tables_names_flags_and_keys_that_exist() -> None:
    from latentlabels.cli.app import app
    from latentlabels.config.sections import DataConfig

    text = read("tables.md")
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {option for parameter in verbs["fit"].params for option in parameter.opts}
    named = {*re.findall(r"`(--[a-z-]+)", text)}
    assert len(named) > 8 and named <= options
    keys = {*re.findall(r"`data\.(\w+)`", text)}
    assert len(keys) > 8 and keys <= {*DataConfig.model_fields}


def test_the_architecture_names_all_rooms_in_their_order() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    order = {room: height for height, layer in enumerate(reversed(layers)) for room in layer.split(" | ")}
    table = section(read("architecture.md"), "Layers, from bottom to top")
    named = [name.removesuffix("/").removesuffix(".py") for name in re.findall(r"^\| `([\w./]+)` \|", table, re.MULTILINE)]
    assert set(named) == set(order) - {"_moved"}
    heights = [order[name] for name in named]
    assert heights == sorted(heights)


def test_the_page_of_formats_names_all_of_them_and_what_they_hold() -> None:
    from latentlabels.observed.formats import NAMES, find

    rows = re.findall(r"^\| `(\w[\w-]*)` \|.*\| ?([^|]*?) ?\|$", read("formats.md"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(NAMES)
    for name, written in rows:
        said = {kind for word, kind in (("known labels", "known"), ("probabilities", "probabilities")) if word in written}
        assert said == find(name).WRITES, name


def commands_in(text: str) -> list[str]:
    """What a page has a user type after `latentlabels`: lines of its blocks for a shell, each whole."""
    shell = "\n".join(re.findall(r"```(?:ba)?sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    return re.findall(r"^(?:pip install .*&& )?latentlabels (.*?)(?: +#.*)?$", shell, re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_the_commands_are_right(page: Path) -> None:
    """The verbs, options, keys and formats that they name exist."""
    from latentlabels.cli.app import app
    from latentlabels.config import Config
    from latentlabels.observed.formats import NAMES

    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    commands = commands_in(page.read_text(encoding="utf-8"))
    assert len(commands) > {"formats": 10, "README": 12}.get(page.stem, -1)
    for command in commands:
        verb, *words = shlex.split(command)
        if verb == "cache":
            assert words[0] in verbs[verb].commands, command
            continue
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-") and not word.lstrip("-").isdigit()} <= options, command
        named = [words[number + 1] for number, word in enumerate(words) if word in ("--to", "--format")]
        assert {*named} <= {*NAMES, "onnx", "openvino", "torch-export"}, command
        for key in [words[number + 1].partition("=")[0] for number, word in enumerate(words) if word == "--set"]:
            part, _, name = key.partition(".")
            section = Config.model_fields[part].annotation
            assert name in section.model_fields, command  # type: ignore[union-attr]


def test_the_example_of_questions_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run(read("questions.md"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and all(line.endswith(" nats") for line in lines[1::2])


def test_the_page_of_regions_is_as_said() -> None:
    from latentlabels.encoders import COMPONENTS
    from latentlabels.inputs.sample import SAMPLE
    from latentlabels.program.region_head import RESIDUAL, TEMPERATURE

    text = read("regions.md")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", latentlabels.errors.DataWarning)
        names = run(text)
    assert names["heat"].shape == (6, 4, 4)  # type: ignore[attr-defined]
    plt.close("all")
    assert f"{RESIDUAL:g} E[s_z]" in text and f"exp({TEMPERATURE:g} s_p)" in text
    assert f"only {COMPONENTS} principal" in text and f"a sample of {SAMPLE} images" in text


def test_the_page_of_encoders_names_those_that_exist_and_their_sizes() -> None:
    from latentlabels.encoders import names, pixel_format
    from latentlabels.encoders.registry import FAMILIES

    text = read("encoders.md")
    table = text.split("\n\n")[2]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) == 11
    for first, what, pixels, *_ in rows:
        for name in re.findall(r"`([\w:.-]+)`", f"{first} {what if 'DINOv2' in what else ''}"):
            plain = name.replace("NAME.TAG", "NAME")
            assert plain in ("auto", "timm:NAME", "open_clip:NAME") or name in names(), name
            if pixels.strip().isdigit():
                assert pixel_format(name).size == (int(pixels),) * 2, name
    for name in re.findall(r"`(timm:[a-z][\w.]+)`", text):
        assert any(family.takes(name) for family in FAMILIES) and pixel_format(name, "DEFAULT")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


OWN = [page for page in PAGES if page.stem not in ("run-folder", "formats")]  # those tell of users' files


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`([\w./-]+/[\w./-]*)`", page.read_text(encoding="utf-8")):
        new = name.rsplit("/", 1)[-1] in ("my_format.py", "mine.py")
        assert new or any((root / name).exists() for root in (ROOT, PACKAGE, ROOT / "docs")), name


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_code_fits_on_a_page(page: Path) -> None:
    for code in re.findall(r"```\w+\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        assert max(len(line) for line in code.splitlines()) < 85


def test_the_review_of_known_labels_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(read("mistakes.md"))
    assert re.search(r"about \d+ of \d+ labels are wrong\n\d+ to \d+$", capsys.readouterr().out.strip())
    assert (tmp_path / "mistakes.csv").read_text().startswith("image,label,known,probability_wrong,")
