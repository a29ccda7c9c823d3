"""Elements of a picture as text: well-formed XML, every name and text escaped."""

from __future__ import annotations

from html import escape

from verifier.monitor.render.wording import printable


def figure(value: float) -> str:
    """Write a coordinate: at most two decimals, none that say nothing."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, *content: str, **attributes: str | float) -> str:
    """Return an element around content that is already markup.

    Attributes are spelled with `_` for `-` and without a trailing one: `class_`, `text_anchor`.
    """
    written = "".join(
        f' {_spelled(key)}="{figure(value) if isinstance(value, int | float) else _text(value)}"'
        for key, value in attributes.items()
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def label(text: str, **attributes: str | float) -> str:
    """Return a text element."""
    return element("text", _text(text), **attributes)


def titled(title: str) -> str:
    """Return the title that a browser shows over its parent element."""
    return element("title", _text(title))


def picture(name: str, *content: str, title: str, description: str, height_px: float) -> str:
    """Return a whole picture: as wide as its place, of one height, and told in words.

    Args:
        name: unique in the page; the title and description hang on it.
    """
    return element(
        "svg",
        element("title", _text(title), id=f"{name}-title"),
        element("desc", _text(description), id=f"{name}-desc"),
        *content,
        class_="picture",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        width="100%",
        height=height_px,
    )


def plot(*content: str, width: float, height_px: float, top_px: float = 0) -> str:
    """Return a part of a picture with a horizontal unit of its own, stretched to the full width."""
    return element(
        "svg",
        *content,
        class_="plot",
        y=top_px,
        width="100%",
        height=height_px,
        viewBox=f"0 0 {figure(width)} {figure(height_px)}",
        preserveAspectRatio="none",
    )


def share(part: float) -> str:
    """Write a share of the width (0 to 1) as the percentage that positions take."""
    return f"{figure(part * 100)}%"


def _text(text: str) -> str:
    return escape(printable(text))


def _spelled(key: str) -> str:
    return key if key in {"viewBox", "preserveAspectRatio"} else key.rstrip("_").replace("_", "-")
