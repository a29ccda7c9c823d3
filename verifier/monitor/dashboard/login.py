"""The form for the token: what it is answered with, and the cookie that stands for it."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from verifier.monitor.dashboard.doors import COOKIE, equal, foreign
from verifier.monitor.dashboard.shown import shown
from verifier.monitor.dashboard.site import Site

FORM_LONGEST = 4_096
"""Bytes of a form; a token is far shorter."""

KEPT_S = 30 * 86_400
"""How long a browser keeps the cookie."""


async def login(site: Site, request: Request) -> Response:
    """Show the form, or take it."""
    if site.doors.token is None:
        return RedirectResponse("/", 303)
    if request.method != "POST":
        return _form(site)
    if foreign(request.headers):
        return _form(site, "This form was sent from another page.", 403)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_LONGEST:
            return _form(site, "That is too long for a token.", 413)
    given = parse_qs(body.decode("latin-1"), errors="surrogateescape").get("token", [""])[0]
    if not equal(given.strip(), site.doors.token):
        return _form(site, "That is not the token.", 401)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE,
        site.doors.pass_word,
        max_age=KEPT_S,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )
    return answer


async def logout(site: Site, request: Request) -> Response:
    """Take the cookie away."""
    if request.method == "POST" and foreign(request.headers):
        return _form(site, "This form was sent from another page.", 403)
    answer = RedirectResponse("/login" if request.method == "POST" else "/", 303)
    if request.method == "POST":
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))
    return answer


def _form(site: Site, wrong: str = "", status: int = 200) -> Response:
    html = shown(site, "login.html.j2", {"wrong": wrong, "leave": False}, title="Token")
    return HTMLResponse(html, status)


def _is_secure(request: Request) -> bool:
    # Who lies about it only keeps their own browser from sending the cookie.
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto")}
