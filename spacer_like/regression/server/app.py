"""The server's addresses, and what each answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from spacer_like.exceptions import DataLimitError, ImageError, SpacerError, TransientError
from spacer_like.http_server.pages import Page
from spacer_like.regression.server import pages
from spacer_like.regression.server.uploads import SECONDS_TO_SEND, RefusedError, uploaded

logger = logging.getLogger(__name__)
router = APIRouter()

Answerer = Callable[[bytes, str], Mapping[str, Any]]
"""From an image and its name to the answer; an error is one of `SpacerError`."""
MOST_WAITING = 16
"""Images that are predicted or wait for it; a further one is refused with 503."""
_READING = ["GET", "HEAD"]
_AGAIN = {"Retry-After": "10"}


def make_app(answerer: Answerer, n_threads: int = 1, seconds_to_send: float = SECONDS_TO_SEND) -> FastAPI:
    """The server of some models.

    Args:
        answerer: gives the answer for an image.
        n_threads: images that are looked at at once.
        seconds_to_send: in which a whole upload must arrive.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ThreadPoolExecutor(n_threads, "predict") as threads:
            app.state.threads = threads
            yield

    # The pages of documentation that FastAPI makes load scripts from elsewhere.
    app = FastAPI(
        title="spacer_like inclinations",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.answerer, app.state.seconds_to_send, app.state.n_waiting = answerer, seconds_to_send, 0
    app.include_router(router)
    app.middleware("http")(_plain_headers)
    app.exception_handler(Exception)(_unexpected)
    app.exception_handler(RefusedError)(_refused)
    app.exception_handler(SpacerError)(_not_answered)
    app.exception_handler(404)(_no_such_address)
    app.exception_handler(405)(_not_allowed)
    return app


@router.api_route("/", methods=_READING, response_class=HTMLResponse, include_in_schema=False)
async def upload_page() -> Response:
    """A page where an image is sent, and its answer shown."""
    return _page(pages.upload_page())


@router.api_route("/api/docs", methods=_READING, response_class=HTMLResponse, include_in_schema=False)
async def api_page() -> Response:
    """A page that describes the addresses for programs."""
    return _page(pages.api_page())


@router.post("/api/file", openapi_extra=pages.FORM_SCHEMA, responses=pages.RESPONSES)
async def file(request: Request) -> Response:
    """Predict the inclination of the galaxy in an image."""
    state = request.app.state
    upload = await uploaded(request, state.seconds_to_send)
    if state.n_waiting >= MOST_WAITING:
        raise TransientError("The server has as many images as it can take: come back in some seconds.")
    state.n_waiting += 1
    try:
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(state.threads, partial(state.answerer, upload.data, upload.name))
    finally:
        state.n_waiting -= 1
    return JSONResponse(dict(answer), headers={"Cache-Control": "no-store"})


def _page(page: Page) -> Response:
    return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy, "Cache-Control": "no-cache"})


async def _plain_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _failure(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"status": "failure", "message": sentence}
    return JSONResponse(body, status, {"Cache-Control": "no-store", **(headers or {})})


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else 400
    return _failure(status, str(error))


async def _not_answered(request: Request, error: Exception) -> Response:
    if isinstance(error, DataLimitError):
        return _failure(413, str(error))
    if isinstance(error, ImageError):
        return _failure(422, str(error))
    logger.error("No answer: %s", error)
    return _failure(503, str(error), _AGAIN)


async def _no_such_address(request: Request, error: Exception) -> Response:
    return _failure(404, "There is nothing at this address: /api/docs lists what there is.")


async def _not_allowed(request: Request, error: Exception) -> Response:
    return _failure(405, "This address does not take such a request: /api/docs says which.")


async def _unexpected(request: Request, error: Exception) -> Response:
    return _failure(500, "Something went wrong in the server; its log says what.")
