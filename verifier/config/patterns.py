"""Patterns of paths in `verify.toml`: what restic would refuse is refused at load."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from verifier.config.values import Text, Texts, Words, unfit
from verifier.core.exclude import parse_excludes


def _well_formed(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            parse_excludes((text,))
        except ValueError as error:
            expected = "patterns as `restic backup --exclude` takes them"
            raise unfit(expected, f"correct {text}: {str(error).rpartition(': ')[2]}") from None
    return texts


def _one_well_formed(text: str) -> str:
    return _well_formed((text,))[0]


def _taking_in(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if text.startswith("!"):
            raise unfit("patterns of what is asked about", f"remove {text}: none is taken out here")
    return texts


ExcludePattern = Annotated[Text, AfterValidator(_one_well_formed)]
ExcludePatterns = Annotated[Texts, AfterValidator(_well_formed)]
FilePatterns = Annotated[Words, AfterValidator(_taking_in), AfterValidator(_well_formed)]
