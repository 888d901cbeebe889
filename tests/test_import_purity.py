"""What an import may bring along: a web server that only submits jobs loads no network and no array library."""

import json
import subprocess
import sys

import pytest

HEAVY = ["numpy", "PIL", "scipy", "sklearn", "torch", "torchvision", "onnxruntime", "boto3", "botocore", "obstore"]
HEAVY += ["tensorflow", "matplotlib", "pandas", "pyarrow", "typer", "rich"]


# Of the standard library, and of this package what messages do not need to be made.
LATE = ["spacer_like.storage", "spacer_like.data_classes.feature_reading"]
LATE += ["concurrent.futures", "csv", "email", "importlib.metadata", "socket", "tempfile", "zipfile"]


def brought_in_by(statements: str, names: list[str] = HEAVY) -> list[str]:
    """Which of the names a fresh Python has loaded after the statements."""
    code = f"{statements}\nimport json, sys\nprint(json.dumps([name for name in {names!r} if name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "module",
    [
        "exceptions",
        "config",
        "registry",
        "location",
        "storage",
        "data_classes",
        "messages",
        "points.messages",
        "tasks",
        "mailman",
    ],
)
def test_the_contract_imports_nothing_heavy(module):
    assert brought_in_by(f"import spacer_like.{module}") == []


@pytest.mark.parametrize("module", ["messages", "tasks"])
def test_messages_and_the_names_of_tasks_wait_for_no_storage(module):
    # What pydantic brings along by itself, which depends on its version, is not ours to hold.
    assert set(brought_in_by(f"import spacer_like.{module}", LATE)) <= set(brought_in_by("import pydantic.main", LATE))


def test_making_comparing_and_serialising_a_job_loads_nothing_heavy():
    job = """
from spacer_like.messages import ExtractFeaturesMsg, JobMsg, TrainClassifierMsg
job = JobMsg("extract_features", [ExtractFeaturesMsg.example()])
assert JobMsg.deserialize(job.serialize()) == job
training = JobMsg("train_classifier", [TrainClassifierMsg.example()])
assert JobMsg.deserialize(training.serialize()) == training
"""
    assert brought_in_by(job) == []


def test_naming_an_extractor_loads_no_network():
    made = """
from spacer_like.extractors import EfficientNetLite0Extractor
assert EfficientNetLite0Extractor() == EfficientNetLite0Extractor()
EfficientNetLite0Extractor().serialize()
"""
    assert not {"torch", "torchvision", "onnxruntime", "sklearn", "boto3"} & set(brought_in_by(made))
