"""Who may come in, and by which name: pure decisions on headers that anybody may have written.

A page on loopback is still within reach of every site that its reader's browser visits: by a name
that is made to point here (DNS rebinding). So the name that was asked for is looked at first.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from verifier.core.errors import UsageError

COOKIE = "restic-verify"
"""The name of the cookie that stands for the token."""

TOKEN_LEAST = 16
"""Letters of a token that can still be guessed by nobody."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Doors:
    """What a request has to know to be answered.

    Attributes:
        names: in lower case, without ports.
        any_address: whether every address is a good name: one cannot be made to point elsewhere.
        token: what every request carries; None where only this machine can ask.
    """

    names: frozenset[str]
    any_address: bool
    token: str | None

    def knows(self, host: str) -> bool:
        """Say whether a `Host` header names this dashboard."""
        name = host_name(host)
        return name in self.names or (self.any_address and _is_address(name))

    def opens(self, authorization: str | None, cookie: str | None) -> bool:
        """Say whether a request carries the token, or the cookie that stands for it."""
        if self.token is None:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and equal(given.strip(), self.token):
            return True
        return cookie is not None and equal(cookie, self.pass_word)

    @property
    def pass_word(self) -> str:
        """What the cookie holds: it follows from the token, and does not give it away."""
        assert self.token is not None, "without a token there is no cookie"
        return hmac.new(self.token.encode(), b"restic-verify dashboard", hashlib.sha256).hexdigest()


def doors(address: str, host_names: Iterable[str], token: str | None) -> Doors:
    """Return the doors of a dashboard that listens on an address.

    Raises:
        UsageError: others could reach it without a token, or the token is easily guessed.
    """
    listens = ip_address(address)
    if token is None and not listens.is_loopback:
        message = "others can reach this address, and nothing keeps them out"
        remedy = "add a token to [dashboard], or listen on 127.0.0.1"
        raise UsageError(f"--listen {address}", message, remedy)
    if token is not None and len(token) < TOKEN_LEAST:
        message = f"is shorter than {TOKEN_LEAST} letters, and can be guessed"
        raise UsageError("dashboard.token", message, "make one: openssl rand -hex 24")
    names = {name.lower() for name in host_names} | {str(listens)}
    if listens.is_loopback or listens.is_unspecified:
        names |= _LOOPBACK
    return Doors(frozenset(names), listens.is_unspecified, token)


def equal(given: str, wanted: str) -> bool:
    """Compare two texts in a time that tells nothing of either."""
    digests = [hashlib.sha256(t.encode(errors="surrogatepass")).digest() for t in (given, wanted)]
    return hmac.compare_digest(*digests)


def host_name(host: str) -> str:
    """Return the name or address in a `Host` header, in lower case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def cookie_value(header: str, name: str = COOKIE) -> str | None:
    """Return the value of a cookie in a `Cookie` header; of several with its name, the first."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None


def foreign(headers: Mapping[str, str]) -> bool:
    """Say whether a form was sent from a page that is none of ours.

    Args:
        headers: by their names in lower case.
    """
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    if origin is None:
        return site not in {"same-origin", "none"}
    return origin.partition("://")[2] != headers.get("host")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
