"""What a check returns: findings as data. `sentences` puts them into words, in that one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How pressing a finding is."""

    ACT = "act"
    LOOK = "look"
    FINE = "fine"


class Kind(StrEnum):
    """What was looked at."""

    SKILL = "skill"
    RANKING = "ranking"
    MEASURED = "measured"
    UNMEASURED = "unmeasured"
    COUNT = "count"
    SCALE = "scale"
    LENGTH = "length"
    OVERFITTING = "overfitting"
    HELD_OUT = "held-out"
    NEVER_KNOWN = "never-known"
    RARELY_KNOWN = "rarely-known"
    KNOWN = "known"
    CONTRADICTION = "contradiction"
    EVENNESS = "evenness"
    EVERYWHERE = "everywhere"
    NOTE = "note"
    DECLARED = "declared"
    EXCLUSIVE = "exclusive"
    EXCLUDES_ALL = "excludes-all"
    REQUIRES = "requires"
    ALWAYS_TOGETHER = "always-together"
    UNDECIDED = "undecided"
    NO_ABSENCES = "no-absences"
    NOTHING = "nothing"
    PICK = "pick"
    PICK_UNTOLD = "pick-untold"
    LEARNED = "learned"
    MISTAKEN = "mistaken"


class Todo(StrEnum):
    """What to do about a finding."""

    LEARN_MORE = "learn-more"
    CHECK_ANNOTATION = "check-annotation"
    COMPARE_WITH_COLLAPSED = "compare-with-collapsed"
    STATE_COUNT = "state-count"
    DECIDE_COUNT = "decide-count"
    LABEL_COMPLETELY = "label-completely"
    CALIBRATE = "calibrate"
    TRAIN_LONGER = "train-longer"
    TRAIN_SLOWER = "train-slower"
    REGULARISE = "regularise"
    HOLD_OUT_MORE = "hold-out-more"
    FIND_IMAGES = "find-images"
    FIND_OR_DROP = "find-or-drop"
    WEIGHT_LABELS = "weight-labels"
    SAY_PER_LABEL_SEARCH = "say-per-label-search"
    LEARN_WEIGHTS = "learn-weights"
    LEARN_RATES = "learn-rates"
    SAMPLE_COMPLETE = "sample-complete"
    SAMPLE_MORE = "sample-more"
    STATE_NOISE = "state-noise"


class Level(StrEnum):
    """How good a fit is, beside a prediction that never looks at an image."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """What a verdict rests on."""

    COMPLETE = "complete labels"
    KNOWN = "held-out known labels"
    RANKING = "ranking of held-out known labels"
    NOTHING = "nothing"


class Reason(StrEnum):
    """Why a label is weak."""

    NEVER_KNOWN = "never known"
    FEW_IMAGES = "few images"
    CONFUSED = "confused"
    NOT_LEARNED = "not learned"
    PREVALENCE = "prevalence far off"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        kind: what.
        severity: how pressing it is.
        labels: the labels that it is about.
        facts: its numbers and names, as JSON holds them; which ones, `sentences` shows kind by kind.
        todo: what to do, the first thing first.
    """

    kind: Kind
    severity: Severity
    labels: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    todo: tuple[Todo, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "kind": self.kind.value,
            "severity": self.severity.value,
            "labels": list(self.labels),
            "facts": dict(self.facts),
            "todo": [one.value for one in self.todo],
        }

    @classmethod
    def from_dict(cls, stored: Any) -> Finding | None:
        """What `to_dict` gave, or a sentence of version 0.1; None for anything else."""
        if isinstance(stored, str):
            return cls(Kind.NOTE, Severity.ACT, facts={"text": stored}) if stored else None
        try:
            return cls(
                Kind(stored["kind"]),
                Severity(stored["severity"]),
                tuple(str(label) for label in stored["labels"]),
                dict(stored["facts"]),
                tuple(Todo(one) for one in stored["todo"]),
            )
        except (KeyError, TypeError, ValueError):
            return None


def stored_warnings(diagnostics: Mapping[str, Any]) -> list[Finding]:
    """What a fit warned of: the entry `warnings` of its diagnostics."""
    given = diagnostics.get("warnings")
    found = [Finding.from_dict(one) for one in given] if isinstance(given, list | tuple) else []
    return [one for one in found if one is not None]
