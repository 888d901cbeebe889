"""The server's addresses for places by example."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from spacer_like.exceptions import DataNotFoundError, MessageError
from spacer_like.tile_server.places import MOST_BODY

if TYPE_CHECKING:
    from spacer_like.tile_server.places import Places

router = APIRouter()
_READING = ["GET", "HEAD"]
_NUMBER = re.compile(r"([0-9]{1,9})\.(jpg|json)", re.ASCII)


@router.api_route("/places.json", methods=_READING)
async def state(request: Request) -> Response:
    """The answers so far, and the ranking."""
    return _json(await asyncio.to_thread(_places(request).state))


@router.api_route("/places/outlines", methods=_READING)
async def outlines(request: Request) -> Response:
    """The corners of all chips: float32 [n, 4, 2], little-endian, metres of Web Mercator from the origin."""
    return Response(_places(request).outlines, media_type="application/octet-stream", headers=_kept("no-cache"))


@router.api_route("/places/{last}", methods=_READING)
async def chip(request: Request, last: str) -> Response:
    """A chip's picture, or its name, by its number."""
    found = _NUMBER.fullmatch(last)
    if found is None:
        raise DataNotFoundError("There is nothing at this address.")
    number = int(found[1])
    if found[2] == "json":
        return _json({"name": _places(request).name(number)})
    data = await asyncio.to_thread(_places(request).picture, number)
    return Response(data, media_type="image/jpeg", headers=_kept("private, max-age=300"))


@router.post("/places/marks")
async def mark(request: Request) -> Response:
    """Put answers ``{"marks": [[chip, true or false], ...]}`` in place of all earlier ones, and rank."""
    marks = _marks(await _body(request))
    return _json(await asyncio.to_thread(_places(request).mark, marks))


@router.post("/places/answer")
async def write(request: Request) -> Response:
    """Write the ranking as GeoParquet and as maps."""
    await _body(request)
    return _json({"files": await asyncio.to_thread(_places(request).write)})


def _places(request: Request) -> Places:
    places: Places = request.app.state.places
    return places


async def _body(request: Request) -> Any:
    """The JSON of a request, which no page of another server can have sent.

    Raises:
        MessageError: it is none, is too long, or comes from elsewhere.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise MessageError("Answers are taken from the map's own page alone.")
    # Of other kinds a browser sends what a page elsewhere makes it send, without asking.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise MessageError("Answers are JSON: the Content-Type must be application/json.")
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BODY:
            raise MessageError(f"The request is longer than {MOST_BODY:,} bytes.")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise MessageError("The request is no JSON.") from None


def _marks(body: Any) -> dict[int, bool]:
    given = body.get("marks") if isinstance(body, dict) else None
    if not isinstance(given, list) or not all(
        isinstance(one, list) and len(one) == 2 and type(one[0]) is int and type(one[1]) is bool for one in given
    ):
        raise MessageError('Answers must be {"marks": [[chip, true or false], ...]} with the chips\' numbers.')
    return dict(given)


def _json(value: object) -> Response:
    return JSONResponse(value, headers=_kept("no-store"))


def _kept(how: str) -> dict[str, str]:
    return {"Cache-Control": how}
