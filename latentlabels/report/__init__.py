"""`report.html` of a run folder, and two runs side by side."""

from .comparison import Comparison, compare
from .comparison_page import write_comparison
from .document import write_report

__all__ = ["Comparison", "compare", "write_comparison", "write_report"]
