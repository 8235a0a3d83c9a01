"""Searching: what varies, who proposes candidates, what is looked for.

    settings --> space --> oracles (keras-tuner proposes values) --> RunSpecs that the ledger remembers

Importing this package imports no backend; keras-tuner, which does, is loaded when the first oracle is made.
"""

from kbnd.tuning.defaults import default_space, space_for
from kbnd.tuning.parameters import Choice, Range
from kbnd.tuning.space import Space

__all__ = ["Choice", "Range", "Space", "default_space", "space_for"]
