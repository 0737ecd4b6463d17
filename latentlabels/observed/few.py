"""How many images of a label are few: one threshold for `inspect`, the report and the verdict, and that of a fit's warning."""

FEW_IMAGES = 10
"""Images known to show a label, below which it is learned badly as a rule.

Measured on frozen features of two data sets with one known label per image (78 labels, fits on 100 to 2,000 images): of labels
with 5 to 9 known images one in four is ranked hardly better than by chance, of those with 10 to 19 one in seven, from 20 one in
ten.
"""

ALMOST_NONE = FEW_IMAGES // 2
"""Training images of a label, below which a fit warns at once."""
