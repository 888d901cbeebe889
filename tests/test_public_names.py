"""What `import spacer_like` hands out: the names below, each imported on first use, and declared to type checkers."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import spacer_like

PUBLIC = [
    "__version__",
    "config",
    "messages",
    "storage",
    "tasks",
    "Annotation",
    "DataLocation",
    "ImageFeatures",
    "ImageLabels",
    "TrainingTaskLabels",
    "ValResults",
    "EfficientNetExtractor",
    "EfficientNetLite0Extractor",
    "EfficientNetLite2Extractor",
    "DenseLite0Extractor",
    "OpenClipExtractor",
    "ResNet50Extractor",
    "TimmExtractor",
    "VGG16CaffeExtractor",
    "ClassifyFeaturesMsg",
    "ClassifyImageMsg",
    "ExtractFeaturesMsg",
    "JobMsg",
    "JobReturnMsg",
    "TrainClassifierMsg",
    "process_job",
    "MessageError",
    "SpacerError",
    "SpacerInputError",
    "TransientError",
]


def test_the_public_names_are_these():
    assert sorted(spacer_like.__all__) == sorted(PUBLIC)


MODULES = {"config", "messages", "storage", "tasks"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_public_module_is_the_module(name):
    assert getattr(spacer_like, name) is import_module(f"spacer_like.{name}")


@pytest.mark.parametrize("name", sorted({*PUBLIC} - MODULES - {"__version__"}))
def test_a_public_name_is_the_one_that_its_module_hands_out(name):
    modules = [
        import_module(f"spacer_like.{home}")
        for home in ("data_classes", "exceptions", "extractors", "messages", "tasks")
    ]
    homes = [module for module in modules if name in dir(module)]
    assert homes
    assert all(getattr(home, name) is getattr(spacer_like, name) for home in homes)


def test_completion_offers_the_public_names():
    assert set(PUBLIC) <= set(dir(spacer_like))


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'spacer_like' has no attribute 'DataLocatoin'"):
        _ = spacer_like.DataLocatoin


def test_the_stub_declares_the_public_names_alone():
    stub = ast.parse(Path(spacer_like.__file__).with_suffix(".pyi").read_text())
    declared = [alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted([*declared, "__version__"]) == sorted(PUBLIC)
