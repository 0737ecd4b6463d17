"""What a terminal and a notebook show of `LatentLabels`: before a fit its settings, after it what came out and what is next.

The estimator is in a room above, so that it is taken as it comes: its parameters and what `fit` has left.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ...space import LabelSpace, OneOf
from ...words import count, finite, number
from ..html import Html, code, facts, joined, named, names, paragraph, quiet, view
from .known import MAX_NAMES

_SHOWN = ("space", "annotation", "encoder")  # said in any case
_MOST = 80  # letters of a setting


def estimator_line(m: Any) -> str:
    """An estimator in one line: whether it is fitted, its labels, encoder and annotation, settings of the user's."""
    named_so = {"encoder": m.encoder, "annotation": _annotation(m), **_settings(m)}
    given = ", ".join(f"{key}={value if key == 'annotation' else _brief(value)}" for key, value in named_so.items())
    space = getattr(m, "space_", m.space)
    labels = count(space.num_labels, "label") if isinstance(space, LabelSpace) else "labels of the data"
    return f"{type(m).__name__}({_state(m)}, {labels}, {given})"


def estimator_html(m: Any) -> Html:
    """An estimator as a notebook shows it."""
    d = getattr(m, "diagnostics_", None) or {}
    fitted = m.__sklearn_is_fitted__()
    settings = [code(f"{key}={_brief(value)}") for key, value in _settings(m).items()]
    return view(
        f"{type(m).__name__}: {_state(m)}",
        facts(
            [
                ("labels", _labels(getattr(m, "space_", m.space))),
                ("encoder", _brief(m.encoder, quotes=False)),
                ("annotation", code(_annotation(m))),
                ("settings", joined(settings, " ") or quiet("all at their defaults")),
                *(_outcome(m, d) if fitted else []),
            ]
        ),
        *(_warning(message) for message in d.get("warnings") or []),
        _never_known(d.get("never_known") or []),
        _next(m, fitted),
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


def _labels(space: Any) -> Html | str:
    if not isinstance(space, LabelSpace):
        return quiet("those of the data, all free")
    groups = [group for group in space.groups if isinstance(group, OneOf)]
    free = space.num_labels - sum(len(group.labels) for group in groups)
    parts = [joined([named(group.name), f" ({len(group.labels):,})"]) for group in groups[:MAX_NAMES]]
    parts += [Html(count(len(groups) - MAX_NAMES, "more group"))] if len(groups) > MAX_NAMES else []
    parts += [Html(count(free, "free label"))] if free else []
    return joined([f"{space.num_labels:,}: " if groups else "", joined(parts, ", ")])


def _outcome(m: Any, d: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a fit came to; nothing where it did not say."""
    predicted, expected, best = (finite(d.get(key)) for key in ("predicted_count", "expected_labels", "best_epoch"))
    anchor = getattr(m, "anchor_", None)
    source = d.get("expected_labels_source")
    if expected is None and anchor is not None:
        expected, source = finite(anchor.expected_labels), anchor.source
    said = [] if predicted is None else [f"{number(predicted)} predicted"]
    said += [] if expected is None else [f"{number(expected)} expected"]
    per_image = joined([", ".join(said), quiet(f" ({source})") if source and said else ""])
    history = getattr(m, "history_", None) or []
    epochs = "" if best is None or best < 0 else number(best, "count")
    if epochs and history:
        epochs += f" of 0 to {history[-1].get('epoch', len(history) - 1)}{', stopped early' if d.get('stopped_early') else ''}"
    value, name = finite(d.get("held_out_log_likelihood")), "log-likelihood of the known labels, nats per image"
    if m.objective != "collapsed":
        name = f"negative {m.objective} loss, the higher, the better"
    kept = list(getattr(m, "kept_", None) or {})
    return [
        ("labels per image", per_image),
        ("epoch kept", epochs),
        ("on held-out images", "" if value is None else joined([f"{number(value)} ", quiet(f"({name})")])),
        ("weights kept by", joined([", ".join(kept), quiet(" (for .use(rule))")]) if len(kept) > 1 else ""),
    ]


def _warning(message: Any) -> Html:
    return Html(f'<p class="ll-warning">{joined(["Warning: ", message])}</p>')


def _never_known(labels: Sequence[str]) -> Html:
    if not labels:
        return Html()
    pronoun = "it, which keeps its" if len(labels) == 1 else "them, they keep their"
    lead = f"{count(len(labels), 'label')} never known to be present: nothing can be learned of {pronoun} prior probability ("
    return _warning(joined([lead, names(labels, 5), ")"]))


def _next(m: Any, fitted: bool) -> Html:
    if not fitted:
        return paragraph(joined(["Next: ", code(".fit(images, observed)"), " or ", code(f"{type(m).__name__}.load(run)")]))
    if _state(m).startswith("prepared"):
        svi = "pyro.infer.SVI(m.model, m.guide, optimiser, loss=m.elbo)"
        return paragraph(joined(["Next: train it by ", code(svi), ", or ", code(".fit(images, observed)")]))
    calls = (".posterior(images)", ".predict_proba(images)", ".save(folder)")
    return paragraph(joined(["Next: ", joined(map(code, calls), ", ")]))
