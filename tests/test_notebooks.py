"""Every notebook runs from top to bottom, without a warning, in its small setting; none is committed with outputs.

The copies in docs/notebooks are: they show what the notebooks say, with the same cells.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the machinery that talks to the kernel; the notebook's own are looked for below
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTLABELS_SMOKE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own shows pictures
    monkeypatch.delenv("LATENTLABELS_PHOTOS", raising=False)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in paths if part))
    (tmp_path / "here").mkdir()
    notebook = _read(path)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path / "here")}}
    ).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    said = [
        output.text for cell in code for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"
    ]
    # the small setting leaves few images of a label, which a fit says
    assert not [text for text in said if "fewer than 5 training images" not in text]
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs), "it shows no picture"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs(path: Path) -> None:
    notebook = _read(path)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.execution_count is None and not cell.outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(path: Path) -> None:
    text = "\n".join(cell.source for cell in _read(path).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_teaches_in_words(path: Path) -> None:
    cells = _read(path).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    words = sum(cell.cell_type == "markdown" for cell in cells)
    assert words >= len(cells) / 3
    assert cells[-1].cell_type == "markdown"  # where to go on


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_takes_public_names_only(path: Path) -> None:
    code = "\n".join(cell.source for cell in _read(path).cells if cell.cell_type == "code")
    imports = re.findall(r"^ *(?:from|import) +latentlabels.*$", code, re.MULTILINE)
    assert imports == ["import latentlabels as ll"]


# --- the copies that show what they say -----------------------------------------------------------------


@pytest.fixture(scope="module")
def publishing() -> Any:
    spec = importlib.util.spec_from_file_location("publish", ROOT / "notebooks" / "publish.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_published_copy_is_in_step_and_shows_pictures(path: Path, publishing: Any) -> None:
    copy = ROOT / "docs" / "notebooks" / path.name
    assert publishing.in_step(path, copy), "run `make notebooks`"
    assert copy.stat().st_size < 600_000
    notebook = _read(copy)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))  # from top to bottom, once
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not re.search(r"/(?:home|root|work|Users)/|/tmp/tmp", copy.read_text(encoding="utf-8"))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (copy.parent / target).exists(), target


@pytest.mark.filterwarnings("ignore")  # of the machinery that talks to the kernel
def test_a_notebook_is_published_as_it_runs(publishing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "TMPDIR", "LATENTLABELS_SMOKE"):
        monkeypatch.setenv(name, "")  # restored at the end
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("LATENTLABELS_PHOTOS", str(tmp_path))
    code = [
        "import os, tempfile\n"
        "print(os.environ.get('LATENTLABELS_SMOKE'), tempfile.gettempdir(), os.environ.get('LATENTLABELS_PHOTOS'))",
        "from PIL import Image; Image.linear_gradient('L').resize((1200, 600)).convert('RGB')",
    ]
    text = nbformat.v4.new_markdown_cell("# A notebook\n[the front page](../README.md), [another](other.ipynb)")
    source, copy = tmp_path / "a.ipynb", tmp_path / "copies" / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[text, *map(nbformat.v4.new_code_cell, code)]), source)
    publishing.publish(source, copy, small=True)
    shown = _read(copy)
    assert shown.cells[0].source.endswith("[the front page](../../README.md), [another](other.ipynb)")
    assert shown.cells[1].outputs[0].text == "1 /tmp None\n"
    picture = Image.open(io.BytesIO(base64.b64decode(shown.cells[2].outputs[0].data["image/png"])))
    assert picture.size == (900, 450) and picture.mode == "P"
    monkeypatch.setattr(publishing, "PUBLISHED", copy.parent)
    assert publishing.in_step(source, copy)
    changed = _read(source)
    changed.cells[1].source += " # changed"
    nbformat.write(changed, source)
    assert not publishing.in_step(source, copy)
    assert not publishing.in_step(source, tmp_path / "none.ipynb")
    monkeypatch.setattr(publishing, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"a\.ipynb would have [\d,]+ bytes, more than 1,000; let it show less"):
        publishing.publish(source, copy)
