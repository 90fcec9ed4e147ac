"""Every example in the documentation of a public module runs as printed."""

import doctest
import importlib
import pkgutil

import pytest

import fastnn

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(fastnn.__path__, "fastnn.")
    if not any(part.startswith("_") for part in info.name.split("."))
)


def examples(name):
    """The doctests of a module that have at least one example."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("numba", "llvmlite"):
            raise
        return []  # of modules that only Numba needs
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


@pytest.mark.parametrize("name", [name for name in MODULES if examples(name)])
def test_doctests(name):
    if name.startswith("fastnn.formulas"):
        pytest.importorskip("numba", reason="formulas warn where Numba is missing")
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0 and results.failed == 0


def test_doctests_are_found():
    """So that an empty list above cannot pass for success."""
    assert {"fastnn.models.sequential", "fastnn.activations", "fastnn.losses", "fastnn.layers.dense"} <= set(MODULES)
    assert sum(len(examples(name)) for name in MODULES) >= 15
