"""``spacer-like regression simulate, measure, evaluate, predict, calibrate, import-weights, export-onnx``."""

from __future__ import annotations

from typing import Annotated

import typer

from spacer_like.cli.from_message import REQUIRED, Given, from_message, run_and_show
from spacer_like.cli.locations import location
from spacer_like.cli.regression_training_command import MODELS, SAMPLES, SAMPLES_OPTION, SIZE_OPTION
from spacer_like.exceptions import MessageError

_IMAGES = Annotated[
    list[str], typer.Argument(metavar="IMAGES...", help="Images, a folder or archive of them, or parts of a split.")
]
_MODELS = Annotated[
    str,
    typer.Option(
        metavar="FILE|FOLDER,...",
        help="Networks, with commas between them; of a folder all that are directly in it. Their files say which tell "
        "inclinations, and which good galaxies from bad.",
    ),
]
_OUT_OF_BAG = Annotated[
    bool,
    typer.Option(
        "--bags",
        help="Ask each network of a sub-sample, which its file is called after, about the galaxies out of its bag, "
        "too, and fit the bias to that.",
    ),
]
_MODELS_OF_TABLE = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|FOLDER,...",
        help="The networks that made the predictions, as of predict: the calibration is then refused with others.",
    ),
]
_COLUMNS = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...", help="With --table: its columns of predictions, in groups by what is before the last '_'."
    ),
]


def add_to(regression: typer.Typer) -> None:
    """Add this module's commands."""
    from spacer_like.regression.messages import (
        CalibrateRegressorMsg,
        EvaluateRegressorMsg,
        ExportOnnxMsg,
        ImportKerasWeightsMsg,
        MeasureAxisRatiosMsg,
        PredictRegressorMsg,
        SimulateGalaxiesMsg,
    )

    regression.command("simulate", short_help="Make galaxies of known inclination.")(
        from_message(
            SimulateGalaxiesMsg,
            _simulate,
            arguments={"out_loc": "FOLDER"},
            letters={"size": "s", "bands": "b", "root": "r"},
        )
    )
    regression.command("measure", short_help="Measure axis ratios, without a network.")(
        from_message(
            MeasureAxisRatiosMsg,
            _measure,
            arguments={"images_loc": "IMAGES"},
            names={"table_loc": "out"},
            defaults={"table_loc": "axes.csv"},
            letters={"table_loc": "o", "catalog_loc": "c"},
        )
    )
    regression.command("evaluate", short_help="Measure errors on galaxies that were held out.")(
        from_message(
            EvaluateRegressorMsg,
            _evaluate,
            names={"out_loc": "out", "table_loc": "table"},
            defaults={"out_loc": "evaluation"},
            left_out=("sample_locs", "model_locs", "good_bad_locs", "prediction_columns", "out_of_bag_sample_locs"),
            letters={"out_loc": "o"},
            more={
                "samples": (SAMPLES_OPTION, SAMPLES),
                "size": (SIZE_OPTION, 128),
                "models": (_MODELS, MODELS),
                "columns": (_COLUMNS, None),
                "bags": (_OUT_OF_BAG, False),
            },
        )
    )
    regression.command("predict", short_help="Predict inclinations, with intervals and warnings.")(
        from_message(
            PredictRegressorMsg,
            _predict,
            names={"out_loc": "out", "table_loc": "table"},
            defaults={"out_loc": "inclinations.json"},
            left_out=("images_locs", "model_locs", "good_bad_locs"),
            letters={"out_loc": "o", "band": "b"},
            more={"images": (_IMAGES, REQUIRED), "models": (_MODELS, MODELS)},
        )
    )
    regression.command("calibrate", short_help="Make intervals that hold what they promise.")(
        from_message(
            CalibrateRegressorMsg,
            _calibrate,
            arguments={"table_loc": "TABLE"},
            defaults={"out_loc": "calibration.json"},
            left_out=("model_locs",),
            letters={"out_loc": "o"},
            more={"models": (_MODELS_OF_TABLE, None)},
        )
    )
    regression.command("import-weights", short_help="Read weights of TensorFlow and Keras.")(
        from_message(
            ImportKerasWeightsMsg,
            _import_weights,
            names={"model_loc": "out"},
            letters={"model_loc": "o", "size": "s", "network": "m"},
        )
    )
    regression.command("export-onnx", short_help="Make a network an ONNX model.")(
        from_message(ExportOnnxMsg, _export_onnx, arguments={"model_loc": "MODEL", "onnx_loc": "ONNX"})
    )


