"""``spacer-like regression serve, pipeline``: a server of predictions, and all steps from images to networks."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.cli.engines import EngineName, engine_named
from spacer_like.cli.options import JsonMode
from spacer_like.cli.terminal import Terminal
from spacer_like.cli.wording import in_options
from spacer_like.interruption import Interrupted

if TYPE_CHECKING:
    from spacer_like.regression.answers import Models


def add_to(regression: typer.Typer) -> None:
    """Add this module's commands."""
    regression.command("serve", short_help="Serve predictions of images that people send.")(serve)
    regression.command("pipeline", short_help="From images and a catalog to networks and intervals.")(pipeline)


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODELS...", help="Networks: files, or folders, of which all that are directly in them."
        ),
    ],
    good_bad: Annotated[
        list[str] | None,
        typer.Option(metavar="MODELS", help="More networks, which tell good galaxies from bad; may be given again."),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="FILE", help="Their calibration, for intervals beside the inclinations.")
    ] = None,
    views: Annotated[int, typer.Option(min=1, max=4, help="Turned copies of an image looked at: 1, 2 or 4.")] = 2,
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines ask.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8080,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log every request (with --verbose).")] = False,
) -> int:
    """Serve a page where an image is sent and its inclination shown, and the same for programs, until Ctrl-C."""
    from spacer_like.cli.locations import location
    from spacer_like.mailman import ExitCode
    from spacer_like.regression.server.serving import ServerOptions, serve

    terminal = Terminal()

    def ready(address: str, loaded: Models) -> None:
        counts = f"{len(loaded.regressors)} networks of inclinations and {len(loaded.good_bad)} of good and bad"
        terminal.note(f"{counts} answer at {address} (Ctrl-C ends this; {address}api/docs is for programs).")

    options = ServerOptions(
        models=[location(one) for one in [*models, *(good_bad or [])]],
        calibration=None if calibration is None else location(calibration),
        views=views,
        host=host,
        port=port,
        log_requests=log_requests,
    )
    try:
        serve(options, ready)
    except (Interrupted, KeyboardInterrupt) as interrupted:
        # Ctrl-C is how it is meant to end.
        if isinstance(interrupted, Interrupted) and interrupted.number != signal.SIGINT:
            raise
    terminal.note("Ended.")
    return ExitCode.DONE


def pipeline(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A .json or .toml file; every value in it has a default.")
    ],
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Steps at once, with fewer cores each; without it as many as cores."),
    ] = None,
    engine: EngineName = "local",
    clean: Annotated[bool, typer.Option("--clean", help="Remove what earlier runs have made, and do it anew.")] = False,
    json_mode: JsonMode = False,
) -> int:
    """Prepare, pack, split and augment images, train networks on each sub-sample, predict and calibrate.

    Steps that are done and unchanged are not repeated: a run that was interrupted is taken up by the same command.
    """
    from spacer_like.cli.locations import location
    from spacer_like.cli.running import DESCRIPTIONS
    from spacer_like.mailman import ExitCode
    from spacer_like.progress import listening
    from spacer_like.workflows.regression import run_pipeline
    from spacer_like.workflows.regression_config import read_config

    terminal, at = Terminal(json_mode=json_mode), location(config)
    wanted = read_config(at)
    worker = engine_named(engine, processes, location(wanted.out).below("submissions"), apart=True)
    with terminal.progress(DESCRIPTIONS) as listener, listening(listener):
        report = run_pipeline(wanted, worker, clean=clean, name=at.display_name)
    for step, reason in report.failures.items():
        terminal.complain(f"{step}: {in_options(reason)}")
    terminal.answer({**report.serialize(), "out": wanted.out, "steps_run": report.steps_run})
    if not json_mode:
        from spacer_like.cli.regression_rendering import pipeline_ended

        terminal.show(*pipeline_ended(report, wanted.out))
    if report.ok:
        return ExitCode.DONE
    return ExitCode.TRANSIENT_FAILURE if report.transient else ExitCode.PERMANENT_FAILURE
