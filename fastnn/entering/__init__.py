"""Networks of other libraries as layers with weights: one module for each source."""
