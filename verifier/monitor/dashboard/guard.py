"""What every request passes and every answer carries, whatever page it is, errors included.

ASGI middleware around the whole application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from verifier.monitor.dashboard.doors import Doors, cookie_value

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing runs, nothing comes from elsewhere, and no other page may hold ours."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer` a browser says of our own forms, too, that they come from nowhere.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

FORMS = frozenset({"/login", "/logout"})
"""The only places that take anything; they change nothing but the reader's own cookie."""

OPEN = ("/healthz", "/login", "/static/")
"""What is answered without the token: none of it says anything of the history."""

FOR_PROGRAMS = ("/api/", "/metrics")
"""What is told that it lacks the token, and not sent to a form."""


class Guard:
    """Lets a request through, or answers in place of the page."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        assert scope["type"] == "http", "no websocket is routed, and the server speaks none"
        answer = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        self.refused += answer is not None
        await (answer or self._app)(scope, receive, send_guarded)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._doors.knows(hosts[0]):
            said = "This dashboard is not served under that name; host-names of [dashboard] has it."
            return PlainTextResponse(said + "\n", 421)
        takes_form = path in FORMS and self._doors.token is not None
        if method not in {"GET", "HEAD"} and not (takes_form and method == "POST"):
            return PlainTextResponse("Only GET and HEAD.\n", 405, {"Allow": "GET, HEAD"})
        if path.startswith(OPEN) or self._is_known(headers):
            return None
        if path.startswith(FOR_PROGRAMS):
            said = "the token is missing or wrong: send it as `Authorization: Bearer TOKEN`"
            return JSONResponse({"error": said}, 401, {"WWW-Authenticate": "Bearer"})
        return RedirectResponse("/login", 303)

    def _is_known(self, headers: Headers) -> bool:
        given = headers.getlist("authorization")
        cookies = "; ".join(headers.getlist("cookie"))
        return self._doors.opens(given[0] if len(given) == 1 else None, cookie_value(cookies))
