"""Networks for other programs: one module for each target; what they share is in ``frozen`` and ``formulas``."""
