"""Imports run downwards: docs/architecture.md gives the order of the rooms, and every import obeys it."""

import ast
import re
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"


def rooms(text):
    """Module or folder -> (height, room), from the table of the page."""
    found = {}
    lines = re.findall(r"^\| (\w+) \| (`[^|]*`) \|", text.split("## The rooms")[1].split("\n## ")[0], re.MULTILINE)
    for height, (room, modules) in enumerate(lines):
        for name in re.findall(r"`(\w+)`", modules):
            found[name] = height, room
    return found


def modules(package):
    """Name without the package -> source, of all Python modules."""
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(package.rglob("*.py"))
    }


def imports(source, known):
    """The modules of the package that a source imports, at any place in it, type-only imports included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")[1:] if name.split(".")[0] == "fastnn" else []
            if name.split(".")[0] == "fastnn":
                found.add(next((m for m in candidates(parts) if m in known), "__init__"))
    return found


def candidates(parts):
    """Modules that ``parts`` may mean, the longest first."""
    for n in range(len(parts), 0, -1):
        yield ".".join(parts[:n])
        yield ".".join([*parts[:n], "__init__"])


def check(package, table):
    """Each module has a room, imports nothing higher, and is in no ring."""
    sources = modules(package)
    graph = {name: imports(source, sources) - {name} for name, source in sources.items()}
    for name, imported in graph.items():
        assert name.split(".")[0] in table, f"{name} is in no room of docs/architecture.md"
        height, room = table[name.split(".")[0]]
        for other in imported:
            there, higher = table[other.split(".")[0]]
            assert there <= height, f"{name} ({room}) imports {other} ({higher}), which stands higher"
    done, path = set(), []

    def visit(name):
        assert name not in path, f"a ring: {' -> '.join([*path[path.index(name) :], name])}"
        if name in done:
            return
        path.append(name)
        for other in sorted(graph[name]):
            if other != name.split(".")[0] + ".__init__":  # a folder's own list of names
                visit(other)
        done.add(path.pop())

    for name in graph:
        visit(name)


@pytest.fixture
def table():
    return rooms(PAGE.read_text(encoding="utf-8"))


def test_imports_run_downwards(table):
    assert len(table) > 20
    check(PACKAGE, table)


def test_each_room_exists(table):
    names = {name.split(".")[0] for name in modules(PACKAGE)}
    assert set(table) == names


@pytest.mark.parametrize(
    "name, line, message",
    [
        ("activations/base.py", "from fastnn.models import Sequential", "stands higher"),
        ("losses/base.py", "if TYPE_CHECKING:\n    from fastnn.engine.network import Network", "stands higher"),
        ("metrics/base.py", "def f():\n    import fastnn.plots", "stands higher"),
        ("activations/base.py", "import fastnn", "stands higher"),
        ("activations/base.py", "from fastnn import losses", "a ring"),
        ("news.py", "", "is in no room"),
    ],
)
def test_the_check_sees_what_it_should(tmp_path, table, name, line, message):
    for module, source in modules(PACKAGE).items():
        path = tmp_path / Path(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    path = tmp_path / name
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + "\n" + line, encoding="utf-8")
    with pytest.raises(AssertionError, match=message):
        check(tmp_path, table)
