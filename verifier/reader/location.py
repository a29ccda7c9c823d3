"""Where a repository is, spelled as for `restic -r`, and how it is opened for reading.

Source: restic's documentation, "Preparing a new repository", and the parsers of its backends.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from verifier.core.errors import ToolMissing, UsageError, to_install
from verifier.reader.remote import Remote
from verifier.reader.storage import Folder, Storage

SUPPORTED = "a folder, sftp:user@host:/folder, sftp://user@host:port//folder, s3:host/bucket/folder"

_SCHEME = re.compile(r"[^/:]+(?=:)")


def open_storage(location: str, environ: Mapping[str, str]) -> Storage:
    """Open what a location names. Nothing is connected before it is first read.

    Args:
        location: as for `restic -r`: `/folder`, `local:`, `sftp:` or `s3:`.
        environ: where credentials of S3 come from, as for restic.

    Raises:
        UsageError: the location is misspelt, or of a kind that is not read here.
        ToolMissing: the libraries for this kind are not installed.
    """
    found = _SCHEME.match(location)
    scheme = found.group() if found else ""
    if scheme == "sftp":
        return _sftp(location)
    if scheme == "s3":
        return _s3(location, environ)
    path = location.removeprefix("local:")
    if (scheme and scheme != "local") or not path:
        raise UsageError(
            mask(location),
            "this kind of location is not read here" if scheme else "no location is given",
            f"give {SUPPORTED}; mount others with `rclone mount`",
        )
    return Folder(Path(path))


def mask(location: str) -> str:
    """Return a location without the password that a URL may carry."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", location)


def _sftp(location: str) -> Storage:
    user, host, port, folder = _parse_sftp(location)
    try:
        from verifier.reader.sftp import OpenSsh
    except ImportError as error:
        raise _missing("sftp", location) from error
    try_it = f"`sftp {f'-P {port} ' if port else ''}{f'{user}@' if user else ''}{host}`"
    return Remote(OpenSsh(host, user, port), folder, location, f"see that {try_it} works by itself")


def _parse_sftp(location: str) -> tuple[str, str, int | None, str]:
    if location.startswith("sftp://"):
        try:
            url = urlsplit(location)
            port = url.port
        except ValueError as error:
            raise _misspelt(location, str(error)) from error
        if url.password is not None:
            raise _misspelt(location, "a password cannot stand in it: ssh uses keys")
        address = unquote(url.netloc.removesuffix(f":{port}"))
        folder = unquote(url.path[1:])
    else:
        address, _, folder = location.removeprefix("sftp:").partition(":")
        port = None
    user, _, host = address.rpartition("@")
    host = host.strip("[]")
    if not host or host.startswith("-") or user.startswith("-"):
        raise _misspelt(location, "it names no host")
    if not folder or folder.startswith("~"):
        raise _misspelt(location, "it names no folder (one below the home directory has no ~)")
    return user, host, port, posixpath.normpath(folder)


def _s3(location: str, environ: Mapping[str, str]) -> Storage:
    address = location.removeprefix("s3:").removeprefix("//")
    scheme = "http" if address.startswith("http://") else "https"
    host, _, path = address.removeprefix(f"{scheme}://").partition("/")
    bucket, _, prefix = path.partition("/")
    if "@" in host:
        raise _misspelt(location, "credentials cannot stand in it: they come from AWS_…")
    if not host or not bucket:
        raise _misspelt(location, "it names no bucket")
    try:
        from verifier.reader.s3 import open_s3
    except ImportError as error:
        raise _missing("s3", location) from error
    folder = posixpath.normpath(prefix).strip("/") if prefix.strip("/") else ""
    root = f"{bucket}/{folder}" if folder else bucket
    return open_s3(location, f"{scheme}://{host}", root, environ)


def _misspelt(location: str, why: str) -> UsageError:
    return UsageError(mask(location), f"this location is misspelt: {why}", f"give {SUPPORTED}")


def _missing(extra: str, location: str) -> ToolMissing:
    return ToolMissing(
        mask(location),
        f"what reads {extra}: locations is not installed",
        to_install(extra),
    )
