"""The dashboard as an ASGI application: which path is which page, and how trouble looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from verifier.core.errors import CannotVerify
from verifier.monitor.dashboard import api, links, pages, pages_runs
from verifier.monitor.dashboard.assets import assets
from verifier.monitor.dashboard.guard import FOR_PROGRAMS, Guard
from verifier.monitor.dashboard.login import login, logout
from verifier.monitor.dashboard.openapi import openapi_text
from verifier.monitor.dashboard.parameters import Unfit, parse_query
from verifier.monitor.dashboard.shown import prepare, shown
from verifier.monitor.dashboard.site import Asked, NotFound, Site
from verifier.monitor.metrics import CONTENT_TYPE, exposition

PAGES: tuple[tuple[str, Callable[[Asked], str]], ...] = (
    (links.NOW, pages.now),
    (links.DURATIONS, pages_runs.durations),
    (links.CYCLES, pages_runs.cycles),
    (links.CYCLES + "/{number:int}", pages_runs.cycle),
    (links.COVERAGE, pages.coverage),
    (links.RETENTION, pages.retention),
    (links.REPORTS, pages.reports),
    (links.REPORTS + "/{number:int}", pages.report),
)

FOREVER = "public, max-age=31536000, immutable"
"""Of what has its content's digest in its name."""


def dashboard(site: Site) -> Guard:
    """Return the application."""
    prepare(site)
    openapi_text()
    # Around all of it, so that what answers for faults is guarded too.
    return Guard(_application(site), site.doors)


def _application(site: Site) -> Starlette:
    return Starlette(
        routes=[
            *(Route(path, partial(_page, site, make)) for path, make in PAGES),
            *(Route(one.path, partial(_answer, site, one.make)) for one in api.OPERATIONS),
            Route("/api/openapi.json", _described),
            Route("/metrics", partial(_metrics, site)),
            Route("/healthz", partial(_health, site)),
            Route("/login", partial(login, site), methods=["GET", "POST"]),
            Route("/logout", partial(logout, site), methods=["GET", "POST"]),
            Route("/static/{name}", _asset),
        ],
        exception_handlers={
            HTTPException: partial(_no_page, site),
            NotFound: partial(_trouble, site, 404),
            Unfit: partial(_trouble, site, 400),
            CannotVerify: partial(_unreadable, site),
            Exception: partial(_fault, site),
        },
    )


def _asked(site: Site, request: Request, make: Callable[[Asked], str]) -> str:
    with site.history() as history:
        number = request.path_params.get("number", 0)
        query = parse_query(request.scope["query_string"])
        return make(Asked(site, history, site.clock.now(), query, number))


def _page(site: Site, make: Callable[[Asked], str], request: Request) -> Response:
    return HTMLResponse(_asked(site, request, make))


def _answer(site: Site, make: Callable[[Asked], str], request: Request) -> Response:
    return Response(_asked(site, request, make), media_type="application/json")


def _metrics(site: Site, _request: Request) -> Response:
    with site.history() as history:
        text = exposition(site.terms.state(history, site.clock.now()))
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


def _health(site: Site, _request: Request) -> Response:
    # That the file can be opened and asked is all that is told to everybody.
    with site.history() as history:
        history.looked_at()
    return PlainTextResponse("ok\n")


async def _described(_request: Request) -> Response:
    return Response(openapi_text(), media_type="application/json")


async def _asset(request: Request) -> Response:
    found = assets().get(request.url.path)
    if found is None:
        raise HTTPException(404)
    return Response(found.body, media_type=found.media_type, headers={"Cache-Control": FOREVER})


def _trouble(site: Site, status: int, request: Request, error: Exception) -> Response:
    return _told(site, request, status, str(error))


def _unreadable(site: Site, request: Request, error: Exception) -> Response:
    assert isinstance(error, CannotVerify)
    return _told(site, request, 503, f"{error.subject}: {error.message}", error.remedy)


def _no_page(site: Site, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = "there is no such page" if error.status_code == 404 else error.detail
    answer = _told(site, request, error.status_code, said)
    answer.headers.update(error.headers or {})
    return answer


def _fault(site: Site, request: Request, error: Exception) -> Response:
    said = f"a fault of restic-verify itself: {type(error).__name__}"
    return _told(site, request, 500, said, "its standard error has more")


def _told(site: Site, request: Request, status: int, message: str, remedy: str = "") -> Response:
    if request.url.path.startswith((*FOR_PROGRAMS, "/healthz")):
        whole = f"{message}; {remedy}" if remedy else message
        return JSONResponse({"error": whole}, status)
    values = {"message": message, "remedy": remedy}
    title = _TITLES.get(status, "This cannot be shown")
    return HTMLResponse(shown(site, "trouble.html.j2", values, title=title), status)


_TITLES = {
    400: "This cannot be asked",
    404: "There is nothing here",
    503: "The history cannot be read",
}
