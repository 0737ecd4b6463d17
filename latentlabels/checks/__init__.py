"""What known labels say about themselves, about a fit and about the assumed annotation."""

from .complete_images import PickCheck, pick_check
from .finding import Basis, Finding, Kind, Level, Reason, Severity, Todo
from .known_labels import (
    KnownCount,
    LinkedCount,
    alarms,
    even_count_check,
    known_label_check,
    known_probs,
    linked_label_check,
)
from .prevalence_baseline import without_image
from .proposal import Proposal, propose
from .sentences import fit_warnings
from .suspects import SuspectLabel, suspect_labels
from .verdict import Verdict, WeakLabel, verdict_of

__all__ = [
    "Basis",
    "Finding",
    "Kind",
    "KnownCount",
    "Level",
    "LinkedCount",
    "PickCheck",
    "Proposal",
    "Reason",
    "Severity",
    "SuspectLabel",
    "Todo",
    "Verdict",
    "WeakLabel",
    "alarms",
    "even_count_check",
    "fit_warnings",
    "known_label_check",
    "known_probs",
    "linked_label_check",
    "pick_check",
    "propose",
    "suspect_labels",
    "verdict_of",
    "without_image",
]
