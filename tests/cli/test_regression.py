"""`spacer-like regression`: each step on what the step before has written, by the original's options and long ones."""

import json
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from spacer_like.cli.app import main

from ..conftest import plain_environment

SIZE = "32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("galaxies")


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def run(line):
        code = main(["regression", *line.split()])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def galaxies(folder):
    pytest.importorskip("galsim")
    line = f"regression simulate {folder / 'galaxies'} --count 36 --least-inclination 20 -s {SIZE} --json"
    assert main(line.split()) == 0


@pytest.fixture(scope="module")
def samples(folder, galaxies):
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    for band, name in (("g", "g"), ("gri", "RGB")):
        assert main(f"regression prepare -p galaxies -c galaxies/catalog.txt -b {band} -s {SIZE} --json".split()) == 0
        assert main(f"regression pack -i prepared/32x32_{name} -s {SIZE} -o packed --json".split()) == 0
    assert main(f"regression split -i packed -s {SIZE} -o samples -n 1 --json".split()) == 0
    # With those seen face-on.
    line = f"regression split -i packed -s {SIZE} -o all-samples -n 0 --least-inclination 0 --json"
    assert main(line.split()) == 0
    patch.undo()


def test_the_help_of_each_step_has_the_options_of_the_original(run):
    options = {"prepare": "prcbs", "pack": "iso", "split": "iosn", "augment": "iosnbz", "train": "aisomnbNz"}
    for step, letters in options.items():
        _, said, _ = run(f"{step} --help")
        assert all(f" -{letter}, " in said or f"-{letter} " in said for letter in letters), step


def test_galaxies_are_measured_without_a_network(galaxies, run, folder):
    code, said, _ = run("measure galaxies -c galaxies/catalog.txt -o axes.csv")
    assert code == 0
    assert "Against" in said
    assert (folder / "axes.csv").exists()


def test_parts_of_a_split_are_of_the_bands_that_were_packed(samples, folder):
    names = {path.name for path in (folder / "samples").iterdir()}
    assert {"g_32x32_train_000.npz", "RGB_32x32_test_001.npz"} <= names
    assert len(names) == 8


def test_every_batch_of_every_sub_sample_is_made(samples, folder, run):
    code, said, _ = run(f"augment -i samples -o augmented -s {SIZE} -n 1 -b 2 -z 2 --json --processes 1")
    assert code == 0
    answer = json.loads(said)
    assert answer["ok"]
    assert len(answer["results"]) == 4
    assert {path.name for path in (folder / "augmented").iterdir()} == {"Uset_000_npz", "Uset_001_npz"}


class TestTraining:
    def test_learns_from_batches(self, samples, folder, run):
        run(f"augment -i samples -o batches -s {SIZE} -n 0 -b 1 -z 2 --json")
        line = f"train -a batches -i samples -s {SIZE} -o models -m small_cnn -n 0 -b 1 -N 1 -z 8"
        code, said, _ = run(line)
        assert code == 0
        assert "Uset_000_small_cnn" in said
        names = {path.name for path in (folder / "models").iterdir()}
        assert {"Uset_000_small_cnn.safetensors", "Uset_000_small_cnn_evalDict.json"} <= names

    def test_makes_batches_while_it_learns_and_validates_out_of_the_bag(self, samples, run):
        code, said, _ = run(f"train -s {SIZE} -o on-the-fly -m small_cnn -n 1 -b 1 --per-bin 2 -z 8 --json")
        assert code == 0
        results = json.loads(said)["results"]
        assert results["Uset_000_small_cnn"]["rms"] is None
        assert results["Uset_001_small_cnn"]["rms"] > 0


@pytest.fixture(scope="module")
def models(samples, folder):
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    for step, parts in (("train", "samples"), ("good-bad", "all-samples")):
        line = f"regression {step} -i {parts} -s {SIZE} -o served -m small_cnn -n 0 -b 1 --per-bin 2 -z 8 --json"
        assert main(line.split()) == 0
    patch.undo()
    return folder / "served"


