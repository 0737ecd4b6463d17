"""Every notebook runs from top to bottom, without a warning, in its small setting; none is committed with outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

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
