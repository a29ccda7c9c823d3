"""S3 and what speaks like it, by way of s3fs; credentials are found as restic finds them."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError as TransferError
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed
from s3fs import S3FileSystem

from verifier.core.errors import RepositoryUnreadable
from verifier.reader.remote import Remote

CONNECT_S, READ_S = 10, 30

_REMEDY = (
    "look at the address, the bucket, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_DEFAULT_REGION"
)
_AMAZON = re.compile(r"s3(?:[.-](?:dualstack\.)?([a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?")


def open_s3(location: str, endpoint: str, root: str, environ: Mapping[str, str]) -> Remote:
    """Open a bucket, or a folder in one. Nothing is connected yet.

    Args:
        endpoint: the server's URL.
        root: `bucket` or `bucket/folder`.
        environ: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or else
            AWS_PROFILE in AWS_SHARED_CREDENTIALS_FILE; AWS_DEFAULT_REGION; RESTIC_CACERT. Without
            any the machine's own role is used.

    Raises:
        RepositoryUnreadable: the credentials file cannot be read.
    """
    # Signatures go with the object to the workers, who may have no such file or variable.
    files = S3FileSystem(
        **_credentials(environ),
        **_address(endpoint, environ),
        use_listings_cache=False,
    )
    return Remote(
        files,
        root,
        location,
        _REMEDY,
        transient=(HTTPClientError, ConnectionFailed, TransferError),
        final=(BotoCoreError, ClientError),
    )


def _address(endpoint: str, environ: Mapping[str, str]) -> dict[str, Any]:
    amazon = _AMAZON.fullmatch(urlsplit(endpoint).hostname or "")
    region = environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION")
    region = region or (amazon.group(1) if amazon else None)
    client: dict[str, Any] = {"region_name": region} if region else {}
    if environ.get("RESTIC_CACERT"):
        client["verify"] = environ["RESTIC_CACERT"]
    return {
        # Amazon's own address leads to the bucket's region only when none is given.
        "endpoint_url": None if amazon and not amazon.group(1) else endpoint,
        "client_kwargs": client,
        "config_kwargs": {
            "connect_timeout": CONNECT_S,
            "read_timeout": READ_S,
            # `Remote` asks again, with one time limit for all.
            "retries": {"max_attempts": 0},
            "s3": {"addressing_style": "virtual" if amazon else "path"},
        },
    }


def _credentials(environ: Mapping[str, str]) -> dict[str, str]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    found: Mapping[str, str] = {name.lower(): environ[name] for name in names if environ.get(name)}
    if "aws_access_key_id" not in found:
        found = _profile(environ)
    words = {
        "key": "aws_access_key_id",
        "secret": "aws_secret_access_key",
        "token": "aws_session_token",
    }
    return {word: found[name] for word, name in words.items() if name in found}


def _profile(environ: Mapping[str, str]) -> Mapping[str, str]:
    home = Path(environ.get("HOME") or "/")
    file = environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"
    profiles = configparser.RawConfigParser()
    try:
        profiles.read_string(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # Its text holds secrets, and so may the error's.
        raise RepositoryUnreadable(
            str(file),
            f"the credentials in it cannot be read ({type(error).__name__})",
            "look at AWS_SHARED_CREDENTIALS_FILE and the file's rights",
        ) from None
    name = environ.get("AWS_PROFILE") or "default"
    return dict(profiles[name]) if profiles.has_section(name) else {}
