"""What a terminal and a notebook show of `LatentLabels`: before a fit its settings, after it the result, and the next step.

Duck-typed: it reads an estimator's parameters and what `fit` has left.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ... import objectives
from ...checks import Level, Severity, fit_warnings, verdict_of
from ...checks.advice import skill
from ...checks.sentences import warning
from ...space import LabelSpace, OneOf
from ...words import count, epoch_number, finite, number
from .known import MAX_NAMES, view

_SHOWN = ("space", "annotation", "encoder")  # said in any case
_MOST = 80  # letters of a setting


def estimator_line(m: Any) -> str:
    """An estimator in one line: whether it is fitted, its labels, encoder and annotation, settings of the user's."""
    named_so = {"encoder": m.encoder, "annotation": _annotation(m), **_settings(m)}
    given = ", ".join(f"{key}={value if key == 'annotation' else _brief(value)}" for key, value in named_so.items())
    space = getattr(m, "space_", m.space)
    labels = count(space.num_labels, "label") if isinstance(space, LabelSpace) else "labels of the data"
    return f"{type(m).__name__}({_state(m)}, {labels}, {given})"


def estimator_html(m: Any) -> str:
    """An estimator as a notebook shows it."""
    d = getattr(m, "diagnostics_", None) or {}
    fitted = m.__sklearn_is_fitted__()
    never = list(d.get("never_known") or [])
    between, calls = _next(m, fitted)
    it, keeps = ("it", "it keeps its") if len(never) == 1 else ("them", "they keep their")
    return view(
        "estimator.html",
        title=f"{type(m).__name__}: {_state(m)}",
        labels=_labels(getattr(m, "space_", m.space)),
        encoder=_brief(m.encoder, quotes=False),
        annotation=_annotation(m),
        settings=[f"{key}={_brief(value)}" for key, value in _settings(m).items()],
        facts=_result(m, d) if fitted else [],
        warnings=_warnings(m, d),
        never=never,
        never_lead=f"{count(len(never), 'label')} never known to be present:",
        never_end=f"The fit cannot learn {it}; {keeps} prior probability.",
        next=calls,
        between=between,
    )


def _state(m: Any) -> str:
    if not m.__sklearn_is_fitted__():
        return "not fitted"
    d = getattr(m, "diagnostics_", None)
    if not d and hasattr(m, "anchor_"):  # a loaded one has no anchor
        return "prepared, not fitted"
    number_of = finite((d or {}).get("num_images"))
    return "fitted" if number_of is None else f"fitted on {count(int(number_of), 'image')}"


def _settings(m: Any) -> dict[str, Any]:
    """The parameters that are not as they come."""
    own = inspect.signature(type(m).__init__).parameters
    given = {key: value for key, value in m.get_params(deep=False).items() if key not in _SHOWN}
    return {key: value for key, value in given.items() if key not in own or repr(value) != repr(own[key].default)}


def _annotation(m: Any) -> str:
    return "UniformPositive()" if m.annotation is None else _brief(m.annotation)


def _brief(value: Any, quotes: bool = True) -> str:
    text = " ".join((repr(value) if quotes or not isinstance(value, str) else value).split())
    return text if len(text) <= _MOST else f"{text[: _MOST - 4]} ..."


def _labels(space: Any) -> dict[str, Any]:
    """Its groups with their sizes, and in words what is left out and free."""
    if not isinstance(space, LabelSpace):
        return {"unknown": True}
    groups = [group for group in space.groups if isinstance(group, OneOf)]
    free = space.num_labels - sum(len(group.labels) for group in groups)
    rest = [count(len(groups) - MAX_NAMES, "more group")] if len(groups) > MAX_NAMES else []
    rest += [count(free, "free label")] if free else []
    total = f"{space.num_labels:,}: " if groups else ""
    shown = [(group.name, len(group.labels)) for group in groups[:MAX_NAMES]]
    return {"unknown": False, "total": total, "groups": shown, "rest": rest}


def _result(m: Any, d: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a fit came to, each with a note; nothing where it did not say."""
    predicted, expected, best = (finite(d.get(key)) for key in ("predicted_count", "expected_labels", "best_epoch"))
    anchor = getattr(m, "anchor_", None)
    source = d.get("expected_labels_source")
    if expected is None and anchor is not None:
        expected, source = finite(anchor.expected_labels), anchor.source
    said = [] if predicted is None else [f"{number(predicted)} predicted"]
    said += [] if expected is None else [f"{number(expected)} expected"]
    history = getattr(m, "history_", None) or []
    epochs = "" if best is None or best < 0 else epoch_number(best)
    if epochs and history:
        last = epoch_number(history[-1].get("epoch", len(history) - 1))
        epochs += f" of {last}{', stopped early' if d.get('stopped_early') else ''}"
    value, name = finite(d.get("held_out_log_likelihood")), objectives.find(m.objective).value().whole
    kept = list(getattr(m, "kept_", None) or {})
    verdict = verdict_of(d, None, history)
    found = [
        ("verdict", "" if verdict.level is Level.UNKNOWN else verdict.sentence, ""),
        ("weak labels", verdict.weakest_sentence if d else "", ""),
        ("labels per image", ", ".join(said), str(source or "") if said else ""),
        ("epoch kept", epochs, ""),
        ("on held-out images", "" if value is None else number(value), name),
        ("weights kept by", ", ".join(kept) if len(kept) > 1 else "", "for .use(rule)"),
    ]
    return [row for row in found if row[1]]


def _warnings(m: Any, d: Mapping[str, Any]) -> list[str]:
    """What to know first: above all, that a fit has learned nothing from its images."""
    found = skill(d, getattr(m, "history_", None) or [], objectives.find(m.objective).is_likelihood)
    bad = [warning(found)] if found is not None and found.severity is Severity.ACT else []
    return [*bad, *fit_warnings(d)]


def _next(m: Any, fitted: bool) -> tuple[str, list[str]]:
    """What stands between the calls that come next, and the calls."""
    if not fitted:
        return " or ", [".fit(images, observed)", f"{type(m).__name__}.load(run)"]
    if _state(m).startswith("prepared"):
        return ", or ", ["pyro.infer.SVI(m.model, m.guide, optimiser, loss=m.elbo)", ".fit(images, observed)"]
    return ", ", [".posterior(images)", ".predict_proba(images)", ".save(folder)"]
