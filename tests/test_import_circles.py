"""No circle of imports: of two modules one can be read, tested and moved without the other.

All imports count: those inside functions, and those that only type checkers follow.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .test_floors import MODULES, imports_of

ALLOWED = [
    # A mailman runs tasks, and PySpacer's callers find process_job among the tasks and replace it there.
    {"spacer_like.mailman", "spacer_like.tasks"},
]


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
    assert circles(imports) == ALLOWED


def test_a_circle_would_be_noticed():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    [found] = circles({"a": {"b", "a"}, "b": {"c"}, "c": {"a", "d"}, "d": {"elsewhere"}})
    assert found == {"a", "b", "c"}
