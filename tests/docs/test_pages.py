"""Every code block of the documentation runs, and prints what the page says."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spacer_like.examples import write_examples

from .run_page import FENCE

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("run_page.py")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
WITH_CODE = [page for page in PAGES if re.search(r"^```(python|bash|json)", page.read_text(), re.MULTILINE)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPACER_", "AWS_", "JOB_", "RES_"))
    }
    return subprocess.run(
        [sys.executable, "-W", "error", str(RUNNER), str(page)],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """A folder with the tiles of the examples, which take seconds to draw."""
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder)
    return folder


@pytest.fixture
def working_folder(tmp_path: Path, tree: Path) -> Path:
    """A folder in which only the drawing of tiles is done already."""
    shutil.copytree(tree / "ard", tmp_path / "ard")
    for name in ("helsinki.osm.pbf", "labels.json"):
        shutil.copy(tree / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_code_on_a_page_runs(page, working_folder):
    run = run_page(page, working_folder)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_command_that_is_only_shown_runs_on_another_page_or_in_its_own_test():
    """Those that take long run once, and not on every page that names them."""
    blocks = [match.groups() for page in PAGES for match in FENCE.finditer(page.read_text())]
    lines = {(language, line) for language, code in blocks for line in code.splitlines()}
    shown, run = ({line for of, line in lines if of == language} for language in ("console", "bash"))
    tested = {"spacer-like doctor": "cli/test_doctor.py", "spacer-like tiles serve ard": "cli/test_chips.py"}
    serves = ("spacer-like tiles serve scenes ", "spacer-like tiles serve ard --embeddings ")
    tested |= {line: "chips/test_places_page.py" for line in shown if line.startswith(serves)}
    begins = ("spacer-like regression serve ", "spacer-like regression evaluate ")
    tested |= {line: "cli/test_regression.py" for line in shown if line.startswith(begins)}
    tested |= {
        line: "cli/test_submissions.py"
        for line in shown
        if line.startswith(("spacer-like jobs submit ", "spacer-like jobs status "))
    }
    tested |= {"spacer-like examples data/examples": "examples/test_django_project.py"}
    shown_only = {line for line in shown if line.startswith("spacer-like ")} - run
    assert shown_only - {"spacer-like examples FOLDER"} == tested.keys()
    for command, test in tested.items():
        assert command.split()[1] in (ROOT / "tests" / test).read_text()


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_a_page_that_works_on_files_begins_with_writing_them(page):
    code = [match["code"] for match in FENCE.finditer(page.read_text()) if match["info"] in ("python", "bash")]
    uses = [
        at for at, block in enumerate(code) if re.search(r"china\.jpg|labels\.csv|collections(?!\.abc)|\bard\b", block)
    ]
    begin = "spacer-like examples .\n"
    assert not uses or code[uses[0]].startswith(begin) or begin in code[: uses[0]]


def test_what_is_added_is_shown_whole():
    page = (ROOT / "docs" / "extending.md").read_text()
    for path in sorted((ROOT / "examples" / "extending").glob("*.py")):
        code = path.read_text()
        assert len(code.splitlines()) < 100
        if path.name.startswith("test_"):
            code = code[code.index("class ") :].replace("    apart = False\n", "")
            page = page.replace("    apart = False  # its work is done in this process\n", "")
            assert all(suite.strip() in page for suite in code.split("\n\n\n"))
        else:
            assert code in page


def test_what_is_added_finds_its_parts_in_another_folder(tmp_path):
    shutil.copytree(ROOT / "examples" / "extending", tmp_path / "mine")
    collecting = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "."]
    found = subprocess.run(
        collecting, cwd=tmp_path / "mine", capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert found.returncode == 0, found.stdout
    assert "TestSqliteStorage" in found.stdout


def test_what_a_package_index_shows_has_no_link_that_leads_nowhere_there():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    text = (ROOT / setup["metadata"]["long_description"].removeprefix("file:").strip()).read_text()
    assert "PySpacer" in text
    assert re.findall(r"\]\((?!https://)", text) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_within_the_repository_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```bash\nfalse\n```\n", "ended with 1"),
        ("```python\nprint(1)\n```\n```text output\n2\n```\n", "the page says"),
        ("```json\n{\n```\n", "JSONDecodeError"),
        ("```\nno language\n```\n", "neither run nor only shown"),
    ],
    ids=["python", "bash", "output", "json", "no language"],
)
def test_a_block_that_is_wrong_fails_its_page(text, complaint, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    run = run_page(page, tmp_path)
    assert run.returncode != 0
    assert complaint in run.stderr


def test_blocks_of_a_page_share_names_and_output_is_compared(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\na = 1\n```\n```python\nprint(a, 'and more')\n```\n```text output\n1 and ...\n```\n")
    assert run_page(page, tmp_path).stdout == "3 blocks ran\n"
