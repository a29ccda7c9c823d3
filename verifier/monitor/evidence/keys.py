"""The keys of signed reports: ed25519 in PEM, as openssl makes them.

    openssl genpkey -algorithm ed25519 -out evidence.pem
    openssl pkey -in evidence.pem -pubout -out evidence.pub.pem

Signing and the IDs of keys are securesystemslib's, the reading of PEM is pyca/cryptography's.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from verifier.core.errors import CannotVerify, ToolMissing, to_install

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_MAKE = "make one: openssl genpkey -algorithm ed25519 -out KEY.pem"
_DERIVE = "make it of the private one: openssl pkey -in KEY.pem -pubout -out PUBLIC.pem"
_LARGEST_BYTES = 1 << 20

Signer = Any
"""A `securesystemslib.signer.CryptoSigner`."""

PublicKey = Any
"""A `securesystemslib.signer.SSlibKey`."""


def signer_library() -> ModuleType:
    """Return securesystemslib's signers.

    Raises:
        ToolMissing: it is not installed.
    """
    try:
        from securesystemslib import signer
    except ImportError as error:
        message = "it is not installed"
        raise ToolMissing("securesystemslib", message, to_install("evidence")) from error
    found: ModuleType = signer
    return found


def private_key(path: Path) -> Signer:
    """Return what signs with the private key in a file that nobody else may read.

    Raises:
        CannotVerify: it cannot be read, others can read it, or it is no such key.
        ToolMissing: securesystemslib is not installed.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    library = signer_library()
    content = _read(path, "the key", private=True)
    try:
        key = load_pem_private_key(content, None)
    except TypeError as error:
        message, remedy = "the key is locked by a passphrase", f"give one without, or {_MAKE}"
        raise CannotVerify(str(path), message, remedy) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CannotVerify(str(path), "holds no private key in PEM", _MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"holds a key of another kind ({_kind(key.public_key())}), not ed25519"
        raise CannotVerify(str(path), message, _MAKE)
    return library.CryptoSigner(key)


def public_key(path: Path) -> PublicKey:
    """Return the public key in a file.

    Raises:
        CannotVerify: it cannot be read, or is no such key.
        ToolMissing: securesystemslib is not installed.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    library = signer_library()
    content = _read(path, "the public key", private=False)
    if b"PRIVATE KEY" in content:
        # Whoever hands the private one about has lost it, and should hear of that.
        raise CannotVerify(str(path), "holds a private key; a public one is wanted", _DERIVE)
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CannotVerify(str(path), "holds no public key in PEM", _DERIVE) from error
    if not isinstance(key, Ed25519PublicKey):
        message = f"holds a key of another kind ({_kind(key)}), not ed25519"
        raise CannotVerify(str(path), message, _DERIVE)
    return library.SSlibKey.from_crypto(key)


def _kind(key: PublicKeyTypes) -> str:
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


def _read(path: Path, what: str, *, private: bool) -> bytes:
    try:
        # A pipe in the place of a key must not be waited for.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except OSError as error:
        message = f"{what} cannot be read: {error.strerror}"
        remedy = "see that it is there and that this user may read it"
        raise CannotVerify(str(path), message, remedy) from error
    with file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise CannotVerify(str(path), "is no file", f"name the file that holds {what}")
        if private and state.st_mode & 0o077:
            mode = f"{stat.S_IMODE(state.st_mode):04o}"
            message = f"others may read or write the key (mode {mode}), so it proves nothing"
            raise CannotVerify(str(path), message, "chmod 600 it, and think of making a new one")
        return file.read(_LARGEST_BYTES)
