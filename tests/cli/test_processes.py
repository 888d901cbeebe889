"""The command as a process of its own: how it starts, what it writes where, and how it ends."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_sample_images

from spacer_like import __version__
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.messages import JobMsg

COMMAND = [sys.executable, "-m", "spacer_like"]
PHOTOGRAPH = next(name for name in load_sample_images().filenames if name.endswith("china.jpg"))


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def test_help_and_version_need_no_heavy_import():
    code = """
import sys
from spacer_like.cli import main
main(["--help"])
if "pydantic" in sys.modules:
    sys.exit("pydantic")
# Typer itself imports pydantic to show a command's options.
main(["train", "--help"])
heavy = {"spacer_like.messages", "numpy", "PIL", "sklearn", "torch", "boto3", "matplotlib", "rich"}
sys.exit(", ".join(heavy & set(sys.modules)) or None)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "spacer-like [OPTIONS] COMMAND" in ended.stdout
    assert run("--version").stdout == f"spacer-like {__version__}\n"


def test_default_weights_to_json_on_a_pipe(tmp_path):
    out = tmp_path / "features"
    ended = run("extract", PHOTOGRAPH, "--grid", 2, "--out", out, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["files"][0]["points"] == 4
    assert ended.stderr == ""
    features = ImageFeatures.load(DataLocation("filesystem", str(out / "china.jpg.features")))
    assert features.features.shape == (4, 1280)


def test_without_arguments_it_tells_what_it_can_do():
    ended = run()
    assert ended.returncode == 0
    assert "classify" in ended.stdout


def test_a_failure_is_one_sentence_and_an_exit_code(tmp_path):
    ended = run("run", tmp_path / "nix.json")
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "nix.json" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_no_bar_is_drawn_where_nobody_can_see_it(tmp_path):
    JobMsg("classify_features", []).store(DataLocation("filesystem", str(tmp_path / "job.json")))
    ended = run("run", tmp_path / "job.json", env=os.environ | {"FORCE_COLOR": "", "TERM": "xterm"})
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout + ended.stderr


def test_env_job_is_the_containers_entry_point(tmp_path):
    place = {name: DataLocation("filesystem", str(tmp_path / name)) for name in ("job.json", "answer.json")}
    JobMsg("classify_features", []).store(place["job.json"])
    environment = os.environ | {
        "JOB_MSG_LOC": json.dumps(place["job.json"].serialize()),
        "RES_MSG_LOC": json.dumps(place["answer.json"].serialize()),
    }
    assert run("env-job", env=environment).returncode == 0
    assert json.loads((tmp_path / "answer.json").read_text())["ok"] is True
    assert (
        run("env-job", env={key: value for key, value in environment.items() if key != "JOB_MSG_LOC"}).returncode == 64
    )


@pytest.mark.parametrize(
    ("command", "destination"),
    [
        (["spacer_like", "env-job"], None),
        (["spacer_like", "--verbose", "env-job"], None),
        (["spacer_like", "env-job", "--debug"], "console"),
        (["spacer_like.mailman", "env_job"], None),
        (["spacer_like.mailman", "env_job"], "job.log"),
    ],
    ids=str,
)
def test_a_container_logs_each_line_once(tmp_path, command, destination):
    JobMsg("classify_features", []).store(DataLocation("filesystem", str(tmp_path / "job.json")))
    environment = {"JOB_MSG_LOC": "job.json", "SPACER_LOG_DESTINATION": destination or ""}
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    log = (tmp_path / "job.log").read_text() if destination == "job.log" else ended.stderr
    assert ended.returncode == 0
    assert log.count("Received job from env var: job.json") == 1, log


def test_whoever_reads_the_output_may_leave():
    shell = f"{sys.executable} -m spacer_like schema | head -1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_terminal_of_few_signs_shows_the_others_by_number(tmp_path):
    (tmp_path / "r\u00e9cif.csv").write_text("image,row,col\n0.jpg,1,1\n")
    ended = run("validate", "r\u00e9cif.csv", cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert ended.stdout.endswith("/r\\xe9cif.csv is valid: 1 points in 1 images, no labels.\n"), ended.stderr


def test_a_bar_and_colours_appear_on_a_terminal(tmp_path):
    JobMsg("classify_features", []).store(DataLocation("filesystem", str(tmp_path / "job.json")))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", str(tmp_path / "job.json"), "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    with process, os.fdopen(ours, "rb") as terminal:
        out = process.stdout.read()
        shown = os.read(terminal.fileno(), 100_000)
    assert json.loads(out)["ok"] is True
    assert b"Classifying" in shown
