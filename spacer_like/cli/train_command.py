"""``spacer-like train``: a classifier out of labelled points, and how good it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.locations import location
from spacer_like.cli.terminal import Terminal
from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import SpacerInputError, TrainingLabelsError, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spacer_like.learning.trainer import MiniBatchTrainer
    from spacer_like.messages import TrainClassifierMsg, TrainClassifierReturnMsg

SPLITS = {"vectors": "VECTORS", "points": "POINTS", "points-stratified": "POINTS_STRATIFIED"}
BY_SOURCE = "sources"
HINTS = {
    "vectors": "Where images are few, split points: --split points-stratified.",
    BY_SOURCE: "Where sources are few, split images: --split vectors.",
}
MOST_EPOCHS, PATIENCE, STOPPING = 100, 10, 0.1
FEWEST = 100


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="A classifier out of labelled points, and how good it is.")(train)


def train(
    labels: Annotated[
        str, typer.Argument(metavar="LABELS.csv", help="A table with the columns image, row, col, label; or '-'.")
    ],
    features: Annotated[
        str,
        typer.Option(metavar="FOLDER|PACK", help="Where the feature files are, or a pack of them."),
    ],
    model: Annotated[str, typer.Option(metavar="FILE", help="Where the classifier goes (.pkl or .safetensors).")],
    answers: Annotated[
        str | None,
        typer.Option(metavar="FILE.csv", help="Labels that count instead or as well, as pages for labels save them."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the points to learn from; without it, at most 100 with --patience 10."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stop after as many epochs without a lower loss on images held back; keep the best epoch."
        ),
    ] = None,
    stopping: Annotated[
        float | None,
        typer.Option(min=0, max=0.5, help="Share of the points to learn from to hold back for that; 0.1."),
    ] = None,
    classifier: Annotated[
        Literal["MLP", "LR"],
        typer.Option(metavar="MLP|LR", case_sensitive=False, help="Multi-layer perceptron, or logistic regression."),
    ] = "MLP",
    layers: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Hidden units of each layer of the perceptron: 500,300,100.")
    ] = None,
    balance: Annotated[
        Literal["none", "weights", "subsample"],
        typer.Option(help="Rare classes count as much as common ones: by weights, or by fewer points of common ones."),
    ] = "none",
    fewest: Annotated[
        int | None,
        typer.Option(min=1, help="Of --balance subsample: the points that each class keeps, if it has them; 100."),
    ] = None,
    split: Annotated[
        Literal["vectors", "sources", "points", "points-stratified"],
        typer.Option(
            help="What is divided: images (vectors); sources, whole sites, say; or points, if images are few."
        ),
    ] = "vectors",
    sources: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.csv", help="The columns image, source; without it, an image's folder is its source."
        ),
    ] = None,
    reference: Annotated[float, typer.Option(min=0.01, max=0.8, help="Share of the points to calibrate on.")] = 0.1,
    validation: Annotated[float, typer.Option(min=0.01, max=0.8, help="Share of the points to evaluate on.")] = 0.1,
    previous: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="An older model to compare with; once for each.")
    ] = None,
    report: Annotated[str | None, typer.Option(metavar="FILE.json", help="Keep the evaluation report.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE.png", help="Draw the evaluation.")] = None,
    page: Annotated[str | None, typer.Option(metavar="FILE.html", help="Write the evaluation as a page.")] = None,
    valresult: Annotated[str | None, typer.Option(metavar="FILE.json", help="Keep the results point by point.")] = None,
    snapshots: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Keep a snapshot after each epoch; go on from the last one.")
    ] = None,
    feature_cache: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Keep copies of remote feature files here for later trainings.")
    ] = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Train a classifier on labelled points, and evaluate it on points that it was not trained on."""
    from spacer_like.cli.point_jobs import is_pack, labelled_features, row_of_label
    from spacer_like.cli.point_sources import image_sources

    terminal = Terminal(json_mode=json_mode)
    folder = options.required(features, "features", "the folder or URI prefix of the feature files")
    model_loc = options.required(model, "model", "where the classifier goes")
    if plot is not None or page is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing(*([] if plot is None else [location(plot)]))
    table = options.labelled_table(labels, terminal, answers)
    labelled = labelled_features(table, folder, terminal)
    source_of = image_sources(labelled, table, sources)
    sets = divided(labelled, split, (reference, validation), source_of)
    fields = {
        "job_token": table.name,
        "trainer": _trainer(classifier, layers, _stopping(epochs, patience, stopping), balance, fewest),
        "nbr_epochs": epochs or MOST_EPOCHS,
        "clf_type": classifier,
        "labels": sets,
        "previous_model_locs": [location(one) for one in previous or []],
        "model_loc": model_loc,
        "valresult_loc": options.optional(valresult) or DataLocation("memory", "results point by point"),
        "report_loc": options.optional(report) or DataLocation("memory", "evaluation report"),
        "image_sources": source_of,
        "snapshots_loc": options.optional(snapshots),
        "pack_loc": folder if is_pack(folder) else None,
    }
    if feature_cache is not None:
        fields |= {"feature_cache_dir": str(Path(feature_cache).absolute()), "keep_features": True}
    drawn = {"--plot": options.optional(plot), "--page": options.optional(page)}
    message, result, metrics = _train(
        fields, terminal, labels, drawn, lambda _, sentence: row_of_label(table, labelled, sentence)
    )
    files = {"Model": model, "Report": report, "Picture": plot, "Page": page, "Results point by point": valresult}
    _show(terminal, message, result, metrics, table.point_count - labelled.label_count, files)
    return 0


