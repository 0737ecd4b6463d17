"""One door for data: whatever a user gives becomes `Inputs`, one frozen value that everything below takes."""

from .arrays import PixelFormat, as_size
from .door import Reading, read_inputs
from .inputs import Inputs, Wanted, concatenated
from .levels import Levels

__all__ = ["Inputs", "Levels", "PixelFormat", "Reading", "Wanted", "as_size", "concatenated", "read_inputs"]
