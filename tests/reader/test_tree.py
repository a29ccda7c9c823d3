from __future__ import annotations

import base64
import json
import os
import stat
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.core.tree import permissions
from verifier.reader.damage import Flaw
from verifier.reader.tree import parse_instant_ns, parse_tree, unquote

FIELDS = ["name", "type", "mode", "mtime", "uid", "content", "subtree", "linktarget_raw"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FIELDS, "extended_attributes", "value"]), inner)
    ),
    max_leaves=15,
)


def tree_json(**changes: object) -> bytes:
    node = {"name": "a", "type": "file", "content": None} | changes
    return json.dumps({"nodes": [node]}).encode()


def only(content: bytes):
    nodes = parse_tree(content)

    assert isinstance(nodes, tuple)
    assert len(nodes) == 1

    return nodes[0]


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        ("plain é", "plain é".encode()),
        (r"\a\b\f\n\r\t\v\\\"", b'\a\b\f\n\r\t\v\\"'),
        (r"latin-\xe9\xff", b"latin-\xe9\xff"),
        (r"\xc3\xa9", "é".encode()),
        (r"\u00ad\U000e0001", "\u00ad\U000e0001".encode()),
        (r"\377", b"\xff"),
        ("\ufffd", "\ufffd".encode()),
    ],
)
def test_names_are_unquoted_as_go_quotes_them(quoted, expected):
    found = unquote(quoted)

    assert found is not None
    assert expected == os.fsencode(found)


def test_lone_surrogate_is_read_as_go_reads_it():
    assert unquote("\ud800") == unquote("\ud800" + r"\n")[:-1] == "\ufffd"


@pytest.mark.parametrize("quoted", ["\\", r"\q", r"\x1", r"\ud800", r"\U00110000", r"\'"])
def test_what_go_never_writes_is_not_unquoted(quoted):
    assert unquote(quoted) is None


@given(st.text(max_size=30))
def test_no_text_crashes_unquoting(text):
    found = unquote(text)

    assert found is None or isinstance(os.fsencode(found), bytes)


@given(
    st.datetimes(timezones=st.integers(-840, 840).map(lambda m: timezone(timedelta(minutes=m)))),
    st.integers(0, 999),
)
def test_times_are_exact_to_the_nanosecond(at, nanoseconds):
    whole, _, offset = at.isoformat(timespec="microseconds").partition(".")
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    text = f"{whole}.{offset[:6]}{nanoseconds:03}{offset[6:]}"

    assert microseconds * 1000 + nanoseconds == parse_instant_ns(text)


def test_go_reaches_years_that_datetime_does_not():
    assert parse_instant_ns("0000-01-01T00:00:00Z") == -62_167_219_200 * 1_000_000_000
    assert parse_instant_ns("9999-12-31T23:59:59.999999999Z") == 253_402_300_799_999_999_999


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00",
        "\u0662024-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_none(text):
    assert parse_instant_ns(text) is None


def test_raw_link_target_outranks_the_readable_one():
    raw = base64.b64encode(b"gone-\xfe").decode()
    node = only(tree_json(type="symlink", linktarget="gone-\ufffd", linktarget_raw=raw))

    assert os.fsencode(node.linktarget) == b"gone-\xfe"


def test_attributes_keep_their_bytes():
    value = base64.b64encode(b"\x00\xff").decode()
    attributes = [{"name": "user.a", "value": value}, {"name": "user.b", "value": None}]

    assert only(tree_json(extended_attributes=attributes)).extended_attributes == (
        ("user.a", b"\x00\xff"),
        ("user.b", b""),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": ".."},
        {"name": "a/b"},
        {"name": r"a\x2fb"},
        {"name": r"a\x00"},
        {"name": 7},
        {"type": "other"},
        {"type": []},
        {"type": "dir"},
        {"subtree": "short"},
        {"content": ["short"]},
        {"content": "abc"},
        {"content": [None]},
        {"size": -1},
        {"size": 1 << 64},
        {"mode": "7"},
        {"mtime": "yesterday"},
        {"mtime": 7},
        {"linktarget_raw": "%"},
        {"extended_attributes": {"a": 1}},
        {"extended_attributes": [7]},
    ],
)
def test_node_of_another_shape_flaws_its_tree(changes):
    assert only(tree_json()).name == "a"
    assert isinstance(parse_tree(tree_json(**changes)), Flaw)


@given(JSON)
def test_no_json_crashes_the_tree_parser(document):
    parse_tree(json.dumps(document).encode())
    parse_tree(json.dumps({"nodes": [document]}).encode())
    if isinstance(document, dict):
        parse_tree(tree_json(**document))


@pytest.mark.parametrize(
    ("go", "expected"),
    [
        (0o644, 0o644),
        (1 << 31 | 1 << 20 | 0o777, 0o1777),
        (1 << 23 | 0o755, 0o4755),
        (1 << 22 | 0o755, 0o2755),
        (1 << 27 | 0o777, 0o777),
    ],
)
def test_go_modes_become_permission_bits(go, expected):
    assert expected == permissions(go) == stat.S_IMODE(permissions(go))
