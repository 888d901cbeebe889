"""Names that PySpacer's callers import from here."""

from spacer_like.learning.labels_split import SplitMode, preprocess_labels, split_labels
from spacer_like.points.tasks.classifier import check_extract_inputs

__all__ = ["SplitMode", "check_extract_inputs", "preprocess_labels", "split_labels"]
