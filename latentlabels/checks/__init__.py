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
from .movement import GroupMovement, MovedLabel, movements, shared_by, unmoved_sentences
from .prevalence_baseline import without_image
from .proposal import Proposal, propose
from .sentences import fit_warnings
from .suspects import SuspectLabel, suspect_labels
from .verdict import Verdict, verdict_of
from .weak_labels import WeakLabel

__all__ = [
    "Basis",
    "Finding",
    "GroupMovement",
    "Kind",
    "KnownCount",
    "Level",
    "LinkedCount",
    "MovedLabel",
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
    "movements",
    "pick_check",
    "propose",
    "shared_by",
    "suspect_labels",
    "unmoved_sentences",
    "verdict_of",
    "without_image",
]
