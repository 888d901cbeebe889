"""Values that travel: where bytes live, features, labels, results. NumPy is imported only when an array is touched."""

from typing import Any

from spacer_like.data_classes.base import Annotation, DataClass, LabelId
from spacer_like.data_classes.features import ImageFeatures, PointFeatures
from spacer_like.data_classes.labels import ImageLabels, TrainingTaskLabels, ValResults
from spacer_like.location import DataLocation

# A vector and its label, and the batches of PySpacer's callers.
FeatureLabelPair = tuple[Any, LabelId]
FeatureLabelBatch = tuple[list[Any], list[LabelId]]

__all__ = [
    "Annotation",
    "DataClass",
    "DataLocation",
    "FeatureLabelBatch",
    "FeatureLabelPair",
    "ImageFeatures",
    "ImageLabels",
    "LabelId",
    "PointFeatures",
    "TrainingTaskLabels",
    "ValResults",
]
