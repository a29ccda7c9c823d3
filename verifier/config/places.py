"""What a location of a repository or copy gives away, and whether it depends on who reads it.

Source: restic's `internal/backend/location`, and rclone's connection strings.
"""

from __future__ import annotations

import re

from verifier.config.install import is_secret, split_remote

_PASSWORD = re.compile(r"(\w://[^/:]*):[^/]*@")
_OPTION = re.compile(r"(?<=,)([a-z0-9_]+)=([^,:]*)")
_KIND = re.compile(r"(sftp|s3|gs|azure|swift|b2|rest|rclone):")


def holds_secret(location: str) -> bool:
    """Say whether a URL's password stands in it, or an option of rclone's that is a secret."""
    return bool(_PASSWORD.search(location)) or any(
        is_secret(option) for option, _ in _OPTION.findall(location)
    )


def mask(text: str) -> str:
    """Return a text without the secrets that a location in it carries."""
    text = _PASSWORD.sub(r"\1:***@", text)
    return _OPTION.sub(lambda it: f"{it[1]}=***" if is_secret(it[1]) else it[0], text)


def is_anywhere(location: str) -> bool:
    """Say whether it is the same place whoever is told it: far away, or a full path."""
    return location.startswith("/") or bool(_KIND.match(location))


def is_target(target: str) -> bool:
    """Say the same of what rclone is told: a remote, or a full path."""
    return target.startswith(("/", ":")) or bool(split_remote(target)[0])
