"""The compiled core, built from ``kernels/``: ``machine``, and one engine for each CPU level and number type.

``fastnn.basics.backend`` chooses the engine.
"""
