"""No command opens a connection that was not asked for, or writes outside its outputs and the named caches."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..chips.tile_making import ACQUISITION, CELL, make_tile
from ..workflows.conftest import drawing

ROOT = Path(__file__).parents[2]
# A network of its own that leads nowhere: the kernel counts each attempt to leave it.
ALONE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
ATTEMPTS = """
def attempts():
    names, values = (line.split()[1:] for line in open("/proc/net/snmp") if line.startswith("Ip:"))
    return int(dict(zip(names, values))["OutNoRoutes"])
"""
PROGRAM = f"""
import json, sys
from spacer_like.cli import main
{ATTEMPTS}
answers = {{}}
for arguments in json.loads(sys.argv[1]):
    before = attempts()
    code = main(arguments)
    answers[" ".join(arguments[:2])] = [code, attempts() - before]
json.dump(answers, open(sys.argv[2], "w"))
"""
CACHES = (
    # Matplotlib's list of fonts (MPLCONFIGDIR).
    ".cache/matplotlib/",
    ".config/matplotlib/",
)


def alone(program, *arguments, **options):
    """A Python program in a network that leads nowhere."""
    ended = subprocess.run([*ALONE, "true"], capture_output=True)
    if ended.returncode:
        pytest.skip(f"no network can be made for a process here: {ended.stderr.decode().strip()}")
    return subprocess.run(
        [*ALONE, sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture
def house(tmp_path):
    """A home, a working folder with photographs, a table, collections and a tile, and the environment of nobody."""
    work, home, temporary = (tmp_path / name for name in ("work", "home", "tmp"))
    for folder in (work / "photos", home, temporary):
        folder.mkdir(parents=True)
    lines = ["image,row,col,label"]
    for number in range(4):
        drawing(number, 64).save(work / "photos" / f"{number}.png")
        lines += [f"photos/{number}.png,{row},{30},{'ab'[row > 30]}" for row in (5, 20, 40, 60)]
        (work / "collections" / "apes" / "resized").mkdir(parents=True, exist_ok=True)
    for number in range(6):
        drawing(number).save(work / "collections" / "apes" / "resized" / str(number), "PNG")
    (work / "labels.csv").write_text("\n".join(lines) + "\n")
    make_tile(work / "ard" / "33" / CELL / "2015-05-28" / f"{ACQUISITION}-visual.tif", width=1024, height=1024)
    kept = ("PATH", "LANG", "LD_LIBRARY_PATH")
    environment = {name: value for name, value in os.environ.items() if name in kept}
    # What was converted before is not converted again.
    networks = str(Path.home() / ".cache" / "spacer_like" / "onnx")
    own = {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), "SPACER_ONNX_CACHE_DIR": networks}
    return work, home, environment | own


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


COMMANDS = [
    ["extract", "--points", "labels.csv", "--out", "out/features"],
    [
        "train",
        "labels.csv",
        "--features",
        "out/features",
        "--model",
        "out/m.pkl",
        "--split",
        "points-stratified",
        "--epochs",
        "1",
    ],
    [
        "classify",
        "photos/0.png",
        "--model",
        "out/m.pkl",
        "--grid",
        "2",
        "--out",
        "out/c.csv",
        "--annotate",
        "out/a.png",
    ],
    ["rarity", "collections", "--out", "out/rarity", "--size", "16", "--processes", "2"],
    ["chips", "cut", "ard", "--out", "out/chips", "--zoom", "18", "--processes", "1"],
    ["chips", "encode", "out/chips", "--out", "out/vectors.emb"],
    ["validate", "labels.csv"],
    ["schema", "extract_features"],
    ["doctor"],
]


def test_commands_speak_to_nobody_and_write_nowhere_else(house, tmp_path):
    work, home, environment = house
    there = files_below(work)
    ended = alone(PROGRAM, json.dumps(COMMANDS), str(tmp_path / "answers"), cwd=work, env=environment)
    assert ended.returncode == 0, ended.stderr

    answers = json.loads((tmp_path / "answers").read_text())
    assert {name: answer for name, answer in answers.items() if answer != [0, 0]} == {}, ended.stderr
    assert len(answers) == len(COMMANDS)
    assert {path for path in files_below(work) - there if not path.startswith("out/")} == set()
    assert {path for path in files_below(home) if not path.startswith(CACHES)} == set()
    assert files_below(tmp_path / "tmp") == set()


def test_an_attempt_to_reach_somebody_would_be_counted(tmp_path):
    program = f"""
import socket
from contextlib import suppress
{ATTEMPTS}
assert attempts() == 0
with suppress(OSError):
    socket.getaddrinfo("example.org", 443)
with suppress(OSError):
    socket.create_connection(("169.254.169.254", 80), 2)
print(attempts())
"""
    ended = alone(program)
    assert int(ended.stdout) >= 2, ended.stderr


def test_onnxruntime_is_imported_by_the_one_way_for_optional_packages_alone():
    pattern = re.compile(r"^\s*(?:import|from) onnxruntime|import_module\(.onnxruntime", re.MULTILINE)
    places = {
        str(path.relative_to(ROOT)): len(found)
        for folder in ("spacer_like", "benchmarks", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if "-env" not in str(path) and (found := pattern.findall(path.read_text(encoding="utf-8")))
    }
    assert places == {}


def test_onnxruntime_is_kept_from_reporting_to_its_maker(tmp_path):
    program = """
import os
from spacer_like.extras import import_if_installed
import_if_installed("onnxruntime")
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"HOME": str(tmp_path)}
    )
    assert ended.stdout.strip() == "1", ended.stderr
    assert files_below(tmp_path) == set()
    assert "ORT_DISABLE_TELEMETRY=1" in (ROOT / "Dockerfile").read_text()
