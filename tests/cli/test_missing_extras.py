"""Without a package of an extra a command says so in one sentence, before the long part of its work begins."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {packages!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from spacer_like.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run_without(packages: str, *arguments: str, folder):
    command = [sys.executable, "-c", WITHOUT.format(packages=packages.split()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False)


@pytest.mark.parametrize(
    ("packages", "extra", "arguments"),
    [
        ("matplotlib", "plots", "train labels.csv --features features --model new.pkl --plot new.png"),
        ("matplotlib", "plots", "classify photos/0.jpg --grid 2 --model reef.pkl --annotate new.png"),
        ("matplotlib", "plots", "chips plot-labels labels.csv --map new.png"),
        ("torch onnxruntime", "torch", "extract photos --grid 2 --out new"),
        ("torch", "torch", "chips train labels.csv photos --model new.safetensors"),
        ("torch", "torch", "chips encode photos --extractor timm:resnet18 --weights labels.csv --out new.safetensors"),
        ("shapely", "geo", "chips label-table labels.csv labels.csv --out new.csv"),
        ("osmium", "geo", "chips fetch-labels Z33-031111212322 --extract labels.csv --tiles new"),
        ("fastapi", "geo", "tiles serve photos"),
    ],
    ids=lambda value: value if len(value.split()) < 3 else value.split("-")[0].strip(),
)
def test_the_extra_is_named(extracted, packages, extra, arguments):
    said = run_without(packages, *arguments.split(), folder=extracted)
    assert said.returncode == 64
    assert "needs packages that are not installed: run pip install" in said.stderr
    assert f"pip install 'spacer_like[{extra}]'." in said.stderr
    assert "Traceback" not in said.stderr
    assert "No module named" not in said.stderr
    assert [path.name for path in extracted.iterdir() if path.name.startswith("new.")] == []


@pytest.mark.parametrize("package", ["onnxruntime", "simplejpeg"])
def test_a_package_that_only_makes_it_faster_is_no_need(reef, package):
    said = run_without(package, "extract", "photos/0.jpg", "--grid", "2", "--out", "new", "--json", folder=reef)
    assert said.returncode == 0, said.stderr
    assert list((reef / "new").rglob("*.features"))
