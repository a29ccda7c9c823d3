"""Nobody comes in who should not, by whatever name and header; whoever should, does."""

from __future__ import annotations

import pytest

from tests.monitor.dashboard.ground import TOKEN
from verifier.core.errors import UsageError
from verifier.monitor.dashboard.doors import cookie_value, doors, equal, foreign


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_loopback_needs_no_token(address: str) -> None:
    assert doors(address, (), None).opens(None, None)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.7.2", "10.0.0.1", "fe80::1"])  # noqa: S104
def test_address_that_others_reach_needs_a_token(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        doors(address, (), None)

    assert "nothing keeps them out" in caught.value.message
    assert "add a token" in caught.value.remedy
    assert not doors(address, (), TOKEN).opens(None, None)


def test_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(UsageError, match="can be guessed"):
        doors("127.0.0.1", (), "secret")


@pytest.mark.parametrize(
    ("address", "host", "known"),
    [
        ("127.0.0.1", "127.0.0.1:8642", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST:80", True),
        ("127.0.0.1", "[::1]:8642", True),
        ("127.0.0.1", "backups.example.org:443", True),
        ("127.0.0.1", "backups.example.org.", True),
        # A name that somebody made to point here.
        ("127.0.0.1", "evil.example:8642", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "evil.example#localhost", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "192.168.7.2", False),
        ("192.168.7.2", "192.168.7.2:8642", True),
        ("192.168.7.2", "192.168.7.3:8642", False),
        ("192.168.7.2", "localhost", False),
        ("0.0.0.0", "192.168.7.2", True),  # noqa: S104
        ("0.0.0.0", "[fe80::1]:8642", True),  # noqa: S104
        ("0.0.0.0", "evil.example", False),  # noqa: S104
    ],
)
def test_only_names_of_ours_are_known(address: str, host: str, known: bool) -> None:
    assert known is doors(address, ("backups.example.org",), TOKEN).knows(host)


@pytest.mark.parametrize(
    ("authorization", "opens"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Bearer {TOKEN}x", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer ", False),
        ("", False),
        (None, False),
    ],
)
def test_token_opens_as_a_bearers_alone(authorization: str | None, opens: bool) -> None:
    assert opens is doors("127.0.0.1", (), TOKEN).opens(authorization, None)


def test_cookie_opens_and_is_not_the_token() -> None:
    opened = doors("127.0.0.1", (), TOKEN)

    assert opened.opens(None, opened.pass_word)
    assert not opened.opens(None, TOKEN)
    assert not opened.opens(None, doors("127.0.0.1", (), TOKEN + "x").pass_word)
    assert TOKEN not in opened.pass_word


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("restic-verify=abc", "abc"),
        ("other=1; restic-verify=abc; last=2", "abc"),
        ("restic-verify=first; restic-verify=second", "first"),
        ("restic-verify", ""),
        ("xrestic-verify=abc", None),
        ("", None),
    ],
)
def test_cookie_is_found(header: str, value: str | None) -> None:
    assert value == cookie_value(header)


def test_texts_of_any_letters_are_compared() -> None:
    assert equal("\udcff", "\udcff")
    assert not equal("\udcff", "é")


@pytest.mark.parametrize(
    ("headers", "strange"),
    [
        ({"host": "localhost:1"}, False),
        ({"host": "localhost:1", "origin": "http://localhost:1"}, False),
        ({"host": "localhost:1", "sec-fetch-site": "same-origin"}, False),
        ({"host": "localhost:1", "origin": "http://localhost:2"}, True),
        ({"host": "localhost:1", "origin": "null"}, True),
        ({"host": "localhost:1", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_form_of_another_page_is_seen(headers: dict[str, str], strange: bool) -> None:
    assert strange is foreign(headers)
