"""The image that every machine of a fleet starts from, made once and kept.

It is known by the digest of what it is made of. An engine that has it is not asked for more, one
that lacks it is given the stored archive, and only without that an image is built.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.core.errors import CannotVerify
from verifier.core.host import Host
from verifier.fleet.container_engine import load_docker, translated
from verifier.fleet.image_archive import Archive, write_archive
from verifier.fleet.image_build import Recipe, build_layer

if TYPE_CHECKING:
    from docker import DockerClient

Mirror = Callable[[], Mapping[str, str]]
"""Return the fields of the source that carries Debian's archive."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in an engine: how it is named there, and its ID."""

    tag: str
    image_id: str


class Images:
    """The images of one user.

    Args:
        folder: where archives are stored; made when needed.
        host: this machine.
    """

    def __init__(self, folder: Path, host: Host) -> None:
        self._folder = folder
        self._host = host

    def provide(
        self, recipe: Recipe, engine: DockerClient, mirror: Mirror, tell: Callable[[str], object]
    ) -> Image:
        """Return the image as the engine knows it; load or build it first where needed.

        Args:
            mirror: says where packages come from; asked where the image is built.
            tell: takes a line for people before anything that lasts.

        Raises:
            ToolMissing: it can neither be loaded nor built.
            CannotVerify: it cannot be stored, or the engine does not take it.
        """
        tag = recipe.tag
        found = _find(engine, tag)
        if found is not None:
            return found
        archive = self.archive(recipe, mirror, tell)
        with translated(tag), archive.path.open("rb") as content:
            engine.images.load(content)
        loaded = _find(engine, tag)
        if loaded is None or loaded.image_id != archive.image_id:
            message = f"the engine made {loaded} of an archive of {archive.image_id}"
            raise CannotVerify(tag, message, f"remove {archive.path.parent} and try again")
        return loaded

    def archive(self, recipe: Recipe, mirror: Mirror, tell: Callable[[str], object]) -> Archive:
        """Return the stored archive; build it first where there is none."""
        own = self._folder / recipe.digest()
        with _storing(self._folder), self._alone():
            stored = _stored(own)
            if stored is None:
                tell("building the image of a host, once: about a minute")
                stored = self._build(recipe, mirror(), own)
            return stored

    def _build(self, recipe: Recipe, mirror: Mapping[str, str], own: Path) -> Archive:
        # In the store itself, so that the last step is one rename on one file system.
        with tempfile.TemporaryDirectory(prefix="build-", dir=self._folder) as name:
            scratch = Path(name)
            (scratch / "tmp").mkdir()
            build_layer(recipe, mirror, scratch / "layer.tar", self._host, scratch / "tmp")
            made = scratch / "made"
            made.mkdir()
            archive = write_archive(
                scratch / "layer.tar",
                made / "image.tar",
                tag=recipe.tag,
                architecture=recipe.architecture,
                epoch_s=recipe.epoch_s,
                labels={"restic-verify.recipe": recipe.digest()},
            )
            with archive.path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            about = {"image": archive.image_id, "sha256": digest, "suite": recipe.suite}
            (made / "image.json").write_text(json.dumps(about, indent=1) + "\n")
            shutil.rmtree(own, ignore_errors=True)
            made.rename(own)
        return Archive(own / "image.tar", archive.image_id)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # One at a time: who waited here finds the work done. The lock dies with the process.
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # What a killed build left: nobody else builds now.
            for left in self._folder.glob("build-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield


def _find(engine: DockerClient, tag: str) -> Image | None:
    docker = load_docker()
    with translated(tag):
        try:
            return Image(tag, str(engine.images.get(tag).id))
        except docker.errors.ImageNotFound:
            return None


def _stored(own: Path) -> Archive | None:
    try:
        about = json.loads((own / "image.json").read_text())
        with (own / "image.tar").open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    # An archive that was altered is no archive.
    return Archive(own / "image.tar", str(about["image"])) if digest == about["sha256"] else None


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"images cannot be kept here: {error.strerror or error}"
        remedy = "set XDG_CACHE_HOME to a folder that can be written"
        raise CannotVerify(str(folder), message, remedy) from error
