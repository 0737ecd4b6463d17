"""How known labels come about: p(o | y), why some labels of an image are known and the others not.

The choice decides what a missing label means. `observed` o holds 1 (known present), 0 (known absent) and -1
(unknown) per label. Known absences are always allowed and pin their label; what the annotations differ in is
how the known positives were picked among the present labels.

Every annotation takes ``noise=e``: with probability e the known positives of an image are a mistake, and came
about as if every label (but the known absent ones) were present: p_e(o|y) = (1 - e) p(o|y) + e p(o|all). Where images
get into the data by their labels (`PerLabelSearch`), so do those with mistakes.

Sources: Rubin, 1976 (missing data mechanisms); Elkan and Noto, KDD 2008, and Bekker and Davis, 2020 (SCAR);
Cole et al., CVPR 2021 (single positive labels).
"""

from .base import Annotation, CountBound, as_observed
from .found import PerLabelSearch, Scar
from .picks import Ignorable, UniformPositive, WeightedPositive
from .reading import KINDS, from_config

__all__ = [
    "KINDS",
    "Annotation",
    "CountBound",
    "Ignorable",
    "PerLabelSearch",
    "Scar",
    "UniformPositive",
    "WeightedPositive",
    "as_observed",
    "from_config",
]
