"""The command as a process of its own: how it starts, what it writes where, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sklearn.datasets import load_sample_images

from spacer_like import __version__
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.messages import ClassifyFeaturesMsg, JobMsg

COMMAND = [sys.executable, "-m", "spacer_like"]
PHOTOGRAPH = next(name for name in load_sample_images().filenames if name.endswith("china.jpg"))


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def test_help_and_version_need_no_heavy_import():
    code = """
import sys
from spacer_like.cli import main
main(["--help"]); main(["train", "--help"])
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


def test_whoever_reads_the_output_may_leave():
    shell = f"{sys.executable} -m spacer_like schema | head -1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"])
def test_an_interrupted_run_tells_so(tmp_path, number, code):
    # A job that waits: its model comes from a pipe that nobody writes to.
    pipe = tmp_path / "model.pkl"
    os.mkfifo(pipe)
    features = tmp_path / "some.features"
    ImageFeatures.from_arrays([(0, 0)], [[0.0, 1.0]]).store(DataLocation("filesystem", str(features)))
    task = ClassifyFeaturesMsg("waits", *(DataLocation("filesystem", str(path)) for path in (features, pipe)))
    JobMsg("classify_features", [task]).store(DataLocation("filesystem", str(tmp_path / "job.json")))
    process = subprocess.Popen(
        [*COMMAND, "run", str(tmp_path / "job.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background of a shell ignores Ctrl-C, and so would the child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        try:
            wait_until_blocked(process)
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in err


def wait_until_blocked(process) -> None:
    """Until the process waits for the pipe to be opened at its other end."""
    place = Path(f"/proc/{process.pid}/wchan")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if place.read_text() in ("wait_for_partner", "fifo_open"):
            return
        time.sleep(0.02)


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
