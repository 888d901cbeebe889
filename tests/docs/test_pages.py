"""Every code block of the documentation runs, and prints what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_sample_images

from examples.chips import map_tiles

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
    """A folder that examples/chips has filled."""
    folder = tmp_path_factory.mktemp("chips")
    map_tiles.fill(folder)
    return folder


@pytest.fixture
def working_folder(tmp_path: Path, tree: Path) -> Path:
    """A folder with what the pages presume: the photographs of examples/points and their labels, emoji, and tiles."""
    shutil.copytree(tree, tmp_path, dirs_exist_ok=True)
    for photograph in load_sample_images().filenames:
        shutil.copy(photograph, tmp_path)
    shutil.copy(ROOT / "examples" / "points" / "labels.csv", tmp_path)
    (tmp_path / "collections").mkdir()
    shutil.copy(ROOT / "tests" / "data" / "emoji" / "noto_32px.zip", tmp_path / "collections" / "noto.zip")
    return tmp_path


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_code_on_a_page_runs(page, working_folder):
    run = run_page(page, working_folder)
    assert run.returncode == 0, run.stdout + run.stderr


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
