"""The image of a host: known by what it is made of, the same bytes whenever it is made."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from verifier.cli.programs import local_host
from verifier.core.errors import ToolMissing
from verifier.core.host import Command, Completed
from verifier.fleet import image_build
from verifier.fleet.image import Images
from verifier.fleet.image_archive import Archive, write_archive
from verifier.fleet.image_build import Recipe, build_layer
from verifier.restic.debian import read_mirror
from verifier.restic.toolchain import architecture

if TYPE_CHECKING:
    from docker import DockerClient

RECIPE = Recipe("amd64")


def _archive(folder: Path, name: str, content: bytes = b"hello\n", epoch_s: int = 1) -> Archive:
    folder.mkdir()
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return write_archive(
        layer,
        folder / "image.tar",
        tag=f"restic-verify/test:{name}",
        architecture=architecture(),
        epoch_s=epoch_s,
        labels={},
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_equal_layers_give_equal_archives(tmp_path: Path) -> None:
    one, two = _archive(tmp_path / "one", "a"), _archive(tmp_path / "two", "a")

    assert one.image_id == two.image_id
    assert _digest(one.path) == _digest(two.path)


@pytest.mark.parametrize("other", [{"content": b"Hello\n"}, {"epoch_s": 2}])
def test_another_layer_or_date_is_another_image(tmp_path: Path, other: dict[str, object]) -> None:
    one = _archive(tmp_path / "one", "a")
    two = _archive(tmp_path / "two", "a", **other)  # type: ignore[arg-type]

    assert one.image_id != two.image_id


def test_archive_is_named_by_the_digests_in_it(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "one", "a")
    with tarfile.open(archive.path) as tar:
        members = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        found = {name: file.read() for name, file in members.items() if file is not None}
    (about,) = json.loads(found["manifest.json"])
    settings = json.loads(found[about["Config"]])
    (layer,) = about["Layers"]

    assert archive.image_id == f"sha256:{hashlib.sha256(found[about['Config']]).hexdigest()}"
    assert settings["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(found[layer]).hexdigest()}"]
    assert ["restic-verify/test:a"] == about["RepoTags"]


@pytest.mark.parametrize(
    "changed",
    [{"architecture": "arm64"}, {"suite": "trixie"}, {"packages": ("bash",)}, {"epoch_s": 1}],
)
def test_another_recipe_is_another_image(changed: dict[str, object]) -> None:
    other = replace(RECIPE, **changed)  # type: ignore[arg-type]

    assert RECIPE.tag == replace(RECIPE).tag
    assert RECIPE.tag != other.tag


def test_both_ways_to_an_image_install_the_same_packages() -> None:
    file = Path(image_build.__file__).with_name("image.Dockerfile").read_text()
    _, _, rest = file.partition("--no-install-recommends")
    wanted, _, _ = rest.partition("&&")

    assert list(image_build.PACKAGES) == wanted.replace("\\", "").split()


def test_missing_builder_names_the_other_ways(tmp_path: Path) -> None:
    host = local_host({"PATH": str(tmp_path)}, inherit=False)
    with pytest.raises(ToolMissing) as caught:
        build_layer(RECIPE, {"uris": "x"}, tmp_path / "layer.tar", host, tmp_path)

    assert "mmdebstrap" == caught.value.subject
    assert f"build {RECIPE.tag} as docs/fleet.md says" in caught.value.remedy
    assert "--fidelity cycle" in caught.value.remedy


class _Builder:
    """A host on which the builder always makes the same small file system, or fails."""

    name = "localhost"

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.calls: list[Command] = []

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        self.calls.append(command)
        target = Path(next(word for word in command.argv if word.endswith(".tar")))
        with tarfile.open(target, "w") as tar:
            tar.addfile(tarfile.TarInfo("empty"))
        return Completed(self.status, b"", b"E: no network\n", timeout_s or 0)


def _store(folder: Path, host: _Builder) -> Archive:
    return Images(folder, host).archive(RECIPE, lambda: {"uris": "x"}, lambda _: None)


def test_stored_archive_is_not_built_again(tmp_path: Path) -> None:
    host = _Builder()
    first, second = _store(tmp_path, host), _store(tmp_path, host)

    assert first == second
    assert 1 == len(host.calls)


def test_altered_archive_is_built_again(tmp_path: Path) -> None:
    host = _Builder()
    first = _store(tmp_path, host)
    digest = _digest(first.path)
    content = bytearray(first.path.read_bytes())
    content[-2000] ^= 1
    first.path.write_bytes(content)

    assert digest == _digest(_store(tmp_path, host).path)
    assert 2 == len(host.calls)


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no network"):
        _store(tmp_path, _Builder(status=1))

    assert ["lock"] == [path.name for path in tmp_path.iterdir()]


def test_leftovers_of_a_killed_build_are_swept(tmp_path: Path) -> None:
    (tmp_path / "build-killed" / "tmp").mkdir(parents=True)
    _store(tmp_path, _Builder())

    assert not (tmp_path / "build-killed").exists()


def test_source_is_one_stanza_of_the_recipes_suite(tmp_path: Path) -> None:
    host = _Builder()
    _store(tmp_path, host)
    (call,) = host.calls

    assert call.stdin is not None
    assert {"uris: x", "types: deb", "suites: bookworm", "components: main"} == set(
        call.stdin.decode().splitlines()
    )


@pytest.mark.heavy
def test_engine_gives_the_archive_the_id_it_says(tmp_path: Path, engine: DockerClient) -> None:
    archive = _archive(tmp_path / "one", "id")
    with archive.path.open("rb") as content:
        (image,) = engine.images.load(content)
    found = image.id
    engine.images.remove("restic-verify/test:id")

    assert archive.image_id == found


@pytest.mark.heavy
@pytest.mark.long
@pytest.mark.timeout(900)
def test_image_made_twice_is_the_same_bytes(tmp_path: Path) -> None:
    """Goal: nothing of the moment, the machine or chance is in the image.

    Method: two builds, in two folders, one after the other. A host key, a log or a time of day
    left in the file system, by the base or by any package's scripts, turns it red.
    """
    host, mirror = local_host(os.environ, inherit=False), read_mirror()
    recipe = Recipe(architecture())
    digests = []
    for name in ("one", "two"):
        scratch = tmp_path / name / "tmp"
        scratch.mkdir(parents=True)
        build_layer(recipe, mirror, tmp_path / name / "layer.tar", host, scratch)
        digests.append(_digest(tmp_path / name / "layer.tar"))

    assert digests[0] == digests[1]
