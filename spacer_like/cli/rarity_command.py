"""``spacer-like rarity``: how rare the images of collections are, from a folder to rankings and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.engines import EngineName, engine_named
from spacer_like.cli.terminal import Terminal
from spacer_like.cli.wording import in_options

if TYPE_CHECKING:
    from pathlib import Path

    from spacer_like.mailman import ExitCode
    from spacer_like.workflows.rarity import RarityOptions, RarityReport

_List = Annotated[str | None, typer.Option(metavar="FILE.csv", help="A table with the column collection_id.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="How rare images are among all of their collections.")(rarity)


def rarity(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Holds a folder, zip or tar of images for each collection.")
    ],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where everything goes; a run goes on there.")] = "rarity",
    methods: Annotated[
        str, typer.Option(help="Scores against all collections, separated by commas.")
    ] = "ratio,log,surprisal,top_surprisal",
    local_methods: Annotated[
        str, typer.Option(help="Scores against the own collection, separated by commas; '' for none.")
    ] = "raw",
    buckets: Annotated[str, typer.Option(help="The score that is sorted into buckets and drawn.")] = "ratio",
    size: Annotated[int, typer.Option(min=1, max=512, help="Width and height of the squares compared.")] = 224,
    resample: Annotated[
        Literal["bicubic", "nearest", "box", "lanczos"], typer.Option(help="The filter that resizes.")
    ] = "bicubic",
    background: Annotated[
        str, typer.Option(help="What shows through transparent pixels: #rrggbb, or drop, their own hidden colour.")
    ] = "drop",
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Decode images three times, to check, count and score, instead of keeping 150 kB of pixels of each.",
        ),
    ] = False,
    pre_reveal_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Set a collection aside of which one image has this share.")
    ] = 1.0,
    whitelist: _List = None,
    blacklist: _List = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Collections at once; else as many as cores.")] = None,
    engine: EngineName = "local",
    check: Annotated[
        bool, typer.Option("--check", help="Only list which collections are good, empty or pre-reveal, in checks/.")
    ] = False,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw pictures of the result.")] = True,
    json_mode: options.JsonMode = False,
) -> int:
    """Check, count, score and rank every image of every collection. What is done and unchanged is not done again."""
    from spacer_like.cli.locations import local_folder, location
    from spacer_like.progress import listening
    from spacer_like.workflows.rarity import RarityOptions, check_collections, methods_named, score_collections

    terminal = Terminal(json_mode=json_mode)
    chosen = RarityOptions(
        methods=methods_named(methods),
        local_methods=methods_named(local_methods),
        bucketized=methods_named(buckets or "none")[0],
        size=size,
        resample=resample,
        background=background,
        keep_stacks=not stream,
        pre_reveal_share=pre_reveal_share,
        whitelist=None if whitelist is None else location(whitelist),
        blacklist=None if blacklist is None else location(blacklist),
        processes=processes,
    )
    source, output = local_folder(folder, "FOLDER"), local_folder(out, "--out")
    if check:
        with (
            terminal.progress({}) as listener,
            listening(listener),
            engine_named(engine, processes, location(out).below("submissions")) as worker,
        ):
            report = check_collections(source, output, chosen, worker)
        return _checked(report, folder, output, terminal)
    with terminal.progress({}) as listener, listening(listener):
        with engine_named(engine, processes, location(out).below("submissions")) as worker:
            report = score_collections(source, output, chosen, worker)
        drawn = _draw(output, report, chosen, terminal) if pictures and report.scored else []
    _complain(report, folder, terminal)
    terminal.answer({**report.serialize(), "pictures": drawn})
    if not json_mode:
        from spacer_like.cli.rarity_rendering import rarity_report

        terminal.show(*rarity_report(report, output, drawn))
    return _exit_code(report, report.ok)


def _exit_code(report: RarityReport, ok: bool) -> ExitCode:
    from spacer_like.mailman import ExitCode

    if ok:
        return ExitCode.DONE
    return ExitCode.TRANSIENT_FAILURE if report.transient else ExitCode.PERMANENT_FAILURE


def _checked(report: RarityReport, folder: str, output: Path, terminal: Terminal) -> ExitCode:
    """Report the state of each collection, and the locations of the lists."""
    from spacer_like.workflows.rarity import CHECKS, LISTS

    _complain(report, folder, terminal)
    ok = not report.failed and not report.missing
    lists = {state: str(output / CHECKS / name) for state, name in LISTS.items()}
    terminal.answer({**report.serialize(), "ok": ok, "lists": lists})
    if not terminal.json_mode:
        from spacer_like.cli.rarity_rendering import rarity_check

        terminal.show(*rarity_check(report, lists))
    return _exit_code(report, ok)


def _complain(report: RarityReport, folder: str, terminal: Terminal) -> None:
    """Report failures, those of all collections first."""
    for step, reason in report.failures.items():
        terminal.complain(f"{step}: {in_options(reason)}")
    for one in report.failed:
        terminal.complain(f"{one.collection_id}: {in_options(str(one.reason))}")
    for name in report.missing:
        terminal.complain(f"{name}: the whitelist names it, and {folder} has no such collection.")


def _draw(output: Path, report: RarityReport, chosen: RarityOptions, terminal: Terminal) -> list[str]:
    from spacer_like.exceptions import BrokenPackageError, MissingExtraError
    from spacer_like.workflows.rarity import store_report
    from spacer_like.workflows.rarity_pictures import draw_pictures

    failures = len(report.failures)
    try:
        drawn = [str(path) for path in draw_pictures(output, report, chosen)]
        if len(report.failures) > failures:
            store_report(report, output)
        return drawn
    except (MissingExtraError, BrokenPackageError) as error:
        terminal.note(f"No pictures: {error}")
        return []
