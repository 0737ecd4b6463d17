"""The modules of version 0.1 under their old names: they import, with a DeprecationWarning, for one release."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_HOMES: dict[str, tuple[str, ...]] = {
    "advice": ("checks.advice",),
    "anchor": ("program.starting_point",),
    "annotation.found": ("annotation.scar", "annotation.label_search"),
    "annotation.picks": ("annotation.ignorable", "annotation.uniform", "annotation.weighted"),
    "annotation.reading": ("annotation.registry",),
    "config_sections": ("config.sections",),
    "config_source": ("config.source",),
    "construction": ("fitting.build", "fitting.head_policy", "fitting.settling", "fitting.features_once", "fitting.batchwise"),
    "data": (),
    "data.batches": ("inputs.batches", "fitting.stratified"),
    "data.colours": ("datasets.class_and_colour",),
    "data.hiding": ("datasets.hiding",),
    "data.images": ("inputs.images", "inputs.image_file", "inputs.rgb", "inputs.embeddings", "inputs.arrays"),
    "data.mosaics": ("datasets.mosaics",),
    "data.scenes": ("datasets.scenes",),
    "data.sources": ("inputs.door", "inputs.given", "inputs.decoding"),
    "data.toy": ("datasets.street_scenes",),
    "demo": ("bench.toy_demo",),
    "diagnostics": ("checks.diagnostics",),
    "display": ("show.notebook",),
    "evaluation": ("metrics", "checks"),
    "evaluation.metrics": ("metrics",),
    "evaluation.predictive": ("checks.known_labels",),
    "evaluation.surprises": ("checks.suspects",),
    "observed.files": ("observed.image_files",),
    "findings": ("report.stored_predictions", "report.prediction_summary"),
    "labels": ("space",),
    "losses": ("objectives",),
    "markup": ("show.rendering",),
    "outcomes": ("show.top_labels",),
    "plots": ("show.plots",),
    "program.distribution": ("distributions.label_vector",),
    "program.nonempty": ("distributions.nonempty",),
    "run": ("fitting.run_folder",),
    "training": ("fitting",),
    "wording": ("words",),
}

RENAMED = {"surprising_labels": "suspect_labels", "Surprise": "SuspectLabel"}
"""Public names of version 0.1 that have another name now."""


RENAMED_OBJECTIVES = {"smile": "smile-soft-labels"}
"""Objectives that have another name now; see `objectives.current`."""


class _Finder(MetaPathFinder, Loader):
    """Finds an old name where no module of that name exists, and fills it with what its successors hold."""

    def __init__(self, package: str):
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        old = fullname.removeprefix(f"{self.package}.")
        if old == fullname or old not in _HOMES:
            return None
        return ModuleSpec(fullname, self, is_package=any(name.startswith(f"{old}.") for name in _HOMES))

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__.removeprefix(f"{self.package}.")
        homes = [importlib.import_module(f"{self.package}.{home}") for home in _HOMES[old]]
        said = "the public names are in latentlabels itself"
        warnings.warn(
            f"{module.__name__} has moved, and the old place will be removed in version 0.3; {said}: import latentlabels as ll",
            DeprecationWarning,
            stacklevel=2,
        )
        for home in homes:
            for name in dir(home):  # names that a home loads when first used among them
                if not name.startswith("__"):
                    setattr(module, name, getattr(home, name))
            for name, later in RENAMED.items():
                if hasattr(home, later):
                    setattr(module, name, getattr(home, later))


def install(package: str) -> None:
    """Make the old names of a package importable."""
    if not any(isinstance(finder, _Finder) and finder.package == package for finder in sys.meta_path):
        sys.meta_path.append(_Finder(package))
