"""Which question to ask a person next: what an answer is expected to teach, and which questions make a good batch."""

from .asking import Wanted, next_questions
from .gains import group_gains, label_gains, label_gains_about
from .question import Question

__all__ = ["Question", "Wanted", "group_gains", "label_gains", "label_gains_about", "next_questions"]
