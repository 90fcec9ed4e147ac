"""How much the engine does in one call, before Python looks at the keyboard, the clock and the threads again."""

SLICE = 0.05  # seconds in the engine between two looks at the keyboard
FIRST_GUESS = 1e10  # cost per second (``Program.cost``), until the first slice is measured
RECORDED = 1 << 22  # most outputs that the engine writes for the metrics in one call
LOOK = 8  # a slice that tries another number of threads is so many times shorter
