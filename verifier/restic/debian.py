"""Debian packages, fetched and unpacked but never installed, from the machine's own mirror.

apt is given folders of its own, so the system's package lists and locks stay untouched and no
rights are needed. The mirror is whatever the machine's sources name: nothing here names a host.
Formats: sources.list(5). The signatures are apt's business, the digests the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from verifier.core.errors import ToolMissing
from verifier.core.host import Command, Completed, Host

ETC = Path("/etc/apt")
"""Where a machine keeps its sources."""

LIMIT_S = 600.0
"""How long apt may take for one step over a slow line."""

_CHOSEN_HERE = frozenset(
    {"types", "suites", "components", "enabled"}
    | {"architectures", "arch", "languages", "lang", "targets", "target"}
)

_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>.*)"
)

_OPTIONS = (
    "Acquire::Languages=none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "Acquire::Retries=3",
    # Our folders may lie where apt's own unprivileged user cannot look.
    "APT::Sandbox::User=root",
    # A list that cannot be had is an error; by itself apt goes on with what it has.
    "APT::Update::Error-Mode=any",
)


def read_mirror(etc: Path = ETC) -> Mapping[str, str]:
    """Return the fields of the source that carries Debian's archive, less those that choose a part.

    Raises:
        ToolMissing: no source of this machine carries it, or they may not be read.
    """
    try:
        found = [fields for fields in _sources(etc) if _carries_a_release(fields)]
    except OSError as error:
        said = f"the apt sources of this machine cannot be read: {error.strerror}"
        raise ToolMissing(str(etc), said, "let this user read them") from error
    # Others publish under Debian's suite names too; the archive's own key or name tells it apart.
    found.sort(key=_seems_foreign)
    if not found:
        raise ToolMissing(
            str(etc),
            "the apt sources of this machine name no Debian archive",
            "give the path of a restic program instead of its version",
        )
    return {
        name: value
        for name, value in found[0].items()
        if name not in _CHOSEN_HERE and not name.startswith("x-")
    }


def _sources(etc: Path) -> Iterator[Mapping[str, str]]:
    parts = etc / "sources.list.d"
    for path in sorted(parts.glob("*.sources")):
        yield from _stanzas(path.read_text(encoding="utf-8", errors="replace"))
    for path in (etc / "sources.list", *sorted(parts.glob("*.list"))):
        if path.is_file():
            yield from _lines(path.read_text(encoding="utf-8", errors="replace"))


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for block in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in filter(str.strip, block.split("\n")):
            if line[0] in " \t":
                fields[name] = f"{fields.get(name, '')}\n{line}"
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        yield fields


def _lines(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match is None:
            continue
        options = [option.partition("=") for option in (match["options"] or "").split()]
        yield {
            **{name.lower(): value.replace(",", " ") for name, _, value in options},
            "types": "deb",
            "uris": match["uri"],
            "suites": match["suite"],
            "components": match["rest"].strip(),
        }


def _carries_a_release(fields: Mapping[str, str]) -> bool:
    suites = fields.get("suites", "").split()
    return (
        "deb" in fields.get("types", "").split()
        and fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        and "main" in fields.get("components", "").split()
        # Neither `trixie-security` nor `trixie-updates` nor a flat repository's path.
        and any(re.fullmatch("[a-z]+", suite) for suite in suites)
    )


def _seems_foreign(fields: Mapping[str, str]) -> bool:
    named = any(PurePosixPath(uri).stem == "debian" for uri in fields.get("uris", "").split())
    return not named and "debian-archive-keyring" not in fields.get("signed-by", "")


def download(
    host: Host, mirror: Mapping[str, str], *, suite: str, package: str, version: str, folder: Path
) -> Path:
    """Fetch one package file into an empty folder of this machine.

    Args:
        mirror: from `read_mirror`.

    Raises:
        ToolMissing: there is no apt here, the mirror does not answer, or the suite does not carry
            that version (any more).
        CannotVerify: it took too long.
    """
    options = _private(folder, {**mirror, "types": "deb", "suites": suite, "components": "main"})
    updated = _run(host, folder, "apt-get", *options, "update")
    if updated.status != 0:
        raise ToolMissing(
            package,
            f"Debian's {suite} could not be listed: {updated.last_lines()}",
            "see that `apt-get update` works on this machine, then try again",
        )
    fetched = _run(host, folder, "apt-get", *options, "download", f"{package}={version}")
    files = tuple(folder.glob("*.deb"))
    if fetched.status == 0 and len(files) == 1:
        return files[0]
    said = fetched.last_lines()
    if "was not found" in said or "Unable to locate" in said:
        raise ToolMissing(
            package,
            f"Debian's {suite} does not carry {version}",
            f"name a release that {suite} carries today; the lock must then name it too",
        )
    raise ToolMissing(package, f"{version} could not be fetched: {said}", "try again")


def unpack(host: Host, file: Path, folder: Path) -> None:
    """Unpack a package file into a folder, without installing it.

    Raises:
        ToolMissing: there is no dpkg here, or the file is no package.
    """
    unpacked = _run(host, folder.parent, "dpkg-deb", "-x", str(file), str(folder))
    if unpacked.status != 0:
        said = unpacked.last_lines()
        raise ToolMissing(file.name, f"the package could not be unpacked: {said}", "fetch it again")


def _private(folder: Path, source: Mapping[str, str]) -> tuple[str, ...]:
    state, cache, etc = folder / "state", folder / "cache", folder / "etc"
    for needed in (state / "lists" / "partial", cache / "archives" / "partial", etc / "parts"):
        needed.mkdir(parents=True)
    (state / "status").touch()
    written = etc / "debian.sources"
    written.write_text("".join(f"{k}: {v}\n" for k, v in source.items()), encoding="utf-8")
    own = (
        f"Dir::Etc::sourcelist={written}",
        f"Dir::Etc::sourceparts={etc / 'parts'}",
        f"Dir::State={state}",
        f"Dir::State::status={state / 'status'}",
        f"Dir::Cache={cache}",
    )
    return ("-q", *(part for option in (*own, *_OPTIONS) for part in ("-o", option)))


def _run(host: Host, folder: Path, *argv: str) -> Completed:
    # The words of an error are read above, so they must not be translated.
    command = Command(argv, env={"LC_ALL": "C.UTF-8"}, cwd=str(folder))
    try:
        return host.run(command, timeout_s=LIMIT_S)
    except ToolMissing as error:
        raise ToolMissing(
            argv[0],
            f"this machine has no {argv[0]} to fetch packages with",
            "give the path of a restic program instead of its version",
        ) from error
