"""From unsealed bytes to what they say: zstandard frames and JSON, with a limit on everything.

Sealed bytes come from whoever holds the key, but a key may be stolen and a writer may be wrong:
nothing here believes a length before it is checked. Source: restic's design document, "Unpacked
Data Format".
"""

from __future__ import annotations

import json
import re
from typing import Any

import zstandard

from verifier.reader.damage import Flaw

MAX_DOCUMENT_BYTES = 128 << 20
"""Config, snapshot and index files. restic closes an index at 50,000 blobs, about 8 MiB of JSON."""

MAX_WINDOW_BYTES = 32 << 20
"""History a frame of unknown size may ask for. restic writes with windows of at most 8 MiB."""

_STEP_BYTES = 1 << 20
_COMPRESSED = 2
_ID = re.compile(r"[0-9a-f]{64}")


def is_id(text: object) -> bool:
    """Tell whether this is a SHA-256 in lower-case hex, as every ID and file name is."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def decompress(
    frame: bytes, max_bytes: int, context: zstandard.ZstdDecompressor | None = None
) -> bytes | Flaw:
    """Decompress one zstandard frame to at most `max_bytes`.

    Args:
        context: one made before, to be used again by the same thread; making one takes longer
            than a small frame.
    """
    try:
        stated_bytes = zstandard.frame_content_size(frame)
        if stated_bytes > max_bytes:
            return Flaw(f"would decompress to {stated_bytes} bytes, over the limit of {max_bytes}")
        if stated_bytes >= 0:
            context = context or zstandard.ZstdDecompressor()
            return context.decompress(frame, allow_extra_data=False)
        return _decompress_unstated(frame, max_bytes)
    except zstandard.ZstdError as error:
        return Flaw(f"is no valid zstandard frame ({error})")


def _decompress_unstated(frame: bytes, max_bytes: int) -> bytes | Flaw:
    parts: list[bytes] = []
    found_bytes = 0
    window = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    with window.stream_reader(frame) as stream:
        while part := stream.read(_STEP_BYTES):
            found_bytes += len(part)
            if found_bytes > max_bytes:
                return Flaw(f"decompresses to more than {max_bytes} bytes")
            parts.append(part)
    return b"".join(parts)


def parse_json(text: bytes) -> Any | Flaw:
    """Parse JSON that may be hostile."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return Flaw(f"is no valid JSON ({type(error).__name__})")


def parse_document(message: bytes) -> dict[str, Any] | Flaw:
    """Parse what a config, snapshot or index file says, compressed or not."""
    if len(message) > MAX_DOCUMENT_BYTES:
        return Flaw(f"holds {len(message)} bytes, over the limit of {MAX_DOCUMENT_BYTES}")
    text: bytes | Flaw = message
    if message[:1] == bytes([_COMPRESSED]):
        text = decompress(message[1:], MAX_DOCUMENT_BYTES)
    if isinstance(text, Flaw):
        return text
    document = parse_json(text)
    if isinstance(document, Flaw):
        return document
    return document if isinstance(document, dict) else Flaw("is no JSON object")
