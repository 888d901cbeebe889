from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spacer_like.data_classes import ValResults
from spacer_like.learning.metrics import evaluation_report

Report = dict[str, Any]


def make_report(classes: int | list[Any], points: int = 400, epochs: int = 5, skill: float = 2.2) -> Report:
    """The report of a classifier that is right the oftener, the larger its skill; the same one every time."""
    labels = [f"class {number}" for number in range(classes)] if isinstance(classes, int) else classes
    rng = np.random.default_rng(len(labels))
    true = rng.choice(len(labels), size=points, p=rng.dirichlet(np.ones(len(labels))))
    logits = rng.normal(size=(points, len(labels)))
    logits[np.arange(points), true] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    results = ValResults(
        scores=probabilities.max(axis=1).tolist(),
        gt=true.tolist(),
        est=probabilities.argmax(axis=1).tolist(),
        classes=labels,
    )
    ref_accs = [0.5 + 0.3 * epoch / max(epochs, 1) for epoch in range(epochs)]
    return evaluation_report(results, ref_accs=ref_accs, pc_accs=[0.612]).serialize()


@pytest.fixture(scope="session")
def report_of() -> Callable[..., Report]:
    return make_report
