"""What each entry of the catalogue says of itself: a formula or an example, and a source."""

import re

import pytest

from fastnn import catalogue, layers, losses

ENTRIES = {
    *(entry for table in catalogue.TABLES.values() for entry in table.values()),
    *losses.ENTRIES,
    layers.BatchNormalization,
    layers.Dropout,
    layers.GaussianNoise,
    layers.LayerNormalization,
    layers.UnitNormalization,
}


@pytest.mark.parametrize("entry", sorted(ENTRIES, key=lambda entry: (entry.__module__, entry.__name__)), ids=repr)
def test_every_entry_has_a_formula_and_a_source(entry):
    text = entry.__dict__.get("__doc__") or ""  # its own, not an inherited one
    assert re.search(r">>> |=|<-|sqrt\(", text), "a formula or an example"
    assert re.search(r"\b(18|19|20)\d\d\b", text), "a source: authors and the year"
    assert re.search(r"\bSources?: ", text), "the word that finds it"
