"""What is written as TOML is read as the same, whatever it holds."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.config.write import (
    WIDTH,
    toml_comment,
    toml_commented,
    toml_pair,
    toml_text,
    toml_texts,
)

texts = st.text(st.characters(exclude_categories=("Cs",)))


@given(texts)
def test_a_text_is_read_as_it_was(text: str) -> None:
    assert {"key": text} == tomllib.loads(f"key = {toml_text(text)}")
    assert toml_text(text).isprintable()


@given(st.lists(texts))
def test_a_list_is_read_as_it_was(values: list[str]) -> None:
    assert {"key": values} == tomllib.loads(toml_pair("key", values))


@given(texts)
def test_a_comment_stays_one(text: str) -> None:
    assert {} == tomllib.loads(toml_comment(text))
    assert {} == tomllib.loads(toml_commented(toml_pair("key", text)))


@pytest.mark.parametrize("value", [True, False, 0, 30])
def test_numbers_and_truth_are_written_plain(value: bool | int) -> None:
    assert {"key": value} == tomllib.loads(toml_pair("key", value))


def test_a_long_list_has_a_line_for_each() -> None:
    long = [f"/srv/{number}" for number in range(20)]

    assert 1 == toml_texts(long[:3]).count("\n") + 1
    assert 22 == toml_texts(long).count("\n") + 1
    assert max(map(len, toml_comment("word " * 100).splitlines())) <= WIDTH


def test_half_a_character_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        toml_text("a\udcff")
