"""``spacer-like wrong-labels``, ``tags wrong-labels`` and ``chips wrong-labels``: labels that look wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from spacer_like.data_classes import ImageLabels
    from spacer_like.wrong_labels.messages import FindWrongLabelsReturnMsg, WrongLabel

_OF_POINTS = ("labels", "checked", "image_names", "image_sources", "crop_size")
_NAMES = {"wrong_loc": "out", "pairs_loc": "pairs"}
_SHORT_HELP = "Find labels that look wrong."


def add_to(app: typer.Typer) -> None:
    """Add the command for points."""
    app.command("wrong-labels", short_help="Find labels of points that look wrong.")(wrong_labels)


def add_for_tags(tags: typer.Typer, embeddings: str, out: str) -> None:
    """Add the command for tags, by the defaults of the table of embeddings and of the result."""
    from spacer_like.wrong_labels.messages import FindWrongLabelsMsg

    tags.command("wrong-labels", short_help="Find tags of images that look wrong.")(
        from_message(
            FindWrongLabelsMsg,
            _run,
            arguments={"embeddings_loc": "EMBEDDINGS"},
            names=_NAMES,
            defaults={"embeddings_loc": embeddings, "wrong_loc": out},
            helps={"embeddings_loc": "The table of tags process, whose tags are judged."},
            left_out=(*_OF_POINTS, "table_loc"),
        )
    )


def add_for_chips(chips: typer.Typer, embeddings: str) -> None:
    """Add the command for chips, by the default of the file of their vectors."""
    from spacer_like.wrong_labels.messages import FindWrongLabelsMsg

    chips.command("wrong-labels", short_help="Find labels of chips that look wrong.")(
        from_message(
            FindWrongLabelsMsg,
            _run,
            arguments={"table_loc": "TABLE", "embeddings_loc": "EMBEDDINGS"},
            names=_NAMES,
            defaults={"embeddings_loc": embeddings, "wrong_loc": "wrong-labels.csv"},
            helps={
                "table_loc": "A table of 0 and 1 of chips label-table, whose labels are judged.",
                "embeddings_loc": "The chips' vectors, of chips encode.",
            },
            left_out=_OF_POINTS,
        )
    )


def wrong_labels(
    labels: Annotated[
        str, typer.Argument(metavar="LABELS.csv", help="A table with the columns image, row, col, label; or '-'.")
    ],
    features: Annotated[str, typer.Option(metavar="FOLDER", help="Where the feature files are.")],
    answers: Annotated[
        str | None,
        typer.Option(metavar="FILE.csv", help="Labels that count instead or as well, as pages for labels save them."),
    ] = None,
    sources: Annotated[
        str | None,
        typer.Option(metavar="FILE.csv", help="The columns image, source: all points of a source lie in one fold."),
    ] = None,
    grouped: Annotated[
        bool,
        typer.Option("--grouped/--no-grouped", help="Points of one image lie in one fold; with few images, leave it."),
    ] = True,
    rule: Annotated[
        Literal["confident_joint", "noise_rate"],
        typer.Option(help="All that are of another class confidently, or as many as are estimated to be wrong."),
    ] = "confident_joint",
    folds: Annotated[int, typer.Option(min=2, max=20, help="How many; there are not more than images.")] = 5,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many labels are on the page.")] = 200,
    images: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where the images are, for the page; a folder or an archive.")
    ] = None,
    crop_size: Annotated[int, typer.Option(min=8, max=4096, help="Side of a point's picture in pixels.")] = 224,
    out: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Where the labels that look wrong go.")] = None,
    pairs: Annotated[
        str | None, typer.Option(metavar="FILE.csv", help="Where their number for each two classes goes.")
    ] = None,
    page: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="Where the page goes, on which a person corrects them.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds.")] = 0,
    json_mode: options.JsonMode = False,
) -> int:
    """Find labels of points that look wrong, by classifiers that have not learnt from them."""
    from spacer_like.cli.point_jobs import labelled_features, row_of_label
    from spacer_like.cli.point_sources import image_sources
    from spacer_like.cli.running import run_for_answers
    from spacer_like.messages import FindWrongLabelsMsg, JobMsg
    from spacer_like.overwriting import named_locations

    terminal = Terminal(json_mode=json_mode)
    folder = options.required(features, "features", "the folder or URI prefix of the feature files")
    table = options.labelled_table(labels, terminal, answers)
    labelled = labelled_features(table, folder, terminal)
    named = [image for image, points in table.images.items() if any(label is not None for *_, label in points)]
    message = FindWrongLabelsMsg(
        labels=labelled,
        checked=None if answers is None else _checked(answers, labelled, named),
        image_names=dict(zip((loc.key for loc in labelled), named, strict=True)),
        image_sources=None if sources is None else image_sources(labelled, table, sources),
        grouped=grouped,
        rule=rule,
        folds=folds,
        most=most,
        images_loc=options.optional(images),
        crop_size=crop_size,
        wrong_loc=options.optional(out),
        pairs_loc=options.optional(pairs),
        page_loc=options.optional(page),
        seed=seed,
    )
    job = JobMsg(task_name=message.task, tasks=[message])
    read = {"the table of labels": options.source(labels), "--answers": options.optional(answers)}
    used = named_locations({}, read)
    ended = run_for_answers(
        job, terminal, [table.name], used, row_of=lambda _, sentence: row_of_label(table, labelled, sentence)
    )
    (result,) = ended.results
    terminal.answer({"ok": True, **result.serialize()})
    if not json_mode:
        terminal.show(*_shown(result, {"Labels that look wrong": out, "Pairs of labels": pairs, "Page": page}))
    return 0


def _checked(answers: str, labels: ImageLabels, images: Sequence[str]) -> ImageLabels:
    """The labelled points of a table of answers, by the feature files of the images in `labels`, in their order."""
    from spacer_like.cli.locations import read_text_source
    from spacer_like.data_classes import ImageLabels
    from spacer_like.images.names import ImageNames
    from spacer_like.points.point_table import read_points

    names, file_of = ImageNames(images), dict(zip(images, labels, strict=True))
    found = ImageLabels()
    for image, points in read_points(*read_text_source(answers), labelled=True).images.items():
        location = file_of[str(names.find(image))]
        found.add_image(location, [(row, col, label) for row, col, label in points if label is not None])
    return found


def _run(given: Given) -> int:
    files = {"Labels that look wrong": given["out"], "Pairs of labels": given["pairs"], "Page": given["page"]}
    return run_and_show(given, given["embeddings"], lambda result: _shown(result, files))


def _shown(result: FindWrongLabelsReturnMsg, files: dict[str, Any]) -> list[RenderableType]:
    """The likeliest wrong labels, what was left out, and how many are wrong in all."""
    from rich.text import Text

    from spacer_like.cli.rendering import MOST_ROWS, name, table, written
    from spacer_like.drawing.class_style import plain_text
    from spacer_like.reports.evaluation import count_of, percent

    rows = table("image", "given", "likely", "probability", "score", names=3)
    for one in result.wrong[:MOST_ROWS]:
        of_tag = "" if one.tag is None else f"{one.tag}: "
        labels = (name(f"{of_tag}{label}") for label in (one.given, one.likely))
        rows.add_row(name(_place(one)), *labels, percent(one.likely_probability), f"{one.score:.2f}")
    shown: list[RenderableType] = [rows] if result.wrong else []
    if result.n_wrong > MOST_ROWS:
        shown.append(Text(f"… and {result.n_wrong - MOST_ROWS:,} more"))
    if result.not_judged:
        first = ", ".join(map(plain_text, list(result.not_judged)[:3]))
        count = count_of(sum(result.not_judged.values()), "label")
        shown.append(Text(f"{count} could not be judged, as nothing else teaches them: of {first}.", style="yellow"))
    if result.n_without_features:
        shown.append(Text(f"{count_of(result.n_without_features, 'chip')} without a vector left out.", style="yellow"))
    if result.n_unknown_corrections:
        count = count_of(result.n_unknown_corrections, "answer")
        shown.append(Text(f"{count} about what is not there left out.", style="yellow"))
    if result.n_without_picture:
        shown.append(
            Text(f"{count_of(result.n_without_picture, 'label')} without a picture, not on the page.", style="yellow")
        )
    between = ""
    if result.interval is not None:
        between = f" (95 %: {percent(result.interval[0], 1)} to {percent(result.interval[1], 1)})"
    wrong = f"{result.n_wrong:,} of {count_of(result.n_judged, 'label')} look wrong"
    shown.append(Text(f"{wrong}; estimated share of wrong ones {percent(result.share, 1)}{between}.", style="green"))
    return [*shown, *written(files)]


def _place(one: WrongLabel) -> str:
    return one.name if one.row is None else f"{one.name}, row {one.row}, column {one.column}"
