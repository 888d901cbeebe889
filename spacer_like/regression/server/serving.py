"""The start of a server of predictions. Its packages are imported when it is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from spacer_like.exceptions import SpacerInputError
from spacer_like.extras import import_extra
from spacer_like.http_server.listening import listening, run_server

if TYPE_CHECKING:
    from spacer_like.location import DataLocation
    from spacer_like.regression.answers import Models

_PURPOSE = "A server of predictions"
_CONNECTIONS, _OF_CLIENT, _REQUESTS = 300, 100, 100


@dataclass(frozen=True)
class ServerOptions:
    """What is served, and how.

    Fields:
        models: files of networks, and folders of them.
        calibration: of the networks of inclinations; None: there are no intervals.
        views: turned copies of an image that each network looks at.
        host, port: where; port 0: any that is free.
        log_requests: whether every request is logged.
    """

    models: list[DataLocation] = field(default_factory=list)
    calibration: DataLocation | None = None
    views: int = 2
    host: str = "127.0.0.1"
    port: int = 8080
    log_requests: bool = False


def serve(options: ServerOptions, ready: Callable[[str, Models], None]) -> None:
    """Serve predictions until the process is interrupted. The networks are loaded, and asked once, before.

    Args:
        ready: called with the address of the page, and the networks, once the server can be reached.

    Raises:
        MissingExtraError: packages of the extra `galaxies`, or what runs the networks, are not installed.
        ModelFileError: a file is no network, or the calibration is that of others.
        SpacerInputError: the port cannot be had.
        KeyboardInterrupt: that was the interrupt.
    """
    for name in ("fastapi", "starlette", "uvicorn"):
        import_extra(name, _PURPOSE, "galaxies")
    # What starlette reads forms by.
    import_extra("python_multipart", _PURPOSE, "galaxies")
    from spacer_like.http_server.connections import Bounds
    from spacer_like.regression.answers import answer_for
    from spacer_like.regression.server.app import make_app

    with listening(options.host, options.port) as at:
        models = loaded(options)
        app = make_app(partial(answer_for, models=models))
        # Each request may hold an image's bytes.
        bounds = Bounds(connections=_CONNECTIONS, of_client=_OF_CLIENT, requests=_REQUESTS)
        run_server(app, bounds, at, lambda address: ready(address, models), options.log_requests)


def loaded(options: ServerOptions) -> Models:
    """The networks, each of which has been asked once, so that one that cannot answer is known before the first image.

    Raises:
        As `serve`.
    """
    import numpy as np

    from spacer_like.regression.answers import predictions_of
    from spacer_like.regression.model_sets import model_set
    from spacer_like.regression.predicting import VIEWS
    from spacer_like.regression.tasks.predict import read_models

    if options.views not in VIEWS:
        raise SpacerInputError(f"An image can be looked at in 1, 2 or 4 views, and not in {options.views}.")
    found = model_set(options.models)
    models = read_models(found.groups, found.good_bad, options.calibration, options.views)
    blank = {size: np.zeros((1, size, size, 3), np.uint8) for size in models.sizes}
    predictions_of(models, blank, [None])
    return models
