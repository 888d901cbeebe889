"""The house stands on its floors: a room imports from floors below it, never from above, and never from a neighbour.

Imports inside functions count as well. Nor does a circle of imports lead from a module back to itself, and there those
count too that only type checkers follow: of two modules one can be read, tested and moved without the other.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import spacer_like

PACKAGE = Path(spacer_like.__file__).parent

# Room -> floor. Neighbours on a floor know nothing of each other, except where the whole floor is one room.
FLOORS = {
    "spacer_like": 0,
    "spacer_like.exceptions": 0,
    "spacer_like.extras": 0,
    "spacer_like.registry": 0,
    "spacer_like.progress": 0,
    "spacer_like.shown_url": 0,
    "spacer_like.interruption": 0,
    "spacer_like.logs": 0,
    "spacer_like.config": 0,
    "spacer_like.cores": 0,
    "spacer_like.location": 0,
    "spacer_like.message_errors": 0,
    "spacer_like.prefetch": 0,
    "spacer_like.memory": 0,
    "spacer_like.row_blocks": 0,
    "spacer_like.npy_header": 0,
    "spacer_like.mapped_tensors": 0,
    "spacer_like.protocol_buffers": 0,
    "spacer_like.http_server": 1,
    "spacer_like.storage": 1,
    "spacer_like.data_classes": 2,
    "spacer_like.message_base": 2,
    "spacer_like.overwriting": 2,
    "spacer_like.points.messages": 2,
    "spacer_like.rarity.messages": 2,
    "spacer_like.chips.messages": 2,
    "spacer_like.tags.messages": 2,
    "spacer_like.regression.messages": 2,
    "spacer_like.wrong_labels.messages": 2,
    "spacer_like.aws": 3,
    "spacer_like.images": 3,
    "spacer_like.drawing": 3,
    "spacer_like.review": 4,
    "spacer_like.tables": 3,
    "spacer_like.extractors": 4,
    "spacer_like.learning": 4,
    "spacer_like.embeddings": 5,
    "spacer_like.points": 6,
    "spacer_like.rarity": 6,
    "spacer_like.chips": 6,
    "spacer_like.tags": 6,
    "spacer_like.regression": 6,
    "spacer_like.wrong_labels": 6,
    "spacer_like.messages": 7,
    "spacer_like.tasks": 7,
    "spacer_like.mailman": 7,
    "spacer_like.request_log": 7,
    "spacer_like.task_utils": 7,
    "spacer_like.train_classifier": 7,
    "spacer_like.train_utils": 7,
    "spacer_like.examples": 7,
    "spacer_like.engines": 8,
    "spacer_like.reports": 8,
    "spacer_like.tile_server": 8,
    "spacer_like.workflows": 9,
    "spacer_like.testing": 10,
    "spacer_like.cli": 10,
    "spacer_like.contrib": 10,
    "spacer_like.__main__": 11,
}
ONE_ROOM = {0, 2, 7}

CIRCLES = [
    # A mailman runs tasks, and PySpacer's callers find process_job among the tasks and replace it there.
    {"spacer_like.mailman", "spacer_like.tasks"},
]


def room_of(module: str) -> str:
    """The room that holds a module: the longest name in FLOORS that it begins with."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in FLOORS and (name != "spacer_like" or module == "spacer_like"):
            return name
    raise LookupError(f"{module} stands on no floor: give its room a line in FLOORS")


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = modules()


def imports_of(module: str, for_checkers: bool = False) -> Iterator[tuple[str, int]]:
    """(imported module of this package, line), with or without those that only type checkers follow."""

    def visit(node: ast.AST) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if not for_checkers and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"{module}:{child.lineno} imports relatively"
                for alias in child.names:
                    submodule = f"{child.module}.{alias.name}"
                    yield (submodule if submodule in MODULES else str(child.module)), child.lineno
            yield from visit(child)

    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return (found for found in visit(tree) if found[0].split(".")[0] == "spacer_like")


def fault(module: str, imported: str) -> str | None:
    room, other = room_of(module), room_of(imported)
    if room == other or FLOORS[other] < FLOORS[room] or FLOORS[room] == FLOORS[other] in ONE_ROOM:
        return None
    return f"imports {imported} of floor {FLOORS[other]} from floor {FLOORS[room]}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_below(module):
    faults = [f"line {line}: {text}" for imported, line in imports_of(module) if (text := fault(module, imported))]
    assert faults == []


def test_families_know_nothing_of_each_other():
    families = {module.split(".")[1] for module in MODULES if module.endswith(".tasks")} - {"tasks"}
    for module in MODULES:
        family = module.split(".")[1] if "." in module else ""
        if family in families:
            others = {name.split(".")[1] for name, *_ in imports_of(module) if name.count(".")} & families
            assert others <= {family}, module


# Imported when a page with pictures is looked at, by nothing that submits or collects jobs.
DRAWS = "spacer_like.contrib.django.pictures"


def test_a_framework_of_others_needs_messages_engines_and_storage_alone():
    allowed = {"spacer_like.contrib", "spacer_like.engines", "spacer_like.messages", "spacer_like.storage"}
    allowed |= {room for room, floor in FLOORS.items() if floor == 0}
    drawing = {f"spacer_like.{room}" for room in ("data_classes", "images", "reports")}
    for module in MODULES:
        if room_of(module) == "spacer_like.contrib":
            needed = {room_of(name) for name, _ in imports_of(module)}
            assert needed <= (allowed | drawing if module == DRAWS else allowed), module


def test_an_import_from_above_would_be_noticed():
    assert fault("spacer_like.storage", "spacer_like.images.decode")
    assert fault("spacer_like.extractors.base", "spacer_like.learning.metrics")
    assert fault("spacer_like.storage.base", "spacer_like.data_classes")
    assert fault("spacer_like.extractors.base", "spacer_like.points.messages") is None


def circles(imports):
    """The groups of modules, {name: names of modules imported}, each of which leads back to itself."""
    numbers = {name: number for number, name in enumerate(imports)}
    edges = [(numbers[name], numbers[other]) for name in imports for other in imports[name] if other in numbers]
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), ends), shape=(len(numbers), len(numbers)))
    _, groups = connected_components(graph.tocsr(), directed=True, connection="strong")
    members = [{name for name, number in numbers.items() if groups[number] == group} for group in set(groups)]
    return [group for group in members if len(group) > 1]


def test_no_modules_import_each_other():
    imports = {module: {name for name, _ in imports_of(module, for_checkers=True)} for module in MODULES}
    assert circles(imports) == CIRCLES


def test_a_circle_would_be_noticed():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    [found] = circles({"a": {"b", "a"}, "b": {"c"}, "c": {"a", "d"}, "d": {"elsewhere"}})
    assert found == {"a", "b", "c"}
