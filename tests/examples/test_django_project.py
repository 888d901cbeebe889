"""The Django project among the examples: by its own tests, and as its page says, in a browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from spacer_like.cli import main

from .. import postgres_here
from ..docs.run_page import FENCE
from ..tags.browser import CHROMIUM, Browser

pytest.importorskip("django")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "examples" / "django"
# Of a machine that does much else meanwhile.
SECONDS = 180
FOR_TESTS = {"SPACER_ALLOWED_CLASS_PREFIXES": "spacer_like.testing.extractors"}
COMPLETE = "document.readyState == 'complete'"


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy, into whose folder it may write."""
    return Path(shutil.copytree(PROJECT, tmp_path / "examples" / "django", ignore=shutil.ignore_patterns("data")))


def environment(**variables: str) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("SPACER_", "REEF_", "PG"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**others, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}


def manage(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "manage.py", *arguments]
    return subprocess.run(
        command, cwd=project, env=environment(**variables), capture_output=True, text=True, check=False
    )


def test_its_own_tests_pass(project):
    run = manage(project, "test", "--noinput", **FOR_TESTS)
    assert run.returncode == 0, run.stderr[-8000:]
    assert "\nOK" in run.stderr


@pytest.mark.skipif(bool(postgres_here.missing()), reason=postgres_here.missing())
def test_its_own_tests_pass_on_postgresql(project):
    with postgres_here.postgres() as host:
        database = {"PGDATABASE": "postgres", "PGHOST": host, "PGUSER": postgres_here.USER}
        run = manage(project, "test", "--noinput", **FOR_TESTS, **database)
    assert run.returncode == 0, run.stderr[-8000:]
    assert "\nOK" in run.stderr


def test_its_migrations_make_its_models_and_it_is_sound(project):
    run = manage(project, "makemigrations", "--check", "--dry-run", REEF_ENGINE="local-batch")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "System check identified" not in run.stderr


def test_it_is_closed_by_default(project):
    code = "import settings as s; print(s.DEBUG, *s.ALLOWED_HOSTS, len(s.SECRET_KEY), s.SECRET_KEY)"
    runs = (
        subprocess.run([sys.executable, "-c", code], cwd=project, env=environment(), capture_output=True, text=True)
        for _ in range(2)
    )
    first, second = (run.stdout.split(maxsplit=4) for run in runs)
    assert first[:4] == ["False", "localhost", "127.0.0.1", "50"]
    assert first[4] != second[4]


@contextmanager
def server(project: Path, command: str, port: int):
    with (project / "log").open("w") as log:
        process = subprocess.Popen(
            [*command.split(), "--noreload", str(port)], cwd=project, env=environment(), stdout=log, stderr=log
        )
    try:
        last = time.monotonic() + SECONDS
        while not is_answering(port):
            assert process.poll() is None, (project / "log").read_text()
            assert time.monotonic() < last
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def is_answering(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_five_commands_and_a_browser_lead_to_the_annotated_picture(project, tmp_path, monkeypatch):
    """The commands of its page: "spacer-like examples data/examples" and the others."""
    pytest.importorskip("torch")
    page = (project / "README.md").read_text()
    install, enter, write_examples, migrate, run = FENCE.search(page)["code"].splitlines()
    assert (install, enter) == ('pip install ".[torch,plots,django]"', "cd examples/django")
    monkeypatch.chdir(project)
    # What is installed by then draws no tiles.
    monkeypatch.setitem(sys.modules, "osmium", None)
    assert main(write_examples.split()[1:]) == 0
    assert migrate == "python manage.py migrate"
    assert manage(project, "migrate").returncode == 0
    port = free_port()
    chosen = re.findall(r"`(data/examples/[\w.]+)`", page)
    with server(project, run, port), Browser(tmp_path) as browser:
        browser.call("Page.enable")
        browser.call("Page.navigate", url=f"http://localhost:{port}/")
        (tmp_path / "broken.jpg").write_bytes((project / chosen[0]).read_bytes()[:500])
        (tmp_path / "huge.png").write_bytes(bytes(25_000_000))
        assert "The header of the image 'broken.jpg' is damaged" in said_of(browser, tmp_path / "broken.jpg")
        assert "The upload has 25 MB" in said_of(browser, tmp_path / "huge.png")

        browser.call("Page.navigate", url=f"http://localhost:{port}/")
        upload(browser, *(project / path for path in chosen))
        browser.until(f"{COMPLETE} && !!document.querySelector('#points')")
        browser.value("document.querySelector('button[value=classify_features]').click()")
        browser.until(f"{COMPLETE} && !!document.querySelector('#at-work')")
        assert browser.value("[...document.querySelectorAll('main button')].every(one => one.matches(':disabled'))")
        browser.until(f"{COMPLETE} && !document.querySelector('#at-work')", SECONDS)
        assert browser.value("document.querySelector('[role=alert]')?.innerText") is None
        assert browser.value("document.querySelector('#annotated').naturalWidth") > 1000
        rows = browser.value("[...document.querySelectorAll('#points-table tbody tr')].map(row => row.innerText)")
        assert len(rows) == 199
        assert all(re.search(r"(sky|roof|facade|foliage|water)\s+[01]\.\d\d$", row) for row in rows), rows
        states = browser.value(
            "[...document.querySelectorAll('#jobs tbody td:nth-child(2)')].map(one => one.innerText)"
        )
        assert states == ["succeeded"] * 3
        loaded = browser.value("performance.getEntriesByType('resource').map(one => one.name)")
        assert loaded
        assert all(name.startswith(f"http://localhost:{port}/") for name in loaded)


def upload(browser: Browser, photograph: Path, *labels: Path) -> None:
    browser.until(f"{COMPLETE} && !!document.querySelector('#id_photograph')")
    for selector, path in zip(("#id_photograph", "#id_labels"), (photograph, *labels), strict=False):
        browser.choose_file(selector, path)
    browser.value("document.querySelector('form button').click()")


def said_of(browser: Browser, photograph: Path) -> str:
    """What the page says of a photograph that it refuses."""
    upload(browser, photograph)
    browser.until(f"{COMPLETE} && !!document.querySelector('[role=alert]')")
    said = browser.value("document.querySelector('[role=alert]').innerText")
    browser.value("document.querySelector('[role=alert]').remove()")
    return said
