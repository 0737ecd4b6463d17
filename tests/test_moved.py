"""The modules of version 0.1 import under their old names, with a warning, and hold what their successors hold."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import latentlabels as ll
from latentlabels._moved import _HOMES


@pytest.mark.parametrize("old", sorted(_HOMES))
def test_old_names_import_with_a_warning(old: str) -> None:
    sys.modules.pop(f"latentlabels.{old}", None)
    with pytest.warns(DeprecationWarning, match="has moved"):
        module = importlib.import_module(f"latentlabels.{old}")
    for home in _HOMES[old]:
        new = importlib.import_module(f"latentlabels.{home}")
        public = getattr(new, "__all__", [name for name in vars(new) if not name.startswith("_")])
        assert public and all(getattr(module, name) is getattr(new, name) for name in public)
    sys.modules.pop(f"latentlabels.{old}", None)


def test_what_version_0_1_wrote_in_its_readme_runs() -> None:
    code = (
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
        "from latentlabels.data.toy import render_scenes\n"
        "from latentlabels.anchor import derive_prior\n"
        "from latentlabels.program import Amortizer, CollapsedELBO, LabelGuide, LabelModel\n"
        "from latentlabels.evaluation import evaluate, known_label_check\n"
        "from latentlabels.labels import LabelSpace\n"
        "import latentlabels as ll; assert LabelSpace is ll.LabelSpace and render_scenes is ll.render_scenes\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["LabelVector", "NonEmptyLabelVector", "can_be_empty"])
def test_distributions_are_found_in_their_old_home(name: str) -> None:
    from latentlabels import distributions, program

    with pytest.warns(DeprecationWarning, match="has moved"):
        assert getattr(program, name) is getattr(distributions, name)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = program.never


def test_a_module_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("latentlabels.never")


@pytest.mark.parametrize("name", sorted(ll.__all__))
def test_public_names_are_there(name: str) -> None:
    assert getattr(ll, name) is not None
    assert name in dir(ll)


def test_what_is_public_is_listed_once() -> None:
    assert len(set(ll.__all__)) == len(ll.__all__)
    assert set(ll._HOMES) | set(ll._ROOMS) | {"__version__"} == set(ll.__all__)


def test_public_names_of_version_0_1_that_have_another_name_now() -> None:
    with pytest.warns(DeprecationWarning, match="is now suspect_labels"):
        assert ll.surprising_labels is ll.suspect_labels
    plots = importlib.import_module("latentlabels.show.plots")
    with pytest.warns(DeprecationWarning, match=r"is now plots\.suspect_labels"):
        assert plots.surprising_labels is plots.suspect_labels
