"""Values as TOML writes them, for the one file that is written: a first `verify.toml`.

Source: TOML 1.0, "String" and "Array".
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

WIDTH = 100

_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"'}
_ESCAPES["\\"] = "\\\\"


def toml_text(value: str) -> str:
    """Return a text as a basic string.

    Raises:
        ValueError: it holds half of a surrogate pair, which no TOML can.
    """
    value.encode("utf-8")
    return f'"{"".join(map(_letter, value))}"'


def _letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    # Control characters must be escaped; what hides or turns text round is better seen, too.
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def toml_texts(values: Iterable[str], *, before: int = 0) -> str:
    """Return texts as an array, on one line where that is not too long.

    Args:
        before: letters that stand before it on its line.
    """
    written = [toml_text(value) for value in values]
    line = f"[{', '.join(written)}]"
    if before + len(line) <= WIDTH:
        return line
    return "[\n" + "".join(f"  {text},\n" for text in written) + "]"


def toml_pair(key: str, value: str | bool | int | Iterable[str]) -> str:
    """Return a key with its value."""
    if isinstance(value, bool):
        return f"{key} = {str(value).lower()}"
    if isinstance(value, int):
        return f"{key} = {value}"
    if isinstance(value, str):
        return f"{key} = {toml_text(value)}"
    return f"{key} = {toml_texts(value, before=len(key) + 3)}"


def toml_comment(text: str) -> str:
    """Return a text as comment lines; whatever it holds, it stays a comment."""
    plain = "".join(c if c.isprintable() else _letter(c) for c in text)
    lines = wrap(plain, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def toml_commented(text: str) -> str:
    """Return TOML lines turned into comments."""
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())
