"""Which tags make which label: the file ``labels.json``, ``{label: {key: [values]}}``.

A value matches exactly, and ``*`` is every one. The values of OpenStreetMap are compared whole: ``house`` is not
``houseboat``, and ``a;b`` is neither ``a`` nor ``b``.

>>> rules = LabelRules.from_json(b'{"home": {"building": ["house", "hut"]}, "water": {"water": ["*"]}}', "labels.json")
>>> rules.labels
('home', 'water')
>>> rules.matches({"building": "hut", "water": "pond", "name": "Walden"})
({0, 1}, [('building', 'hut'), ('water', 'pond')])
>>> rules.matches({"building": "houseboat"})
(set(), [])
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from spacer_like.exceptions import DataLimitError, MapDataError, damage_as
from spacer_like.tables.label_table import MOST_LABELS, RESERVED, SEPARATOR

ANY = "*"
MOST_BYTES = 2**24
_LONGEST_LABEL = 200


class LabelRules:
    """Labels and the tags that make them.

    Args:
        rules: for each label its keys with their values.
        name: what errors call the file.

    Attributes:
        labels: in the order of their texts.
        keys: those of tags that make a label.

    Raises:
        MapDataError: not of that form.
        DataLimitError: more than `MOST_LABELS` labels.
    """

    def __init__(self, rules: Mapping[str, Mapping[str, Iterable[str]]], name: str = "The labels") -> None:
        if len(rules) > MOST_LABELS:
            raise DataLimitError(f"'{name}' has {len(rules)} labels: {MOST_LABELS} are the most.")
        self.labels = tuple(sorted(rules))
        self._exact: dict[str, dict[str, set[int]]] = {}
        self._any: dict[str, set[int]] = {}
        for index, label in enumerate(self.labels):
            check_label(label, name)
            for key, values in rules[label].items():
                for value in values:
                    if value == ANY:
                        self._any.setdefault(key, set()).add(index)
                    else:
                        self._exact.setdefault(key, {}).setdefault(value, set()).add(index)
        self.keys = frozenset(self._exact) | frozenset(self._any)

    @classmethod
    def from_json(cls, data: bytes, name: str) -> LabelRules:
        """The rules in the bytes of a file, which errors call `name`.

        Raises:
            MapDataError: not of that form, or a label or key is there twice.
            DataLimitError: of more than `MOST_BYTES`, or more than `MOST_LABELS` labels.
        """
        if len(data) > MOST_BYTES:
            raise DataLimitError(f"'{name}' is longer than {MOST_BYTES // 2**20} MiB: no labels are read of it.")
        with damage_as(MapDataError, name, f"'{name}' is no JSON text"):
            rules = json.loads(data, object_pairs_hook=lambda pairs: _without_repetition(pairs, name))
        if not isinstance(rules, dict) or not rules:
            raise MapDataError(f"'{name}' must be a JSON object {{label: {{key: [values]}}}} with at least one label.")
        for label, keys in rules.items():
            if not _is_of_keys(keys):
                raise MapDataError(
                    f"The label '{label[:_LONGEST_LABEL]}' of '{name}' must have keys with lists of values, such as "
                    '{"building": ["house", "hut"]}.'
                )
        return cls(rules, name)

    def matches(self, tags: Mapping[str, str]) -> tuple[set[int], list[tuple[str, str]]]:
        """Which labels an element's tags make, as indices in `labels`, and the tags that make any of them."""
        found: set[int] = set()
        matching = []
        for key in self.keys & tags.keys():
            value = tags[key]
            labels = self._any.get(key, set()) | self._exact.get(key, {}).get(value, set())
            if labels:
                found |= labels
                matching.append((key, value))
        return found, sorted(matching)


def check_label(label: str, name: str) -> None:
    if not label or len(label) > _LONGEST_LABEL or SEPARATOR in label or label in RESERVED:
        raise MapDataError(
            f"'{label[:_LONGEST_LABEL]}' in '{name}' cannot be a label: it must have 1 to {_LONGEST_LABEL} "
            f"characters, no '{SEPARATOR}', and not be {' or '.join(RESERVED)}."
        )
    if not label.isprintable():
        raise MapDataError(f"A label of '{name}' has characters that cannot be seen: {label!r}.")


def _is_of_keys(keys: Any) -> bool:
    return (
        isinstance(keys, dict)
        and bool(keys)
        and all(
            isinstance(values, list) and values and all(isinstance(value, str) for value in values)
            for values in keys.values()
        )
    )


def _without_repetition(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        repeated = next(key for key in names if names.count(key) > 1)
        raise MapDataError(f"'{name}' has '{repeated[:_LONGEST_LABEL]}' twice in one object.")
    return found