class TestModels:
    def test_of_a_folder_are_sorted_by_what_they_tell(self, models, folder, run):
        code, said, _ = run("predict galaxies/pgc1_d25x2_rot_gri.jpg --models served -o answers.json --table t.csv")
        assert code == 0
        assert "Inclinations for 1 image" in said
        [answer] = json.loads((folder / "answers.json").read_text())
        assert 45 <= answer["inclinations"]["summary"]["median"] <= 90
        assert 0 <= answer["rejection_likelihood"]["good_bad_0"] <= 100
        assert (folder / "t.csv").exists()

    def test_are_measured_on_galaxies_that_were_held_out(self, models, folder, run):
        code, said, _ = run(f"evaluate --models served/Uset_000_small_cnn.safetensors -s {SIZE} -o evaluated")
        assert code == 0
        assert "The median of all networks: RMS" in said
        code, said, _ = run("evaluate --table evaluated/predictions.csv --columns small_cnn_0 -o again --json")
        assert code == 0
        assert json.loads(said)["rms"] > 0

    def test_of_sub_samples_are_also_asked_about_galaxies_out_of_their_bags(self, samples, models, folder, run):
        assert run(f"train -s {SIZE} -o bagged -m small_cnn -n 1 -b 1 --per-bin 2 -z 8 --json")[0] == 0
        assert run(f"evaluate --models bagged --bags -s {SIZE} -o with-bags --json")[0] == 0
        rows = (folder / "with-bags/out_of_bag.csv").read_text().splitlines()
        assert rows[0].split(",")[3:] == ["small_cnn_0", "small_cnn_1"]
        assert len(rows) > 1
        assert all(row.split(",")[3] == "" for row in rows[1:])
        code, _, said = run(f"evaluate --models served/Uset_000_small_cnn.safetensors --bags -s {SIZE} -o other")
        assert code == 64
        assert "called after the sub-sample" in said

    def test_that_are_not_there_are_missed_before_images_are_read(self, run, folder):
        (folder / "empty").mkdir(exist_ok=True)
        code, _, said = run("predict galaxies --models empty")
        assert code == 64
        assert "There is no network" in said

    def test_are_served_until_the_command_is_interrupted(self, models, folder):
        command = [sys.executable, "-m", "spacer_like", "regression", "serve", str(models), "--port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=plain_environment())
        try:
            said = process.stderr.readline()
            assert said.startswith("1 networks of inclinations and 1 of good and bad answer at http://"), said
            address = next(word for word in said.split() if word.startswith("http://"))
            image = (folder / "galaxies" / "pgc1_d25x2_rot_gri.jpg").read_bytes()
            answer = httpx.post(f"{address}api/file", files={"file": ("galaxy.jpg", image)}, timeout=60)
            assert answer.status_code == 200
            assert answer.json()["filename"] == "galaxy.jpg"
            assert answer.json()["inclinations"]["Group_0"].keys() == {"small_cnn_0"}
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert process.stderr.read() == "Ended.\n"
        finally:
            process.kill()
            process.stderr.close()

    def test_are_not_served_from_a_port_that_is_taken(self, models, run):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            code, _, said = run(f"serve served --port {taken.getsockname()[1]}")
        assert code == 64
        assert "choose another with --port" in said


class TestAMistake:
    def test_names_the_step_that_lacks(self, run, tmp_path):
        for line in ("split -i", "augment -i", "train -s 32 -i"):
            code, _, said = run(f"{line} {tmp_path / 'nothing'}")
            assert code == 64
            assert "There are no" in said

    def test_in_the_number_of_batches_names_what_is_there(self, samples, run):
        run(f"augment -i samples -o few -s {SIZE} -n 0 -b 1 -z 2 --json")
        code, _, said = run(f"train -a few -s {SIZE} -n 0 -b 3 -m small_cnn")
        assert code == 64
        assert "Of the 3 batches" in said

    def test_in_the_size_says_which_file_would_be_the_first(self, samples, run):
        code, _, said = run("augment -i samples -s 64")
        assert code == 64
        assert "g_64x64_train_000.npz" in said

    def test_two_files_of_a_band_are_not_chosen_between(self, samples, folder, run):
        (folder / "samples" / "g_32x32_train_000.npy").touch()
        code, _, said = run(f"augment -i samples -s {SIZE}")
        (folder / "samples" / "g_32x32_train_000.npy").unlink()
        assert code == 64
        assert "both g_32x32_train_000.npz and g_32x32_train_000.npy" in said

    def test_in_a_catalog_is_a_sentence(self, galaxies, run, folder):
        (folder / "no.txt").write_text("a|b\n1|2\n")
        code, _, said = run("prepare -p galaxies -c no.txt")
        assert code == 64
        assert "lacks the columns pgc" in said
