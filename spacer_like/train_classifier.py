"""Names that PySpacer's callers import from here."""

from spacer_like.learning.trainer import ClassifierTrainer, MiniBatchTrainer, trainer_factory

__all__ = ["ClassifierTrainer", "MiniBatchTrainer", "trainer_factory"]
