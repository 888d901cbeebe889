"""The server's addresses, and what each answers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from spacer_like.exceptions import DataNotFoundError, SpacerInputError, TransientError
from spacer_like.http_server.pages import Page
from spacer_like.tile_server import addresses, pages, places_routes
from spacer_like.tile_server.addresses import LastPart
from spacer_like.tile_server.description import tile_json, tile_matrix_set, tile_matrix_sets, tree_json
from spacer_like.tile_server.renderer import Renderer

if TYPE_CHECKING:
    from spacer_like.tile_server.footprint import Footprint
    from spacer_like.tile_server.places import Places
    from spacer_like.tile_server.raster_index import LiveRasters
    from spacer_like.tile_server.renderer import Format
    from spacer_like.tile_server.tree_index import LiveTree

logger = logging.getLogger(__name__)
router = APIRouter()
_READING = ["GET", "HEAD"]
_SECONDS_KEPT = 300


def make_app(
    tree: LiveTree | LiveRasters,
    n_threads: int = 4,
    origins: list[str] | None = None,
    places: Places | None = None,
) -> FastAPI:
    """The server of a tree of tiles, or of rasters.

    Args:
        n_threads: how many tiles are made at once.
        origins: of web pages elsewhere that may read what this server says; ``*``: any.
        places: chips that people look for by example on the map; None: there are none.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.renderer = Renderer(lambda: tree.index, n_threads)
        tree.start()
        try:
            yield
        finally:
            tree.stop()
            if places is not None:
                places.close()
            await asyncio.to_thread(app.state.renderer.close)

    # The pages of documentation that FastAPI makes load scripts from elsewhere.
    app = FastAPI(title="spacer_like tiles", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.tree = tree
    app.state.places = places
    app.include_router(router)
    if places is not None:
        app.include_router(places_routes.router)
    app.middleware("http")(_plain_headers)
    app.exception_handler(Exception)(_unexpected)
    app.exception_handler(SpacerInputError)(_refused)
    app.exception_handler(TransientError)(_unavailable)
    app.exception_handler(404)(_no_such_address)
    app.exception_handler(405)(_not_allowed)
    if origins:
        from fastapi.middleware.cors import CORSMiddleware

        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=_READING)
    return app


@router.api_route("/", methods=_READING, response_class=HTMLResponse)
async def map_page(request: Request) -> Response:
    """A map."""
    return _page(pages.map_page(request.app.state.places is not None))


@router.api_route("/list", methods=_READING, response_class=HTMLResponse)
async def list_page(request: Request) -> Response:
    """A page that lists the tree."""
    return _page(pages.list_page(_tree(request)))


@router.api_route("/tree.json", methods=_READING)
async def tree_description(request: Request) -> Response:
    """The contents of the tree as JSON."""
    return _json(tree_json(_tree(request).index))


@router.api_route("/tilejson.json", methods=_READING)
async def tile_json_description(
    request: Request, format: str = "", acquisition: str | None = None, only: str | None = None, scheme: str = "xyz"
) -> Response:
    """TileJSON of the tiles in Web Mercator, for map programs."""
    index = _tree(request).index
    LastPart.parse(f"0.{format}" if format else "0")
    choice = addresses.choice(index, acquisition, only)
    folder = {"xyz": "tiles", "tms": "tms"}.get(scheme)
    if folder is None:
        raise SpacerInputError("The parameter scheme must be xyz or tms.")
    ending = f".{format}" if format else ""
    query = f"?acquisition={choice.acquisition}" + ("&only=true" if choice.only else "") if choice.acquisition else ""
    template = f"{request.base_url}{folder}/{{z}}/{{x}}/{{y}}{ending}{query}"
    return _json(tile_json(index, template, scheme))


@router.api_route("/tileMatrixSets", methods=_READING)
async def grids(request: Request) -> Response:
    """The grids that there are tiles in."""
    names = tile_matrix_sets(_tree(request).index)
    links = {name: f"{request.base_url}tileMatrixSets/{name}" for name in names}
    return _json(
        {
            "tileMatrixSets": [
                {"id": name, "links": [{"rel": "self", "type": "application/json", "href": link}]}
                for name, link in links.items()
            ]
        }
    )


