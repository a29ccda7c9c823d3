"""Sealed messages: `nonce(16) | ciphertext | tag(16)`, AES-256-CTR with Poly1305-AES.

Source: restic's design document, "Keys, Encryption and MAC". Pure: bytes and keys in, bytes or a
flaw out. The tag is always checked before anything is decrypted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
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


Message = bytes | memoryview
"""Sealed bytes are cut out of packs without a copy."""


class Unsealer:
    """Unseals many messages under one key triple. Not for two threads at once.

    What a message alone does not need is set up once: a small blob then costs a tenth.
    """

    def __init__(self, keys: Keys) -> None:
        self._mac_r = keys.mac_r
        self._mask = _block_cipher(keys)
        # Counter mode: the same operation encrypts and decrypts.
        counter = Cipher(algorithms.AES(keys.encrypt), modes.CTR(bytes(NONCE_BYTES)))
        self._keystream = counter.encryptor()

    def unseal(self, sealed: Message) -> bytes | Flaw:
        """Check a message's tag and decrypt it."""
        if len(sealed) < OVERHEAD_BYTES:
            return Flaw(
                f"holds {len(sealed)} bytes where nonce and tag alone take {OVERHEAD_BYTES}"
            )
        view = memoryview(sealed)
        nonce, ciphertext = bytes(view[:NONCE_BYTES]), view[NONCE_BYTES:-TAG_BYTES]
        try:
            key = self._mac_r + self._mask.update(nonce)
            Poly1305.verify_tag(key, ciphertext, bytes(view[-TAG_BYTES:]))
        except InvalidSignature:
            return Flaw("fails its authentication tag")
        self._keystream.reset_nonce(nonce)
        return self._keystream.update(ciphertext)


def unseal(sealed: Message, keys: Keys) -> bytes | Flaw:
    """Check one message's tag and decrypt it."""
    return Unsealer(keys).unseal(sealed)


def seal(message: bytes, keys: Keys, nonce: bytes) -> bytes:
    """Encrypt a message and add its tag. A nonce must never be used twice under one key."""
    assert len(nonce) == NONCE_BYTES, "a nonce has 16 bytes"
    cipher = Cipher(algorithms.AES(keys.encrypt), modes.CTR(nonce))
    ciphertext = cipher.encryptor().update(message)
    tag = Poly1305.generate_tag(keys.mac_r + _block_cipher(keys).update(nonce), ciphertext)
    return nonce + ciphertext + tag


def _block_cipher(keys: Keys) -> CipherContext:
    # Poly1305's one-time key is r, then AES of the nonce; OpenSSL masks r as Poly1305 asks.
    aes = Cipher(algorithms.AES(keys.mac_k), modes.ECB())  # noqa: S305 one block a message only
    return aes.encryptor()
