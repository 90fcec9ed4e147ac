"""What each entry of the catalogue says of itself: a formula or an example, and a source; and that README names it."""

import re
from pathlib import Path

import pytest

from fastnn import activations, catalogue, layers, losses, optimizers

README = Path(__file__).parents[1] / "README.md"
ENTRIES = {
    *(entry for table in catalogue.TABLES.values() for entry in table.values()),
    *losses.ENTRIES,
}
LAYERS = [getattr(layers, name) for name in layers.__all__ if name != "Layer"]
# Layers with nothing to cite: those that move numbers, and those of signals, explained where the ones of maps are.
PLAIN = {
    *(layers.Input, layers.Dense, layers.Activation, layers.Identity, layers.Flatten, layers.Reshape, layers.Permute),
    *(layers.RepeatVector, layers.Cropping2D, layers.UpSampling2D, layers.ZeroPadding2D),
    *(one for one in LAYERS if "1D" in one.__name__ and one is not layers.Conv1D),
}
ENTRIES |= set(LAYERS) - PLAIN


@pytest.mark.parametrize("entry", sorted(ENTRIES, key=lambda entry: (entry.__module__, entry.__name__)), ids=repr)
def test_every_entry_has_a_formula_and_a_source(entry):
    text = entry.__dict__.get("__doc__") or ""  # its own, not an inherited one
    assert re.search(r">>> |=|<-|sqrt\(", text), "a formula or an example"
    assert re.search(r"\b(18|19|20)\d\d\b", text), "a source: authors and the year"
    assert re.search(r"\bSources?: ", text), "the word that finds it"


@pytest.mark.parametrize("entry", [*LAYERS, *optimizers.ENTRIES], ids=lambda entry: entry.__name__)
def test_every_layer_and_optimizer_has_an_example(entry):
    assert ">>> " in (entry.__dict__.get("__doc__") or "")


def named_in_the_readme(kind):
    """The names in a row of its table "What is there"; `Conv1D/2D` are two."""
    (row,) = re.findall(rf"^\| {kind} \| (.*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    names = re.findall(r"`(\w+(?:/2D)?)`", row)
    return {one for name in names for one in ([name[:-3], f"{name[:-5]}2D"] if name.endswith("/2D") else [name])}


def test_the_readme_names_all_there_is():
    assert named_in_the_readme("layers") == {layer.__name__ for layer in LAYERS}
    for kind, entries in (("activations", activations.ENTRIES), ("optimizers", optimizers.ENTRIES)):
        assert named_in_the_readme(kind) == {entry.name for entry in entries}
    known = {entry.name for entry in losses.ENTRIES}
    assert named_in_the_readme("losses") - {"from_logits"} == {name for name in known if not name.endswith("_logits")}
