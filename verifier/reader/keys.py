"""Key files: JSON in which the master key is sealed under what scrypt makes of a password.

Source: restic's design document, "Keys, Encryption and MAC". Pure; `open_key` is slow on purpose,
the file says how slow, and a limit says how slow it may say.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Any

from verifier.reader.damage import Flaw
from verifier.reader.plain import parse_json
from verifier.reader.seal import ENCRYPT_BYTES, MAC_BYTES, Keys, unseal

MAX_SCRYPT_BLOCKS = 1 << 23
"""N x r: memory in units of 128 bytes, so 1 GiB. restic calibrates its keys to 60 MiB."""

MAX_SCRYPT_WORK = 1 << 25
"""N x r x p: about 15 s on a slow core. restic calibrates its keys to half a second."""

MAX_KEY_FILE_BYTES = 1 << 16
"""One key file; restic writes about 500 bytes."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One way into the repository: scrypt parameters, salt, and the sealed master key."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


def _bytes_of(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _parameters(document: dict[str, Any]) -> tuple[int, int, int] | None:
    n, r, p = document.get("N"), document.get("r"), document.get("p")
    if type(n) is not int or type(r) is not int or type(p) is not int:
        return None
    if n < 2 or n & (n - 1) or r < 1 or p < 1:
        return None
    return (n, r, p) if n * r <= MAX_SCRYPT_BLOCKS and n * r * p <= MAX_SCRYPT_WORK else None


def parse_key_file(stored: bytes) -> KeyFile | Flaw:
    """Parse a key file; nothing is derived yet."""
    # Not sealed and never compressed: anybody who can write into the repository made it.
    document = parse_json(stored)
    if isinstance(document, Flaw):
        return document
    if not isinstance(document, dict):
        return Flaw("is no JSON object")
    if document.get("kdf") != "scrypt":
        return Flaw("names a key derivation other than scrypt")
    parameters = _parameters(document)
    if parameters is None:
        return Flaw("asks for scrypt parameters that restic never writes")
    salt, sealed = _bytes_of(document.get("salt")), _bytes_of(document.get("data"))
    if not salt or not sealed:
        return Flaw("lacks its salt or its sealed master key")
    return KeyFile(*parameters, salt, sealed)


def derive(password: str, n: int, r: int, p: int, salt: bytes) -> Keys:
    """Derive the keys that a key file's master key is sealed under."""
    # OpenSSL counts its own scratch space against the limit, so it gets four blocks more.
    room_bytes = 128 * r * (n + p + 4)
    secret = password.encode(errors="surrogateescape")
    derived = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=room_bytes, dklen=64)
    return Keys(derived[:32], derived[32:48], derived[48:])


def parse_master_key(message: bytes) -> Keys | Flaw:
    """Parse an unsealed master key."""
    document = parse_json(message)
    if not isinstance(document, dict) or not isinstance(document.get("mac"), dict):
        return Flaw("holds a master key of an unknown shape")
    mac: dict[str, Any] = document["mac"]
    encrypt = _bytes_of(document.get("encrypt"))
    mac_k, mac_r = _bytes_of(mac.get("k")), _bytes_of(mac.get("r"))
    lengths = [len(part or b"") for part in (encrypt, mac_k, mac_r)]
    if lengths != [ENCRYPT_BYTES, MAC_BYTES, MAC_BYTES]:
        return Flaw("holds a master key of the wrong length")
    return Keys(encrypt or b"", mac_k or b"", mac_r or b"")


def open_key(file: KeyFile, password: str) -> Keys | Flaw:
    """Return the master key, or the flaw that a wrong password shows as."""
    message = unseal(file.sealed, derive(password, file.n, file.r, file.p, file.salt))
    return message if isinstance(message, Flaw) else parse_master_key(message)
