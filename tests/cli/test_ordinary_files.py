"""Commands that are given a pipe where a file is wanted end at once, and name it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import InvalidKeyError

from .conftest import COLOURS

COMMANDS = {
    "job": "run pipe",
    "validate": "validate pipe",
    "points": "extract --points pipe --out features",
    "image": "extract pipe --grid 2 --out features",
    "labels": "train pipe --features features --model model.pkl",
    "model": "classify photos/0.jpg --grid 2 --model pipe",
    "weights": "extract photos/0.jpg --grid 2 --out features --extractor efficientnet-b0 --weights pipe",
    "list of collections": "rarity . --out scores --whitelist pipe",
    "tree": "tiles serve pipe",
}


@pytest.mark.parametrize("named", COMMANDS)
def test_a_pipe_is_refused_at_once(reef, command, named):
    os.mkfifo("pipe")
    said = command(*COMMANDS[named].split(), *(["--extractor", COLOURS] if named in ("points", "image") else []))
    assert said.code == 64
    assert "pipe" in said.err
    assert "Unexpected" not in said.err
    # A tree that is none holds no tile, as any other that is empty.
    if named != "tree":
        assert "pipe' is a pipe and no ordinary file" in said.err


def test_a_pipe_in_a_folder_is_passed_over(reef, command):
    os.mkfifo("photos/pipe.jpg")
    os.symlink("nowhere", "photos/broken.jpg")
    said = command("extract", "photos", "--grid", 2, "--out", "features", "--extractor", COLOURS, "--json")
    assert said.code == 0, said.err
    assert len(list(Path("features").glob("*.features"))) == 6


def test_a_tile_that_is_a_pipe_is_refused_and_passed_over_in_a_tree(reef, command):
    folder = reef / "33/031111212322/2015-05-28"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "a-visual.tif")
    said = command("chips", "cut", folder / "a-visual.tif", "--processes", 1)
    assert said.code == 64
    assert "a-visual.tif' is a pipe and no ordinary file" in said.err
    for arguments, sentence in (
        (("chips", "cut", "33"), "There are no rasters in"),
        (("tiles", "serve", "."), "does not say where it lies: no map can show it"),
    ):
        said = command(*arguments)
        assert said.code == 64
        assert sentence in said.err


def test_a_tile_that_became_a_pipe_is_not_waited_for(tmp_path):
    from spacer_like.chips.grid import Cell
    from spacer_like.tile_server.open_tile import OpenTile

    os.mkfifo(tmp_path / "tile.tif")
    with pytest.raises(InvalidKeyError, match="is a pipe and no ordinary file"):
        OpenTile(DataLocation("filesystem", f"{tmp_path}/tile.tif"), Cell(33, "031111212322"))


def test_what_a_shell_makes_of_a_command_is_refused_with_the_way_that_works(tmp_path):
    command = f"{sys.executable} -m spacer_like validate <(echo {{}})"
    said = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert said.returncode == 64
    assert "is a pipe and no ordinary file: name a file, or '-' and send the pipe to standard input." in said.stderr