@router.api_route("/tileMatrixSets/{name}", methods=_READING)
async def grid(request: Request, name: str) -> Response:
    """A grid as an OGC TileMatrixSet."""
    return _json(tile_matrix_set(_tree(request).index, name))


@router.api_route("/tiles/{zoom}/{column}/{last}", methods=_READING)
async def xyz_tile(
    request: Request, zoom: str, column: str, last: str, acquisition: str | None = None, only: str | None = None
) -> Response:
    """A tile in Web Mercator; rows are counted from the north."""
    part = LastPart.parse(last)
    return await _tile(request, addresses.web_tile(zoom, column, part), part.format, acquisition, only)


@router.api_route("/tms/{zoom}/{column}/{last}", methods=_READING)
async def tms_tile(
    request: Request, zoom: str, column: str, last: str, acquisition: str | None = None, only: str | None = None
) -> Response:
    """A tile in Web Mercator; rows are counted from the south."""
    part = LastPart.parse(last)
    return await _tile(request, addresses.web_tile(zoom, column, part, True), part.format, acquisition, only)


@router.api_route("/zones/{zone}/{last}", methods=_READING)
async def tile_by_quadkey(
    request: Request, zone: str, last: str, acquisition: str | None = None, only: str | None = None
) -> Response:
    """A cell of a zone's own grid, by its quadkey."""
    part = LastPart.parse(last)
    return await _tile(request, addresses.quadkey_tile(zone, part), part.format, acquisition, only)


@router.api_route("/zones/{zone}/{zoom}/{column}/{last}", methods=_READING)
async def zone_tile(
    request: Request,
    zone: str,
    zoom: str,
    column: str,
    last: str,
    acquisition: str | None = None,
    only: str | None = None,
) -> Response:
    """A cell of a zone's own grid; rows are counted from the north."""
    part = LastPart.parse(last)
    return await _tile(request, addresses.zone_tile(zone, zoom, column, part), part.format, acquisition, only)


async def _tile(
    request: Request, footprint: Footprint, format: Format | None, acquisition: str | None, only: str | None
) -> Response:
    choice = addresses.choice(_tree(request).index, acquisition, only)
    # Browsers take WebP, which is a third of a PNG; other programs may not.
    transparent: Format = "webp" if "image/webp" in request.headers.get("accept", "") else "png"
    renderer: Renderer = request.app.state.renderer
    made = await asyncio.wrap_future(renderer.submit(footprint, choice, format, transparent))
    headers = {"X-Tile-Way": made.way, "Vary": "Accept"}
    if not made.is_sure:
        return Response(made.data, media_type=made.media_type, headers=headers | {"Cache-Control": "no-store"})
    return _kept(request, made.data, made.media_type, headers)


def _kept(request: Request, data: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """An answer that may be kept for a while, or that what was kept is still right."""
    tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    headers = headers | {"Cache-Control": f"public, max-age={_SECONDS_KEPT}", "ETag": tag}
    known = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def _tree(request: Request) -> LiveTree | LiveRasters:
    tree: LiveTree | LiveRasters = request.app.state.tree
    return tree


def _json(value: object) -> Response:
    return JSONResponse(value, headers={"Cache-Control": "no-cache"})


def _page(page: Page) -> Response:
    headers = {"Content-Security-Policy": page.policy, "Cache-Control": "no-cache"}
    return HTMLResponse(page.html, headers=headers)


async def _plain_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _failure(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": sentence}, status, {"Cache-Control": "no-store"} | (headers or {}))


async def _refused(request: Request, error: Exception) -> Response:
    return _failure(404 if isinstance(error, DataNotFoundError) else 400, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    return _failure(503, str(error), {"Retry-After": "10"})


async def _no_such_address(request: Request, error: Exception) -> Response:
    return _failure(404, "There is nothing at this address.")


async def _not_allowed(request: Request, error: Exception) -> Response:
    return _failure(405, "The server only shows what is there.", {"Allow": ", ".join(_READING)})


async def _unexpected(request: Request, error: Exception) -> Response:
    return _failure(500, "Something went wrong in the server; its log says what.")