def _simulate(given: Given) -> int:
    from spacer_like.cli.regression_rendering import simulated
    from spacer_like.cli.rendering import written

    files = {"Images": given["out"], "Catalog": given["catalog"] or f"{given['out']}/catalog.txt"}
    return run_and_show(given, given["out"], lambda result: [*simulated(result), *written(files)])


def _measure(given: Given) -> int:
    from spacer_like.cli.regression_rendering import measured
    from spacer_like.cli.rendering import written

    return run_and_show(given, given["images"], lambda result: [*measured(result), *written({"Table": given["out"]})])


def _evaluate(given: Given) -> int:
    from spacer_like.cli.regression_rendering import evaluated
    from spacer_like.cli.rendering import written
    from spacer_like.regression.folders import part_of_split
    from spacer_like.regression.model_sets import model_set
    from spacer_like.workflows.regression_requests import out_of_bag_samples

    if given["table"] is None:
        models = model_set(location(one.strip()) for one in given["models"].split(",") if one.strip())
        samples = part_of_split(location(given["samples"]), given["size"], "test_000")
        given.fields.update(sample_locs=samples, model_locs=models.groups, good_bad_locs=models.good_bad)
        if given["bags"]:
            bags = out_of_bag_samples(models.groups, location(given["samples"]), given["size"])
            given.fields["out_of_bag_sample_locs"] = bags
    elif given["bags"]:
        raise MessageError("--bags asks networks, and --table has what they said: name a table with --out-of-bag.")
    else:
        groups: dict[str, list[str]] = {}
        for column in (given["columns"] or "").split(","):
            groups.setdefault(column.strip().rpartition("_")[0] or column.strip(), []).append(column.strip())
        given.fields["prediction_columns"] = groups
    name = given["table"] or given["samples"]
    return run_and_show(given, name, lambda result: [*evaluated(result), *written({"Files": given["out"]})])


def _predict(given: Given) -> int:
    from spacer_like.cli.regression_rendering import predicted
    from spacer_like.cli.rendering import written
    from spacer_like.regression.model_sets import model_set

    models = model_set(location(one.strip()) for one in given["models"].split(",") if one.strip())
    given.fields.update(
        images_locs=[location(image) for image in given["images"]],
        model_locs=models.groups,
        good_bad_locs=models.good_bad,
    )
    files = {"Answers": given["out"], "Table": given["table"]}
    return run_and_show(given, given["images"][0], lambda result: [*predicted(result), *written(files)])


def _calibrate(given: Given) -> int:
    from spacer_like.cli.regression_rendering import calibrated
    from spacer_like.cli.rendering import written
    from spacer_like.regression.model_sets import model_set

    if given["models"] is not None:
        models = model_set(location(one.strip()) for one in given["models"].split(",") if one.strip())
        given.fields["model_locs"] = models.groups
    files = {"Calibration": given["out"]}
    return run_and_show(given, given["table"], lambda result: [*calibrated(result), *written(files)])


def _import_weights(given: Given) -> int:
    from spacer_like.cli.regression_rendering import imported
    from spacer_like.cli.rendering import written

    files = {"Model": given["out"]}
    name = given["file"] or given["checkpoint"] or given["out"]
    return run_and_show(given, name, lambda result: [*imported(result), *written(files)])


def _export_onnx(given: Given) -> int:
    from spacer_like.cli.regression_rendering import exported
    from spacer_like.cli.rendering import written

    files = {"Model": given["onnx"]}
    return run_and_show(given, given["model"], lambda result: [*exported(result), *written(files)])
