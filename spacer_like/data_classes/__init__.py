"""Values that travel: where bytes live, features, labels, results. NumPy is imported only when an array is touched."""

from spacer_like.data_classes.base import DataClass
from spacer_like.data_classes.features import ImageFeatures, PointFeatures
from spacer_like.data_classes.labels import Annotation, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.data_classes.location import DataLocation
from spacer_like.data_classes.results import ValResults

__all__ = [
    "Annotation",
    "DataClass",
    "DataLocation",
    "ImageFeatures",
    "ImageLabels",
    "LabelId",
    "PointFeatures",
    "TrainingTaskLabels",
    "ValResults",
]
