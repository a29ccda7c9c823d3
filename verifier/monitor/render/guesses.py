"""What `init` guessed, in lines: what, how sure, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from verifier.monitor.render.envelope import GuessRecord
from verifier.monitor.render.wording import printable

WIDTH = 96


def guesses_headline(guesses: Sequence[GuessRecord]) -> str:
    """Return how much of it is sure."""
    sure = sum(guess["sure"] for guess in guesses)
    verb = "is" if sure == 1 else "are"
    return f"a first configuration; {sure} of its {len(guesses)} guesses {verb} sure"


def guess_lines(guesses: Sequence[GuessRecord]) -> Iterator[str]:
    """Yield the lines of each guess, an empty one before it."""
    for guess in guesses:
        sure = "sure" if guess["sure"] else "not sure"
        yield ""
        yield f"{printable(guess['about'])} = {printable(guess['value'])} ({sure})"
        for line in wrap(printable(guess["why"]), WIDTH - 2, break_long_words=False):
            yield f"  {line}"
    if guesses:
        yield ""
        yield "Next: read the file, then `restic-verify doctor --config FILE`"
