"""One file-system tar as an image that `docker load` takes: the same bytes give the same image ID.

Format: the image specification's archive (manifest.json, a configuration, a layer), with a fixed
date in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Archive:
    """An image as a file, and the ID it has in every engine."""

    path: Path
    image_id: str


def write_archive(
    layer: Path,
    target: Path,
    *,
    tag: str,
    architecture: str,
    epoch_s: int,
    labels: Mapping[str, str],
) -> Archive:
    """Write the archive of an image of one layer.

    Args:
        layer: a tar of the whole file system.
        tag: the image's name in the engine, with a colon.
        architecture: in Debian's and Docker's words: amd64, arm64.
        epoch_s: the date everything in the image carries, in seconds since 1970.
    """
    with layer.open("rb") as content:
        layer_digest = hashlib.file_digest(content, "sha256").hexdigest()
    created = datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    settings = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": {"Cmd": ["/bin/bash"], "Env": [f"PATH={PATH}"], "Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created": created, "created_by": "restic-verify"}],
        }
    )
    image = hashlib.sha256(settings).hexdigest()
    name = f"{layer_digest}/layer.tar"
    manifest = _json([{"Config": f"{image}.json", "RepoTags": [tag], "Layers": [name]}])
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for member, text in ((f"{image}.json", settings), ("manifest.json", manifest)):
            archive.addfile(_member(member, len(text), epoch_s), io.BytesIO(text))
        with layer.open("rb") as stream:
            archive.addfile(_member(name, layer.stat().st_size, epoch_s), stream)
    return Archive(target, f"sha256:{image}")


def _member(name: str, size_bytes: int, epoch_s: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size_bytes, epoch_s, 0o644
    return member


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
