"""Names that PySpacer's callers import from here."""

from spacer_like.learning.evaluation import evaluate_classifier
from spacer_like.learning.labels_split import make_random_data
from spacer_like.learning.metrics import calc_acc

__all__ = ["calc_acc", "evaluate_classifier", "make_random_data"]
