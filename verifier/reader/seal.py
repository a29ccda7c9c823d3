"""Sealed messages: `nonce(16) | ciphertext | tag(16)`, AES-256-CTR with Poly1305-AES.

Source: restic's design document, "Keys, Encryption and MAC". Pure: bytes and keys in, bytes or a
flaw out. The tag is always checked before anything is decrypted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from verifier.reader.damage import Flaw

NONCE_BYTES = 16
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES
"""What sealing adds to a message."""

ENCRYPT_BYTES = 32
MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """One key triple: a repository's master key, or what a password derives to."""

    encrypt: bytes = field(repr=False)
    mac_k: bytes = field(repr=False)
    mac_r: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert len(self.encrypt) == ENCRYPT_BYTES, "AES-256 takes 32 bytes"
        assert len(self.mac_k) == len(self.mac_r) == MAC_BYTES, "Poly1305-AES takes 16 and 16"


def _authenticator(nonce: bytes, keys: Keys) -> Poly1305:
    # The one-time key is r, then AES of the nonce; OpenSSL masks r as Poly1305 asks.
    aes = Cipher(algorithms.AES(keys.mac_k), modes.ECB()).encryptor()  # noqa: S305 one block only
    return Poly1305(keys.mac_r + aes.update(nonce))


def _keystream(message: bytes, nonce: bytes, keys: Keys) -> bytes:
    # Counter mode: the same operation encrypts and decrypts.
    return Cipher(algorithms.AES(keys.encrypt), modes.CTR(nonce)).encryptor().update(message)


def unseal(sealed: bytes, keys: Keys) -> bytes | Flaw:
    """Check a message's tag and decrypt it."""
    if len(sealed) < OVERHEAD_BYTES:
        return Flaw(f"holds {len(sealed)} bytes where nonce and tag alone take {OVERHEAD_BYTES}")
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:-TAG_BYTES]
    check = _authenticator(nonce, keys)
    check.update(ciphertext)
    try:
        check.verify(sealed[-TAG_BYTES:])
    except InvalidSignature:
        return Flaw("fails its authentication tag")
    return _keystream(ciphertext, nonce, keys)


def seal(message: bytes, keys: Keys, nonce: bytes) -> bytes:
    """Encrypt a message and add its tag. A nonce must never be used twice under one key."""
    assert len(nonce) == NONCE_BYTES, "a nonce has 16 bytes"
    ciphertext = _keystream(message, nonce, keys)
    tag = _authenticator(nonce, keys)
    tag.update(ciphertext)
    return nonce + ciphertext + tag.finalize()
