"""The base of every table in `verify.toml`: strict, frozen, keys in kebab-case."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


def _kebab(name: str) -> str:
    return name.removesuffix("_").replace("_", "-")


class Table(BaseModel):
    """A table of the file: keys in kebab-case, strict, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=_kebab)


def tables(value: Any) -> Any:
    """Make a list of tables a tuple, which nothing can change after loading."""
    return tuple(value) if isinstance(value, list) else value
