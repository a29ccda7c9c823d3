"""The words of a password command, as restic finds them.

Source: restic's `internal/backend/shell_split.go`.
"""

from __future__ import annotations

from verifier.core.errors import UsageError


def split_command(text: str) -> tuple[str, ...]:
    """Split a password command as restic does, which is not as a shell does.

    A quote ends the word before it; a backslash keeps the next quote from counting, stays where it
    stands between quotes, and separates words elsewhere; empty words are dropped.

    Raises:
        UsageError: it names no program, or a quote is left open.
    """
    words, word, quote, previous = [], "", "", ""
    for letter in text:
        if previous != "\\" and letter in (quote or "\"'"):
            words.append(word)
            word, quote = "", "" if quote else letter
            continue
        previous = letter
        if not quote and (letter == "\\" or letter.isspace()):
            words.append(word)
            word = ""
        else:
            word += letter
    found = tuple(filter(None, (*words, word)))
    if quote or not found:
        message = "has a quote that is not closed" if quote else "names no program"
        raise UsageError("password command", message, "correct it; restic would refuse it too")
    return found
