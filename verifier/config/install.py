"""The tables of `verify.toml` about how production is set up: who mounts what, and the remote.

Nothing here holds a secret: an option that would is refused, with where it belongs instead.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from verifier.config.table import Table, tables
from verifier.config.values import Text, unfit

_REMOTE = re.compile(r"(?P<remote>[A-Za-z0-9_][\w.+@ -]*):(?P<path>.*)")

Capability = Literal["file", "ambient"]
"""How restic gets the right to read every file: by its file, or by who starts it."""

_OPTION = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"""[^\s"'`](?:(?!%\().)*(?<!\s)""")
"""What rclone reads as it stands: no quotes around it, no `%(name)s` in it."""

_TYPE = re.compile(r"[a-z0-9]+(?: [a-z0-9]+)*")
_SECRET = frozenset(
    {"credentials", "key", "keys", "pass", "passphrase", "password", "password2", "pem", "sas"}
    | {"secret", "signature", "token"}
)
_HARMLESS = frozenset({"file", "id", "type", "path"})
"""Last words of options that name where a secret is, or which: `key_file`, `sse_kms_key_id`."""

_ADDRESS = re.compile(r"[A-Za-z0-9.:_*?@/\[\]-]+")


def split_remote(target: str) -> tuple[str, str]:
    """Return the name of rclone's remote and the path in it; no name where it is a folder."""
    found = _REMOTE.fullmatch(target)
    return (found["remote"], found["path"]) if found else ("", "")


def is_mountable(path: str) -> bool:
    """Say whether a mount unit can have it: a full path below the root, of one line."""
    plain = path.isprintable() and path == path.strip() and not path.endswith("\\")
    return plain and path[:1] == "/" != path[1:2] and posixpath.normpath(path) == path != "/"


def is_secret(option: str) -> bool:
    """Say whether an option of rclone's holds a secret, by its name."""
    words = option.split("_")
    return bool(_SECRET & set(words)) and words[-1] not in _HARMLESS


def _plain_option(key: Any, value: Any) -> tuple[str, str]:
    if not isinstance(key, str) or not _OPTION.fullmatch(key):
        raise unfit("options as rclone spells them", f"write {key!r} in small letters and `_`")
    if is_secret(key):
        remedy = "give it in /etc/restic-verify/environment, as RCLONE_CONFIG_REMOTE_OPTION=…"
        raise unfit(f"options without a secret, and {key} is one", remedy)
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or not value.isprintable():
        raise unfit("options whose values are texts of one line", f'write {key} = "value"')
    return key, value


def _options(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise unfit("a table of texts", 'write { provider = "Other" }')
    return dict(_plain_option(*item) for item in value.items())


def _client(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or value.startswith("-"):
        remedy = 'write it as "web1", "192.168.56.11" or "192.168.56.0/24"'
        raise unfit("a host, an address or a network, as exports(5) takes it", remedy)
    return value


def _kind(value: str) -> str:
    if not _TYPE.fullmatch(value):
        raise unfit("rclone's word for a kind of store", 'write it as "s3", or as "sftp"')
    return value


Options = Annotated[Mapping[str, str], BeforeValidator(_options)]
Client = Annotated[Text, AfterValidator(_client)]


class Remote(Table):
    """What rclone is told of the remote that `offsite.target` names.

    Attributes:
        type: rclone's word for the kind of store.
        options: further ones of that kind; `env_auth` need not be said.
    """

    type: Annotated[Text, AfterValidator(_kind)]
    options: Options = Field(default_factory=dict)


class Nfs(Table):
    """The repository's folder, exported by the coordinator and mounted by the hosts.

    Attributes:
        server: where the hosts find the coordinator; its name where none is given.
        clients: who may mount it; the hosts' addresses where none are given.
    """

    server: Client | None = None
    clients: Annotated[tuple[Client, ...], BeforeValidator(tables)] = ()
