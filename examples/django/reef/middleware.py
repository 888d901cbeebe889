"""What holds for every page."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

Handler = Callable[[HttpRequest], HttpResponse]
# A table of labels, and the form's other fields.
_BESIDE_THE_PHOTOGRAPH = 2_500_000
_MOST_READ = 200_000_000
_PART = 2**16
_POLICY = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"


def nothing_from_elsewhere(get_response: Handler) -> Handler:
    """Let the browser load nothing from another site, and run no script."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = _POLICY
        return response

    return answer


def bounded_uploads(get_response: Handler) -> Handler:
    """Refuse a body that is too large by its announced size, before anything of it is kept."""

    def answer(request: HttpRequest) -> HttpResponse:
        given = str(request.META.get("CONTENT_LENGTH"))
        length = int(given) if given.isdecimal() else 0
        if length <= settings.REEF_MOST_BYTES + _BESIDE_THE_PHOTOGRAPH:
            return get_response(request)
        # A browser shows no answer before it has sent all: what is not absurd is read, and dropped.
        for _ in range(min(length, _MOST_READ) // _PART + 1):
            request.read(_PART)
        sentence = (
            f"The upload has {length / 1e6:.0f} MB, and a photograph may have "
            f"{settings.REEF_MOST_BYTES / 1e6:.0f} MB: make it smaller."
        )
        return render(request, "reef/refused.html", {"sentence": sentence}, status=413)

    return answer
