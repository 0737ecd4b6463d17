"""The README is true: its Python runs, its YAML is a label space, its files and verbs exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from latentlabels.space import LabelSpace

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn):
    monkeypatch.chdir(tmp_path)
    smaller = [
        block.replace("render_scenes(1000", "render_scenes(200").replace("randperm(1000)", "randperm(200)")
        for block in blocks("python")
    ]
    names: dict[str, object] = {}
    for block in smaller:
        exec(block, names)
    assert names["post"].marginals.shape == (5, 21)
    assert (tmp_path / "runs/scenes/weights.safetensors").exists()


def test_the_raw_svi_script_is_short():
    script = blocks("python")[-1]
    assert "pyro.infer.SVI" in script
    assert len([line for line in script.splitlines() if line.strip()]) < 20


def test_the_python_takes_public_names_only():
    imports = re.findall(r"^(?:from|import) +latentlabels.*$", "\n".join(blocks("python")), re.MULTILINE)
    assert set(imports) == {"import latentlabels as ll"}


def test_the_label_space_is_one():
    space = LabelSpace.from_config(yaml.safe_load(blocks("yaml")[0]))
    assert space.num_labels == 8 and space.num_label_sets == 24


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_nothing_is_left_to_fill_in():
    assert not re.findall(r"\b[A-Z]+_TABLE\b|TODO|FIXME", TEXT)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configs_are_valid(path: Path):
    from latentlabels.config import read_config

    # a labels file that comes with the data is not there yet
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    overrides = ["labels=null"] if isinstance(text.get("labels"), str) else []
    assert read_config(path, overrides).data is not None
