"""Classes that a message may name by a dotted path, and the base of their instances.

A message carries an extractor or a trainer as ``{"class_path": ..., arguments}``. Only a class that stands in the table
here, that was registered in code, or whose package prefix the setting ``ALLOWED_CLASS_PREFIXES`` names, is ever
imported for it. The table holds text, so that knowing a class costs no import.
"""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import Parameter, signature
from pprint import pformat
from typing import Any, ClassVar, TypeVar

from typing_extensions import Self

from spacer_like.exceptions import (
    ClassNotFoundError,
    ClassNotInModuleError,
    MessageError,
    MissingFieldError,
    WrongClassError,
    nearest,
)

_ROOMS = {
    "BandStatisticsExtractor": "spacer_like.extractors.band_extractors",
    "EfficientNetExtractor": "spacer_like.extractors.efficientnet",
    "EfficientNetLite0Extractor": "spacer_like.extractors.efficientnet_lite",
    "EfficientNetLite2Extractor": "spacer_like.extractors.efficientnet_lite",
    "DenseLite0Extractor": "spacer_like.extractors.dense",
    "OpenClipExtractor": "spacer_like.extractors.open_clip_extractor",
    "RandomFeaturesExtractor": "spacer_like.extractors.band_extractors",
    "ResNet50Extractor": "spacer_like.extractors.resnet",
    "TimmExtractor": "spacer_like.extractors.timm_extractor",
    "VGG16CaffeExtractor": "spacer_like.extractors.vgg16_caffe",
    "DummyExtractor": "spacer_like.extractors.base",
    "MiniBatchTrainer": "spacer_like.learning.trainer",
}
# Other paths of the same classes: those of PySpacer's messages, and shorter ones.
_OTHER_PATHS = {
    "spacer_like.extractors": (
        "EfficientNetExtractor",
        "EfficientNetLite0Extractor",
        "EfficientNetLite2Extractor",
        "DenseLite0Extractor",
        "OpenClipExtractor",
        "ResNet50Extractor",
        "TimmExtractor",
        "VGG16CaffeExtractor",
        "DummyExtractor",
    ),
    "spacer_like.extractors.vgg16": ("VGG16CaffeExtractor",),
    "spacer_like.train_classifier": ("MiniBatchTrainer",),
}

_GIVEN_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_paths: dict[str, str] = {f"{module}.{name}": f"{module}:{name}" for name, module in _ROOMS.items()} | {
    f"{module}.{name}": f"{_ROOMS[name]}:{name}" for module, names in _OTHER_PATHS.items() for name in names
}
_paths["minibatch"] = "spacer_like.learning.trainer:MiniBatchTrainer"
_registered: dict[str, type[Described]] = {}


class Described:
    """An object that travels in a message as its class's path and its arguments; equal when those are equal."""

    kind: ClassVar[str] = "object"

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments as JSON-able values."""
        return {}

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> Self:
        """The instance that `arguments` describes."""
        return cls(**arguments)

    def serialize(self) -> dict[str, Any]:
        return {"class_path": f"{type(self).__module__}.{type(self).__qualname__}", **self.arguments()}

    @classmethod
    def deserialize(cls, data: Any) -> Self:
        """The instance that `serialize` described.

        Raises:
            MessageError: as `resolve`; a `WrongClassError` where the class does not accept the arguments.
        """
        if not isinstance(data, dict) or "class_path" not in data:
            raise MissingFieldError(f"The {cls.kind} needs a class_path.")
        arguments = dict(data)
        found = resolve(cls, arguments.pop("class_path"))
        try:
            return found.from_arguments(arguments)
        except TypeError as error:
            reason = _why_not_made(found, arguments, error)
            raise WrongClassError(f"The {found.kind} {found.__name__} {reason}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return pformat(self.serialize())


DescribedType = TypeVar("DescribedType", bound=Described)


def register(described: type[DescribedType], *other_paths: str) -> type[DescribedType]:
    """Allow messages to name a class, by its own path and by `other_paths`. Usable as a decorator.

    >>> class MyExtractor(Described):
    ...     pass
    >>> register(MyExtractor, "old.place.MyExtractor") is MyExtractor
    True
    """
    target = f"{described.__module__}:{described.__qualname__}"
    for path in (f"{described.__module__}.{described.__qualname__}", *other_paths):
        _paths[path] = target
        _registered[target] = described
    return described


def resolve(base: type[DescribedType], class_path: object) -> type[DescribedType]:
    """The subclass of `base` that `class_path` names, imported if need be.

    Raises:
        ClassNotFoundError, ClassNotInModuleError: the path may not be named, or cannot be imported.
        WrongClassError: it names something that is no subclass of `base`.
        MessageError: it is no text.
    """
    if not isinstance(class_path, str):
        raise MessageError(f"The class_path of the {base.kind} must be text, and is {type(class_path).__name__}.")
    # PySpacer's messages name the same classes under its own package.
    path = class_path.replace("spacer.", "spacer_like.", 1) if class_path.startswith("spacer.") else class_path
    target = _paths.get(path)
    if target is None and _is_allowed(path):
        target = ":".join(path.rsplit(".", 1))
    if target is None:
        raise _unknown(path)(
            f"The {base.kind} class '{class_path}' is unknown: register it with spacer_like.registry.register, "
            "or name its package in the setting ALLOWED_CLASS_PREFIXES."
        )
    found = _registered.get(target) or _import(base, class_path, target)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise WrongClassError(f"The class '{class_path}' is not a kind of {base.__name__}.")
    return found


def _why_not_made(found: type[Described], arguments: dict[str, Any], error: TypeError) -> str:
    """Why a class does not take arguments: the first that it has none of, the first that it lacks, or the error."""
    parameters = signature(found).parameters
    takes_any = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
    names = [name for name, one in parameters.items() if one.kind is not Parameter.VAR_KEYWORD]
    for name in arguments:
        if name not in names and not takes_any:
            has = f"its arguments are {', '.join(names)}." if names else "it has no arguments."
            return f"does not accept the argument '{name[:100]}': {has}{nearest(name, names)}"
    for name, one in parameters.items():
        if one.default is Parameter.empty and one.kind in _GIVEN_BY_NAME and name not in arguments:
            return f"lacks the argument '{name}'."
    return f"does not accept these arguments: {error}."


def _unknown(path: str) -> type[MessageError]:
    """The kind of error that Python gives for a class that is not allowed, as far as that is known without importing
    anything."""
    module, _, name = path.rpartition(".")
    if module not in sys.modules:
        return ClassNotFoundError
    return WrongClassError if name in vars(sys.modules[module]) else ClassNotInModuleError


def _is_allowed(path: str) -> bool:
    from spacer_like import config

    prefixes = config.settings().allowed_class_prefixes
    return "." in path and any(path.startswith(prefix.rstrip(".") + ".") for prefix in prefixes)


def _import(base: type[Described], class_path: str, target: str) -> object:
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        kind = ClassNotFoundError if isinstance(error, ImportError) else ClassNotInModuleError
        raise kind(f"The {base.kind} class '{class_path}' cannot be imported: {error}.") from error
