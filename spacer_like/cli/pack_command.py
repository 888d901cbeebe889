"""``spacer-like pack-features``: one file of many feature files."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("pack-features", short_help="One file of many feature files, for trainings.")(pack_features)


def pack_features(
    features: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder or URI prefix of the feature files.")],
    out: Annotated[str, typer.Option(metavar="FILE.safetensors", help="Where the pack goes.")],
    dtype: Annotated[
        Literal["float32", "float16"], typer.Option(help="Of the vectors; float16 takes half the space.")
    ] = "float32",
    json_mode: options.JsonMode = False,
) -> int:
    """Pack feature files into one, which train takes in their place."""
    from spacer_like.cli.running import run_for_answers
    from spacer_like.messages import JobMsg, PackFeaturesMsg

    terminal = Terminal(json_mode=json_mode)
    message = PackFeaturesMsg(
        features_loc=options.required(features, "features", "the folder of the feature files"),
        pack_loc=options.required(out, "out", "where the pack goes"),
        dtype=dtype,
    )
    (result,) = run_for_answers(JobMsg(task_name=message.task, tasks=[message]), terminal, [""]).results
    terminal.answer({"ok": True, "pack": message.pack_loc.display_name, **result.serialize()})
    if not json_mode:
        from spacer_like.cli.rendering import written
        from spacer_like.reports.evaluation import count_of

        said = f"{count_of(result.n_points, 'point')} of {count_of(result.n_files, 'file')}"
        terminal.show(*written({said: out}))
    return 0
