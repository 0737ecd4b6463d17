"""`report.html` of a run folder."""

from .document import write_report

__all__ = ["write_report"]