def _train(
    fields: dict[str, Any],
    terminal: Terminal,
    table: str,
    drawn: dict[str, DataLocation | None],
    row_of: Callable[[str, str], str],
) -> tuple[TrainClassifierMsg, TrainClassifierReturnMsg, dict[str, Any]]:
    """The request, its answer and the evaluation report, which is drawn where that is asked for."""
    from spacer_like.cli.running import run_for_answers
    from spacer_like.messages import JobMsg, TrainClassifierMsg
    from spacer_like.overwriting import named_locations
    from spacer_like.storage import read_bytes

    message = TrainClassifierMsg(**fields)
    job = JobMsg(task_name="train_classifier", tasks=[message])
    used = named_locations(drawn, {"the table of labels": options.source(table)})
    (result,) = run_for_answers(job, terminal, [message.job_token], used, row_of=row_of).results
    report = json.loads(read_bytes(fields["report_loc"]))
    _draw(report, drawn["--plot"], drawn["--page"], message.model_loc.filename)
    return message, result, report


def _stopping(epochs: int | None, patience: int | None, share: float | None) -> dict[str, Any]:
    """The arguments of the trainer that say what stops it; by a share of 0, the reference points."""
    if patience is None and epochs is not None:
        if share is not None:
            raise options.UsageError("The option --stopping is of --patience: give both, or leave --epochs out.")
        return {}
    share = STOPPING if share is None else share
    return {"patience": patience or PATIENCE, "stopping_share": share or None}


def _trainer(
    classifier: str, layers: str | None, stopping: dict[str, Any], balance: str, fewest: int | None
) -> MiniBatchTrainer:
    from spacer_like.learning.trainer import MiniBatchTrainer

    if layers is not None and classifier == "LR":
        raise options.UsageError("The option --layers is of a perceptron: leave it out, or --classifier LR.")
    if fewest is not None and balance != "subsample":
        raise options.UsageError("The option --fewest is of --balance subsample: give both or none.")
    sizes = None
    if layers is not None:
        sizes = [int(part) for part in layers.split(",") if part.strip().isdecimal()]
        if len(sizes) != layers.count(",") + 1:
            raise SpacerInputError(f"--layers must be whole numbers, separated by commas, and is '{visible(layers)}'.")
    return MiniBatchTrainer(
        mlp_hidden_layer_sizes=sizes,
        **stopping,
        class_weight="balanced" if balance == "weights" else None,
        balanced_subsample=(fewest or FEWEST) if balance == "subsample" else None,
    )


def _show(
    terminal: Terminal,
    message: TrainClassifierMsg,
    result: TrainClassifierReturnMsg,
    report: dict[str, Any],
    unlabelled: int,
    files: dict[str, str | None],
) -> None:
    from spacer_like.learning.labels_split import learnable_labels
    from spacer_like.reports.evaluation import count_of, read_evaluation

    numbers = read_evaluation(report)
    sets = learnable_labels(message.labels)
    if unlabelled:
        terminal.note(f"{count_of(unlabelled, 'point')} without a label left out.")
    terminal.answer(
        {
            "ok": True,
            "model": message.model_loc.display_name,
            "accuracy": result.acc,
            "runtime": result.runtime,
            "sets": {name: sets[name].label_count for name in ("train", "ref", "val")},
            "left_out": [one.serialize() for one in result.left_out or ()],
            "unlabelled_points": unlabelled,
            "sentence": numbers.sentence(),
            "report": report,
        }
    )
    if not terminal.json_mode:
        from spacer_like.cli.rendering import evaluation, written

        terminal.show(*evaluation(numbers, report.get("macro_f1")), *written(files))


def divided(
    labels: ImageLabels, split: str, shares: tuple[float, float], sources: Mapping[str, str] | None = None
) -> TrainingTaskLabels:
    """All labels in three sets.

    Classes that cannot be learnt from these sets are still in them: the task leaves them out, and says so.

    Args:
        labels: the labels.
        split: what is divided, as the option of this name says it.
        shares: those of the reference and of the validation set.
        sources: of images, by the keys of their feature files; for a division of sources.

    Raises:
        SpacerInputError: an unknown split, or shares that leave nothing to learn from.
        TrainingLabelsError: labels that cannot be divided so.
    """
    from spacer_like.learning.labels_sampling import split_by_source
    from spacer_like.learning.labels_split import SplitMode, divide_labels, learnable_labels

    if sum(shares) >= 1:
        raise SpacerInputError("The shares --reference and --validation together must leave points to learn from.")
    try:
        if split == BY_SOURCE:
            sets = split_by_source(labels, shares, sources or {})
        else:
            sets = divide_labels(labels, shares, SplitMode[SPLITS[split]])
        # Whatever cannot be trained on is refused before features are read.
        learnable_labels(sets)
        return sets
    except TrainingLabelsError as error:
        if split not in HINTS:
            raise
        hint = HINTS[split]
        raise TrainingLabelsError(f"{error} {hint}") from error


def _draw(report: dict[str, Any], plot: DataLocation | None, page: DataLocation | None, title: str) -> None:
    if plot is not None:
        from spacer_like.reports import evaluation_picture

        evaluation_picture(report, plot, title=title)
    if page is not None:
        from spacer_like.reports import evaluation_page

        evaluation_page(report, page, title=title)
