"""``spacer-like model``: what a classifier's file says of itself, and the same classifier in another format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

ModelFile = Annotated[str, typer.Argument(metavar="MODEL", help="The classifier: a path or a URI.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    model = options.group("Files of classifiers of points.")
    model.command(short_help="What a classifier was trained on, what it knows, how good it is.")(info)
    model.command(short_help="The same classifier as .safetensors or .pkl.")(convert)
    app.add_typer(model, name="model", short_help="What a classifier's file says of itself; other formats.")


def info(model: ModelFile, json_mode: options.JsonMode = False) -> int:
    """Show a classifier's card: data, classes, metrics and domain, as far as its file has them."""
    from spacer_like.learning.model_files import load_classifier

    terminal = Terminal(json_mode=json_mode)
    location = options.required(model, "model", "the classifier's path or URI")
    found = _described(load_classifier(location))
    terminal.answer({"ok": True, "model": location.display_name, **found})
    if not json_mode:
        terminal.show(*_shown(found))
    return 0


def convert(
    model: ModelFile,
    out: Annotated[
        str, typer.Argument(metavar="FILE", help="Where it goes: .safetensors needs no scikit-learn, .pkl opens in it.")
    ],
    json_mode: options.JsonMode = False,
) -> int:
    """Write a classifier in the other format: the same numbers, and its card with it. Nothing in a pickle is run."""
    from spacer_like.learning.model_files import load_classifier, store_classifier
    from spacer_like.overwriting import check_locations, check_outputs, named_locations

    terminal = Terminal(json_mode=json_mode)
    source = options.required(model, "model", "the classifier's path or URI")
    target = options.required(out, "out", "where the classifier goes")
    used = named_locations({"FILE": target}, {"MODEL": source})
    check_locations(used)
    check_outputs(used)
    store_classifier(target, load_classifier(source))
    terminal.answer({"ok": True, "model": source.display_name, "written": target.display_name})
    if not json_mode:
        from spacer_like.cli.rendering import written

        terminal.show(*written({"Model": out}))
    return 0


def _described(classifier: Any) -> dict[str, Any]:
    """What is known of any classifier, and the card of one of ours."""
    from spacer_like.learning.classifier import Classifier
    from spacer_like.learning.labels_split import LEARNED_POINTS

    classes = classifier.classes_.tolist()
    found = {"classifier": type(classifier).__name__, "numbers": classifier.n_features_in_, "classes": classes}
    if not isinstance(classifier, Classifier):
        return found
    return found | {
        "classifier": classifier.kind,
        "layers": classifier.head.hidden_sizes,
        "extractor_id": classifier.extractor_id,
        "metrics": {name: value for name, value in classifier.metrics.items() if name != LEARNED_POINTS},
        "versions": dict(classifier.versions),
        "card": dict(classifier.card),
    }


def _shown(found: Mapping[str, Any]) -> list[RenderableType]:
    from rich.text import Text

    from spacer_like.cli.rendering import MOST_ROWS, name, table
    from spacer_like.drawing.class_style import plain_text
    from spacer_like.reports.evaluation import percent

    def line(*parts: object) -> Text:
        return Text(plain_text(" ".join(map(str, parts))))

    layers = " → ".join(map(str, [found["numbers"], *found.get("layers", ()), len(found["classes"])]))
    shown: list[RenderableType] = [line(found["classifier"], "of", layers, "numbers, units and classes.")]
    if found.get("extractor_id"):
        shown.append(line("Extractor:", found["extractor_id"]))
    if versions := found.get("versions"):
        shown.append(line("Made by:", ", ".join(f"{package} {one}" for package, one in sorted(versions.items()))))
    card = found.get("card") or {}
    if not card:
        classes = ", ".join(plain_text(label) for label in found["classes"][:MOST_ROWS])
        return [*shown, line("Classes:", classes), line("The file has no card: it was made by another program.")]
    for part, counts in card["data"].items():
        shown.append(line(f"{part}: {counts['points']:,} points in {counts['images']:,} images."))
    rows = table("class", "train", "ref", "val", "precision", "recall")
    for row in card["classes"][:MOST_ROWS]:
        shares = ("–" if row[key] is None else percent(row[key], 1) for key in ("precision", "recall"))
        rows.add_row(name(row["label"]), *(f"{row[part]:,}" for part in ("train", "ref", "val")), *shares)
    shown += [Text(""), rows, Text("")]
    for metric, value in card["metrics"].items():
        if value is not None:
            shown.append(line(f"{metric.replace('_', ' ')}:", _number(value)))
    for part, sources in card["domain"].items():
        if sources:
            shown.append(line(f"Sources ({part}):", ", ".join(map(plain_text, sources[:MOST_ROWS]))))
    return shown


def _number(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_number(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(map(_number, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
