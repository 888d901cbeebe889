"""Every file of data and every picture is listed beside it, with a licence under which an MIT project may carry it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/data", "docs/pictures", "examples", "spacer_like/examples")
LISTS = {folder: ROOT / folder / "README.md" for folder in FOLDERS} | {
    "spacer_like/examples": ROOT / "spacer_like" / "examples" / "ORIGINS.md"
}
MAY_BE_CARRIED = {"MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-2.0", "CC0-1.0", "ODbL-1.0"}
NEEDS_NO_LINE = (".py", ".md", ".pyc")
MADE = "django/data/"
ROW = re.compile(r"^\| (?P<file>[^|]*\.\w+|[^|]*LICENSE) \| (?P<origin>[^|]+) \| (?P<licence>[^|]+) \|$", re.MULTILINE)


def listed(folder: str) -> dict[str, tuple[str, str]]:
    """File -> (origin, licence)."""
    rows = ROW.finditer(LISTS[folder].read_text(encoding="utf-8"))
    return {row["file"].strip(): (row["origin"].strip(), row["licence"].strip()) for row in rows}


def present(folder: str) -> set[str]:
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in NEEDS_NO_LINE)
    return {name for path in files if not (name := path.relative_to(ROOT / folder).as_posix()).startswith(MADE)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_listed_and_every_listed_file_is_there(folder):
    assert set(listed(folder)) == present(folder)
    assert present(folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_has_a_licence_that_this_project_may_carry(folder):
    assert {name: licence for name, (_, licence) in listed(folder).items() if licence not in MAY_BE_CARRIED} == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_not_ours_names_whose_it_is(folder):
    for name, (origin, licence) in listed(folder).items():
        assert licence == "MIT" or re.search(r"©|Copyright|by \w+|of them|licence", origin), name


def test_golden_files_were_all_written_by_this_project():
    files = [path for path in (ROOT / "tests").glob("*/golden/**/*") if path.is_file()]
    folders = {path.parent.relative_to(ROOT).as_posix() for path in files}
    text = LISTS["tests/data"].read_text(encoding="utf-8").partition("## Golden files")[2]
    named = {f"tests/{name}" for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)}
    assert {folder for folder in folders if "__pycache__" not in folder} == named


def test_nothing_that_the_repository_carries_is_for_non_commercial_use_only():
    forbidden = re.compile(r"\bCC[ -]BY[ -](?:NC|ND)|non-?commercial use only|all rights reserved", re.IGNORECASE)
    environments = {".pyspacer-env", ".pandas-env"}
    for folder in ("tests", "docs", "examples", "benchmarks", "requirements", "spacer_like/examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".md", ".txt", ".json", ".csv") and not environments & set(path.parts):
                assert not forbidden.search(path.read_text(encoding="utf-8", errors="replace")), path


def test_the_licence_of_the_weights_stands_in_the_documentation():
    text = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    assert re.search(r"EfficientNet-Lite0.*Apache-2\.0", text)
    assert "licences.md" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert "docs/licences.md" in (ROOT / "README.md").read_text(encoding="utf-8")
