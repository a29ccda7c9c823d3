"""The base of every table in `verify.toml`: strict, frozen, keys in kebab-case."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from verifier.config.values import Day, unfit


def _kebab(name: str) -> str:
    return name.removesuffix("_").replace("_", "-")


class Table(BaseModel):
    """A table of the file: keys in kebab-case, strict, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=_kebab)


class Spell(Table):
    """A table of some days, both ends included."""

    from_: Day
    to: Day

    @model_validator(mode="after")
    def _in_order(self) -> Spell:
        if self.to < self.from_:
            raise unfit("a range whose first day comes first", "exchange `from` and `to`")
        return self


def tables(value: Any) -> Any:
    """Make a list of tables a tuple, which nothing can change after loading."""
    return tuple(value) if isinstance(value, list) else value
