"""The notebooks and programs among the examples run from their first line to their last, in an empty folder."""

import runpy
from pathlib import Path

import pytest

from spacer_like.cli import main
from spacer_like.examples import write_examples

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("**/*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook(path, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without what it printed"

    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_there_is_a_notebook_of_tags():
    assert [path.name for path in NOTEBOOKS] == ["tags.ipynb"]


def test_the_four_examples_of_image_tagging_tools(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_examples(tmp_path)
    for command in (["process", "tagged.zip"], ["train"]):
        assert main(["tags", *command, "--json"]) == 0
    capsys.readouterr()

    runpy.run_path(str(EXAMPLES / "tags" / "original_examples.py"), run_name="__main__")

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "ovr-logistic-regression animal clock face food vehicle",
        "ovr-svm animal clock face food vehicle",
        "one model: {'animal': 1}",
    ]
    assert lines[3].startswith("all models: {'animal': 1, ")
    assert lines[4:] == ["clocks: {'clock': 8}", "unicorns: None"]
