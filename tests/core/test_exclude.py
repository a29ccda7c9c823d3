"""Exclude patterns as restic reads them. `tests/drill/test_exclude_real.py` asks restic itself."""

from __future__ import annotations

import pytest

from verifier.core.exclude import parse_excludes

ROOT = "/srv"


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.log", "/srv/a/b.log", True),
        ("*.log", "/srv/a/b.log.1", False),
        ("cache", "/srv/x/cache/y/z", True),
        ("cache", "/srv/x/.cache", False),
        ("cache/", "/srv/x/cache", True),
        ("a/c", "/srv/a/b/c", False),
        ("a/**/c", "/srv/a/b/b/c/d", True),
        ("a/**/c", "/srv/a/c", True),
        ("/a", "/srv/a", False),
        ("/srv/a", "/srv/a/b", True),
        ("/srv/a", "/srv/ab", False),
        ("/srv/*/b", "/srv/a/b", True),
        ("/srv/*/b", "/srv/a/a/b", False),
        ("/srv/a/**", "/srv/a", True),
        ("**", "/srv", True),
        ("data[0-9]", "/srv/data7", True),
        ("data[^0-9]", "/srv/data7", False),
        ("data[!0-9]", "/srv/datax", False),
        ("data[9-0]", "/srv/data5", False),
        ("a?b", "/srv/a/b", False),
        ("[^x]b", "/srv/a/b", False),
        (r"a\*b", "/srv/axb", False),
        (r"a\*b", "/srv/a*b", True),
        ("a?", "/srv/a\udcff", True),
        ("a?", "/srv/a\n", True),
        ("", "/srv/a", False),
    ],
)
def test_a_pattern_excludes_what_it_matches(pattern: str, path: str, *, expected: bool) -> None:
    assert expected == parse_excludes([pattern]).excluded(path, [ROOT])


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["*.tmp", "!keep.tmp"], "/srv/keep.tmp", False),
        (["*.tmp", "!keep.tmp"], "/srv/a.tmp", True),
        (["!keep.tmp", "*.tmp"], "/srv/keep.tmp", True),
        (["cache", "!cache/keep"], "/srv/cache/keep", True),
        (["/srv", "!/srv"], "/srv/a", False),
    ],
)
def test_the_last_match_decides_where_restic_arrives(
    patterns: list[str], path: str, *, expected: bool
) -> None:
    assert expected == parse_excludes(patterns).excluded(path, [ROOT])


def test_directories_above_a_root_are_not_asked() -> None:
    excludes = parse_excludes(["/srv", "!/srv/www"])

    assert excludes.excluded("/srv/www/a", ["/srv"])
    assert not excludes.excluded("/srv/www/a", ["/srv/www"])


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "[]", "[]a]", "[a-]", "[-a]", "a\\", "[^]", "[a-b-c]", "![a"]
)
def test_a_malformed_pattern_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(ValueError, match="malformed exclude pattern"):
        parse_excludes([pattern])
