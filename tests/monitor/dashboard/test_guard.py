"""What every answer carries, and who is answered at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitor.dashboard.ground import TOKEN, application, ask, terms
from verifier.monitor.dashboard.assets import assets
from verifier.monitor.dashboard.doors import doors
from verifier.monitor.dashboard.guard import Guard

PLACES = (
    "/",
    "/nothing",
    "/healthz",
    "/api/now",
    "/api/openapi.json",
    "/login",
    "/retention?host=x",
)


@pytest.fixture
def app(ordinary: Path) -> Guard:
    """A dashboard on loopback without a token."""
    return application(ordinary)


@pytest.fixture
def locked(ordinary: Path) -> Guard:
    """A dashboard with a token."""
    return application(ordinary, opens=doors("0.0.0.0", ("backups.example",), TOKEN))  # noqa: S104


@pytest.mark.parametrize("place", PLACES)
def test_every_answer_is_guarded(app: Guard, place: str) -> None:
    headers = ask(app, place).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "nosniff" == headers["x-content-type-options"]
    assert "same-origin" == headers["referrer-policy"]
    assert "no-store" == headers["cache-control"]
    assert "DENY" == headers["x-frame-options"]


def test_faults_are_guarded_too_and_tell_nothing(ordinary: Path) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a secret path")

    answer = ask(application(ordinary, terms(ledger=broken)), "/coverage")

    assert 500 == answer.status_code
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "a secret path" not in answer.text


def test_other_names_are_not_answered(app: Guard) -> None:
    for place in PLACES:
        answer = ask(app, place, host="evil.example:8642")

        assert 421 == answer.status_code
        assert "web1" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("place", ["/", "/api/now", "/login", "/logout", "/static/x", "/nothing"])
def test_nothing_can_be_changed(app: Guard, method: str, place: str) -> None:
    answer = ask(app, place, method)

    assert 405 == answer.status_code
    assert "GET, HEAD" == answer.headers["allow"]


def test_head_is_get_without_the_page(app: Guard) -> None:
    answer = ask(app, "/", "HEAD")

    assert 200 == answer.status_code
    assert b"" == answer.content


@pytest.mark.parametrize("place", ["/", "/durations", "/nothing", "/reports/1"])
def test_page_without_the_token_is_the_form(locked: Guard, place: str) -> None:
    answer = ask(locked, place)

    assert (303, "/login") == (answer.status_code, answer.headers["location"])


@pytest.mark.parametrize("place", ["/api/now", "/api/openapi.json", "/api/nothing", "/metrics"])
def test_program_without_the_token_is_told(locked: Guard, place: str) -> None:
    answer = ask(locked, place, headers={"Authorization": "Bearer wrong"})

    assert 401 == answer.status_code
    assert "Bearer" == answer.headers["www-authenticate"]
    assert "token" in answer.json()["error"]


def test_token_opens_pages_and_api(locked: Guard) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}

    assert "web1" in ask(locked, "/", headers=headers).text
    assert 200 == ask(locked, "/api/now", headers=headers).status_code


def test_what_stands_open_tells_nothing(locked: Guard) -> None:
    open_ones = ["/healthz", "/login", *assets()]

    for place in open_ones:
        answer = ask(locked, place)
        assert 200 == answer.status_code
        assert "web1" not in answer.text


def test_form_gives_a_cookie_that_no_script_can_read(locked: Guard) -> None:
    answer = ask(locked, "/login", "POST", content=f"token={TOKEN}".encode())

    assert (303, "/") == (answer.status_code, answer.headers["location"])
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert "Secure" not in cookie
    pair = cookie.partition(";")[0]
    assert 200 == ask(locked, "/", headers={"Cookie": pair}).status_code


def test_cookie_of_a_page_over_tls_is_secure(locked: Guard) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    answer = ask(locked, "/login", "POST", headers=headers, content=f"token={TOKEN}".encode())

    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"token=wrong", 401),
        (b"token=", 401),
        (b"", 401),
        (b"token=%ff%00", 401),
        (b"other=1", 401),
        (b"token=" + b"x" * 5_000, 413),
    ],
)
def test_wrong_token_gives_no_cookie(locked: Guard, content: bytes, status: int) -> None:
    answer = ask(locked, "/login", "POST", content=content)

    assert status == answer.status_code
    assert "set-cookie" not in answer.headers


def test_form_of_another_page_is_refused(locked: Guard) -> None:
    headers = {"Origin": "http://evil.example"}
    content = f"token={TOKEN}".encode()

    assert 403 == ask(locked, "/login", "POST", headers=headers, content=content).status_code
    headers["Authorization"] = f"Bearer {TOKEN}"
    assert 403 == ask(locked, "/logout", "POST", headers=headers).status_code


def test_leaving_takes_the_cookie_away(locked: Guard) -> None:
    app_doors = doors("0.0.0.0", (), TOKEN)  # noqa: S104
    headers = {"Cookie": f"restic-verify={app_doors.pass_word}"}
    answer = ask(locked, "/logout", "POST", headers=headers)

    assert (303, "/login") == (answer.status_code, answer.headers["location"])
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_assets_are_kept_for_ever_and_named_by_content(app: Guard) -> None:
    for path, asset in assets().items():
        answer = ask(app, path)
        assert "immutable" in answer.headers["cache-control"]
        assert asset.body == answer.content
    html = ask(app, "/").text
    used = [path for path in assets() if path in html]

    assert {"css", "svg"} == {path.rpartition(".")[2] for path in used}
    assert 404 == ask(app, "/static/style-0000.css").status_code
