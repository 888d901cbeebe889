"""No number in a message makes a task take memory or time without bounds."""

import math
from typing import Any

import pytest

from spacer_like.data_classes import DataLocation, ImageLabels
from spacer_like.exceptions import MessageError
from spacer_like.extractors import DummyExtractor
from spacer_like.learning.trainer import MiniBatchTrainer
from spacer_like.messages import TASKS, json_schema

REQUESTS = {name: task.message for name, task in TASKS.items()}
HUGE = (10**30, -(10**30), 10**400, 1e300, math.inf, -math.inf, math.nan)
FIELDS = [(task, field) for task, request in REQUESTS.items() for field in request.model_fields]


@pytest.mark.parametrize(("task", "field"), FIELDS, ids="-".join)
def test_no_field_takes_a_number_beyond_all_use(task, field):
    request = REQUESTS[task]
    example = request.example().serialize()
    for number in HUGE:
        for value in (number, [number], [number, number], [[number, number]], [[0, number]], {"label": number}):
            # Each part of a field is named by the field's path.
            with pytest.raises(MessageError, match=rf"^{request.__name__} does not validate: {field}\b"):
                request.deserialize(example | {field: value})


def integers_in(schema: Any, path: str = "") -> dict[str, dict[str, Any]]:
    """The parts of a schema that are integers, by their paths; not those that may be fractions as well."""
    if not isinstance(schema, dict):
        return {}
    if schema.get("type") == "integer":
        return {path: schema}
    kinds = [one.get("type") for one in schema.get("anyOf", ())]
    found: dict[str, dict[str, Any]] = {}
    if "number" not in kinds:
        for one in [*schema.get("anyOf", ()), *schema.get("prefixItems", ()), schema.get("items")]:
            found |= integers_in(one, path)
        for name, one in schema.get("properties", {}).items():
            found |= integers_in(one, f"{path}.{name}")
    return found


@pytest.mark.parametrize("task", REQUESTS)
def test_the_schema_says_the_largest_value_of_every_integer(task):
    schema = json_schema()["$defs"][REQUESTS[task].__name__]
    schema = {**schema, "properties": {k: v for k, v in schema.get("properties", {}).items() if k != "labels"}}
    bounds = {"maximum", "exclusiveMaximum", "enum", "const"}
    unbounded = [path for path, one in integers_in(schema).items() if not bounds & set(one)]
    assert unbounded == []


@pytest.mark.parametrize("annotation", [(10**10, 0, 1), (0, 10**400, 1), (0, 0, 10**30), (-(10**10), 0, 1)], ids=str)
def test_positions_and_labels_are_bounded(annotation):
    key = DataLocation("memory", "reef.features").json_text
    with pytest.raises(MessageError, match="malformed at"):
        ImageLabels.deserialize({key: [annotation]})


@pytest.mark.parametrize("feature_dim", [10**12, 2**16 + 1, 10**400, -1, 1.5])
def test_vectors_are_bounded(feature_dim):
    with pytest.raises(MessageError, match="feature_dim must be an integer from 1 to 65536"):
        DummyExtractor(feature_dim=feature_dim)


@pytest.mark.parametrize(
    "arguments",
    [
        *({name: 10**30} for name in ("batch_size", "mlp_large_data_threshold", "sgd_average", "sgd_random_state")),
        *({"mlp_learning_rate_init": rate} for rate in (1e300, math.inf, math.nan, 10**400)),
        *({"mlp_hidden_layer_sizes": sizes} for sizes in (10**9, [10**30], [10] * 1000)),
    ],
    ids=str,
)
def test_trainers_are_bounded(arguments):
    with pytest.raises(MessageError, match=next(iter(arguments))):
        MiniBatchTrainer(**arguments)
