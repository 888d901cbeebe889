"""Features, labels, scores, models and chips out of many images, by messages, tasks and storage.

The names that most callers need are here, imported on first use (``__init__.pyi`` declares them to type checkers); the
messages of every family are in `spacer_like.messages`, the task functions in `spacer_like.tasks`.

>>> import spacer_like
>>> spacer_like.DataLocation("s3", "photos/reef.jpg", "corals").uri
's3://corals/photos/reef.jpg'
"""

from importlib import import_module as _import_module

__version__ = "0.1.0"

_MODULES = ("config", "messages", "storage", "tasks")
_NAMES = {
    "Annotation": "data_classes",
    "DataLocation": "data_classes",
    "ImageFeatures": "data_classes",
    "ImageLabels": "data_classes",
    "TrainingTaskLabels": "data_classes",
    "ValResults": "data_classes",
    "EfficientNetExtractor": "extractors",
    "EfficientNetLite0Extractor": "extractors",
    "EfficientNetLite2Extractor": "extractors",
    "DenseLite0Extractor": "extractors",
    "OpenClipExtractor": "extractors",
    "ResNet50Extractor": "extractors",
    "TimmExtractor": "extractors",
    "VGG16CaffeExtractor": "extractors",
    "ClassifyFeaturesMsg": "messages",
    "ClassifyImageMsg": "messages",
    "ExtractFeaturesMsg": "messages",
    "JobMsg": "messages",
    "JobReturnMsg": "messages",
    "TrainClassifierMsg": "messages",
    "process_job": "tasks",
    "MessageError": "exceptions",
    "SpacerError": "exceptions",
    "SpacerInputError": "exceptions",
    "TransientError": "exceptions",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return _import_module(f"spacer_like.{name}")
    if name in _NAMES:
        return getattr(_import_module(f"spacer_like.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
