"""Contract suites of storages, engines, extractors, trainers and tasks, for this package's and for others'.

Each module holds a class to subclass in a test module; the subclass says what is tested, and pytest runs the rest.
pytest is all that they need besides this package: ``pip install "spacer_like[testing]"``.
"""

import sys

_SUITES = ("storage", "engine", "extractor", "trainer", "task")
if (_pytest := sys.modules.get("pytest")) is not None:
    # What an assertion compared is shown here as in tests of one's own.
    _pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _SUITES))
