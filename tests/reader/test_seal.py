from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.seal import OVERHEAD_BYTES, Keys, seal, unseal

KEYS = Keys(bytes(range(32)), bytes(range(16)), bytes(range(16, 32)))
NONCES = st.binary(min_size=16, max_size=16)


def test_tag_is_the_one_of_the_poly1305_aes_paper():
    """The first vector of D. J. Bernstein's paper, appendix B: message f3 f6."""
    key_k = bytes.fromhex("ec074c835580741701425b623235add6")
    key_r = bytes.fromhex("851fc40c3467ac0be05cc20404f3f700")
    nonce = bytes.fromhex("fb447350c4e868c52ac3275cf9d4327e")
    keys = Keys(bytes(32), key_k, key_r)
    plain_of_f3f6 = seal(bytes.fromhex("f3f6"), keys, nonce)[16:-16]
    keystream = bytes(a ^ b for a, b in zip(plain_of_f3f6, bytes.fromhex("f3f6"), strict=True))
    message = bytes(a ^ b for a, b in zip(keystream, bytes.fromhex("f3f6"), strict=True))
    sealed = seal(message, keys, nonce)

    assert bytes.fromhex("f3f6") == sealed[16:-16]
    assert bytes.fromhex("f4c633c3044fc145f84f335cb81953de") == sealed[-16:]


@given(st.binary(max_size=200), NONCES)
def test_what_is_sealed_unseals(message, nonce):
    sealed = seal(message, KEYS, nonce)

    assert len(message) + OVERHEAD_BYTES == len(sealed)
    assert message == unseal(sealed, KEYS)


@given(st.binary(max_size=60), NONCES, st.data())
def test_any_flipped_bit_fails_the_tag(message, nonce, data):
    sealed = bytearray(seal(message, KEYS, nonce))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8

    assert Flaw("fails its authentication tag") == unseal(bytes(sealed), KEYS)


def test_other_key_fails_the_tag():
    other = Keys(KEYS.encrypt, KEYS.mac_r, KEYS.mac_k)

    assert isinstance(unseal(seal(b"message", KEYS, bytes(16)), other), Flaw)


@given(st.binary(max_size=OVERHEAD_BYTES - 1))
def test_message_without_room_for_a_tag_is_flawed(sealed):
    assert isinstance(unseal(sealed, KEYS), Flaw)


def test_keys_do_not_show_themselves():
    assert repr(KEYS) == "Keys()"
