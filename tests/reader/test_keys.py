from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.keys import (
    MAX_SCRYPT_BLOCKS,
    MAX_SCRYPT_WORK,
    KeyFile,
    derive,
    open_key,
    parse_key_file,
    parse_master_key,
)
from verifier.reader.seal import Keys, seal

PASSWORD = "p"
MASTER = Keys(b"e" * 32, b"k" * 16, b"r" * 16)


def text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def master_json(**changes: object) -> bytes:
    mac = {"k": text(MASTER.mac_k), "r": text(MASTER.mac_r)}
    return json.dumps({"mac": mac, "encrypt": text(MASTER.encrypt)} | changes).encode()


def key_file(**changes: object) -> bytes:
    sealed = seal(master_json(), derive(PASSWORD, 2, 8, 1, b"salt"), bytes(16))
    fields = {"kdf": "scrypt", "N": 2, "r": 8, "p": 1, "salt": text(b"salt"), "data": text(sealed)}
    return json.dumps(fields | changes).encode()


def opened(stored: bytes, password: str = PASSWORD) -> Keys | Flaw:
    file = parse_key_file(stored)

    assert isinstance(file, KeyFile)

    return open_key(file, password)


def test_right_password_gives_the_master_key():
    assert opened(key_file()) == MASTER


def test_wrong_password_gives_a_flaw():
    assert isinstance(opened(key_file(), "wrong"), Flaw)


def test_stock_parameters_of_restic_are_taken():
    assert isinstance(parse_key_file(key_file(N=32768, r=8, p=4)), KeyFile)
    assert isinstance(parse_key_file(key_file(N=1 << 18, r=8, p=10)), KeyFile)


@pytest.mark.parametrize(
    "changes",
    [
        {"N": 1 << 40},
        {"N": 2 * MAX_SCRYPT_BLOCKS // 8},
        {"p": MAX_SCRYPT_WORK},
        {"r": 1 << 40},
        {"N": 3},
        {"N": 1},
        {"N": 0},
        {"N": -2},
        {"N": True},
        {"N": 2.0},
        {"N": None},
        {"r": 0},
        {"p": 0},
        {"kdf": "argon2"},
        {"salt": ""},
        {"salt": "%%"},
        {"salt": "é"},
        {"data": None},
        {"data": 7},
    ],
)
def test_absurd_key_file_is_flawed_before_any_work(changes):
    assert isinstance(parse_key_file(key_file()), KeyFile)
    assert isinstance(parse_key_file(key_file(**changes)), Flaw)


@pytest.mark.parametrize(
    "changes", [{"encrypt": text(b"short")}, {"mac": None}, {"mac": {}}, {"encrypt": 1}]
)
def test_master_key_of_another_shape_is_flawed(changes):
    assert parse_master_key(master_json()) == MASTER
    assert isinstance(parse_master_key(master_json(**changes)), Flaw)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_key_parsers(stored):
    assert isinstance(parse_key_file(stored), Flaw)
    assert isinstance(parse_master_key(stored), Flaw)
