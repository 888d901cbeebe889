"""Type checkers accept what the documentation writes, and refuse what would fail when it is run."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from spacer_like import config
from spacer_like.messages import TASKS

from .run_page import blocks
from .test_pages import ROOT, WITH_CODE

CHECKERS = {
    "mypy": ["-m", "mypy", "--no-error-summary", "--config-file"],
    "pyright": ["-m", "basedpyright", "--project"],
}
LENIENT = """
disallow_any_generics = false
disallow_incomplete_defs = false
disallow_untyped_calls = false
disallow_untyped_decorators = false
disallow_untyped_defs = false
ignore_missing_imports = true
warn_return_any = false
"""
# (line, what both checkers must see of it)
MISTAKES = (
    "from spacer_like.messages import ExtractFeatureMsg",
    "from spacer_like.tasks import proces_job",
    "from spacer_like.storage import load_imag",
    "from spacer_like.config import MAX_IMAGE_PIXEL",
    "from spacer_like.extractors.efficientnet import EfficientNets",
    "ExtractFeaturesMsg('a')",
    "ExtractFeaturesMsg(1, EfficientNetLite0Extractor(), [(1, 2)], here, here)",
    "ExtractFeaturesMsg('a', 5, [(1, 2)], here, here)",
    "ClassifyFeaturesMsg('a', here, here, nonsense=1)",
    "JobMsg('extract_features', [5])",
    "job.tasks_name",
    "process_job(job).results[0]",
    "assert answer.results; answer.results[0].accuracy",
    "request.extractor.no_such_method()",
    "assert answer.outcomes; answer.outcomes[0].stat",
    "CheckCollectionMsg('punks', here)",
)
BEFORE = """
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.messages import CheckCollectionMsg, ClassifyFeaturesMsg, DataLocation, ExtractFeaturesMsg, JobMsg
from spacer_like.tasks import process_job
here = DataLocation('memory', 'a')
request = ExtractFeaturesMsg('a', EfficientNetLite0Extractor(), [(1, 2)], here, here)
job = JobMsg('extract_features', [request])
answer = process_job(job)
"""
ACCEPTED = """
ExtractFeaturesMsg('a', {'class_path': 'x'}, [(1, 2)], here, feature_loc=here)
JobMsg('extract_features', [request.serialize()], schema_version=1)
JobMsg(task_name='classify_features', tasks=[ClassifyFeaturesMsg('a', here, here)])
CheckCollectionMsg(collection_id='punks', images_loc=here, size=64)
assert answer.results
seconds: float = answer.results[0].runtime
dimension: int = request.extractor.feature_dim
"""


def complaints(checker: str, folder: Path) -> list[str]:
    """What a checker says of the Python files in a folder."""
    # The settings of `make lint`, whose cache is then good here as well, without what they ask of our own code alone.
    settings = folder / "pyproject.toml"
    names = [path.stem for path in folder.glob("*.py")]
    settings.write_text(
        f"{(ROOT / 'pyproject.toml').read_text()}\n[[tool.mypy.overrides]]\nmodule = {names}\n{LENIENT}"
    )
    (folder / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "standard", "extraPaths": [str(ROOT)], "reportMissingImports": False})
    )
    files = [str(path) for path in folder.glob("*.py")]
    arguments = [str(settings), *files] if checker == "mypy" else [str(folder), "--pythonpath", sys.executable]
    run = subprocess.run(
        [sys.executable, *CHECKERS[checker], *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return [line.strip() for line in run.stdout.splitlines() if " error: " in line or " - error" in line]


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_code_of_every_page_is_accepted(checker, tmp_path):
    for page in WITH_CODE:
        if code := "".join(block.code for block in blocks(page.read_text()) if block.info == "python"):
            (tmp_path / f"{page.stem.replace('-', '_')}_page.py").write_text(code)
    assert complaints(checker, tmp_path) == []


@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_seen_and_nothing_else(checker, tmp_path):
    code = BEFORE + ACCEPTED
    (tmp_path / "client.py").write_text(code + "\n".join(MISTAKES) + "\n")
    found = complaints(checker, tmp_path)
    first = code.count("\n") + 1
    missed = [line for number, line in enumerate(MISTAKES, first) if not any(f":{number}:" in one for one in found)]
    assert missed == []
    assert [one for one in found if not any(f":{first + number}:" in one for number in range(len(MISTAKES)))] == []


@pytest.mark.parametrize("checker", CHECKERS)
def test_every_name_that_is_imported_on_first_use_is_declared(checker, tmp_path):
    lines = [f"from spacer_like.tasks import {name}" for name in TASKS]
    for task in TASKS.values():
        lines.append(f"from spacer_like.messages import {task.message_name}, {task.return_message_name}")
    lines += [f"from spacer_like.config import {name}" for name in config.CONFIGURABLE_VARS]
    lines += ["from spacer_like.storage import load_image, load_classifier, S3Storage, URLStorage, store_classifier"]
    (tmp_path / "names.py").write_text("\n".join(lines) + "\n")
    assert complaints(checker, tmp_path) == []


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("messages", ["ExtractFeaturesMsg", "TrainMultilabelReturnMsg"]),
        ("tasks", list(TASKS)),
        ("config", ["MAX_IMAGE_PIXELS", "HAS_CAFFE"]),
        ("storage", ["S3Storage", "load_classifier"]),
        ("extractors.efficientnet", ["EfficientNet"]),
    ],
)
def test_names_imported_on_first_use_are_offered_by_completion(module, names):
    assert set(names) <= set(dir(import_module(f"spacer_like.{module}")))


def test_no_module_hides_its_names_from_checkers():
    for path in (ROOT / "spacer_like").rglob("*.py"):
        # A stub beside a module is what checkers read in its place.
        if path.with_suffix(".pyi").exists():
            continue
        for line in path.read_text().splitlines():
            assert not line.startswith("def __getattr__"), path
