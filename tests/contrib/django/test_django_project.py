"""The cases of the project beside this file, each file by Django's runner in a process of its own, on each database."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ... import postgres_here

pytest.importorskip("django")

HAS_TASKS = bool(find_spec("django.tasks") or find_spec("django_tasks"))
PROJECT = Path(__file__).with_name("project")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request):
    """The variables by which the project finds its database."""
    if request.param == "sqlite":
        yield {}
    elif reason := postgres_here.missing():
        pytest.skip(reason)
    else:
        with postgres_here.postgres() as host:
            yield {"POSTGRES": host}


def manage(folder, *arguments, **variables):
    environment = {
        **os.environ,
        **variables,
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, [os.getenv("PYTHONPATH")])]),
        "DJANGO_SETTINGS_MODULE": "settings",
        "FOLDER": str(folder),
        "OMP_NUM_THREADS": "1",
        "SPACER_ALLOWED_CLASS_PREFIXES": "spacer_like.testing.extractors",
    }
    command = [sys.executable, "-W", "error", "-m", "django", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", sorted(path.name for path in PROJECT.glob("case_*.py")))
def test_the_cases_pass(case, database, tmp_path):
    if case == "case_tasks.py" and not HAS_TASKS:
        pytest.skip("this Django has no tasks, and django-tasks is not installed: make test-django has it")
    run = manage(tmp_path, "test", "--pattern", case, "--noinput", **database)
    assert run.returncode == 0, run.stderr[-8000:]
    assert "\nOK" in run.stderr


def test_the_migrations_make_the_models(tmp_path):
    run = manage(tmp_path, "makemigrations", "--check", "--dry-run")
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_project_is_sound(tmp_path):
    run = manage(tmp_path, "check", "--fail-level", "WARNING")
    assert run.returncode == 0, run.stderr


def test_a_server_that_submits_and_lists_jobs_loads_nothing_heavy(tmp_path):
    code = """
import sys
import spacer_like.contrib.django.admin, spacer_like.contrib.django.queue
print("heavy:", sorted({"numpy", "PIL", "sklearn", "torch", "boto3", "obstore", "matplotlib"} & set(sys.modules)))
"""
    run = manage(tmp_path, "shell", "--command", code)
    assert "heavy: []" in run.stdout, run.stdout + run.stderr
