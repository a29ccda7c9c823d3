"""The machines of a cycle that runs scripts of the user's own: roots of their own, by namespaces.

Such a script names its key, its repository and its hosts by full paths. In a mount namespace these
lead to the simulation's folders; what is this machine's own can be read where programs need it, and
never written to, and no network is reached.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from verifier.config.models import Config, HostTable
from verifier.core.errors import CannotVerify, NotPermitted
from verifier.core.host import Command, Host
from verifier.simulate.worlds import seal
from verifier.simulate.worlds.fleet_settle import OFFSITE, remote_of
from verifier.simulate.worlds.timing import SHIMS

LIVE = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "proc")
"""Top-level folders of this machine that every machine sees; no data can lie in them."""

_SPECIAL = ("", "dev", "run", "sys")
"""No data can lie in these either."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""As systemd gives it to a service."""

_OWN = ("etc", "home", "media", "mnt", "root", "run", "srv", "tmp", "var")
_NEEDED = ("alternatives", "group", "ld.so.cache", "nsswitch.conf", "passwd", "ssl")
"""What programs look for in /etc and a host's generated /etc has not."""

_BEHIND = "run/simulated"

_LOCAL = PurePosixPath("/usr/local/bin")

_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder of ours, and the full path at which a machine finds it."""

    source: Path
    target: str


class Machines:
    """The machines of one world: a coordinator and its hosts.

    Args:
        folder: the world's.
        config: the system, settled as for a fleet.
        programs: restic and rclone, by full path.
    """

    def __init__(self, folder: Path, config: Config, programs: Sequence[str]) -> None:
        self._folder = folder
        self._config = config
        self._programs = [Path(program) for program in programs]

    def install(self, files: Mapping[str, bytes]) -> None:
        """Make every machine, with these files on it; as `cycle.render` names files."""
        name = self._config.coordinator.name
        mine = _below(files, "coordinator") | {"usr/local/bin/ssh": _shim("ssh-machine.sh")}
        self._make(name, mine, list(self._binds()), ())
        self._write_remote(name)
        for shim in ("apart", "machine"):
            _write(self._folder / shim, _shim(f"{shim}.sh"))
        (self._folder / "addresses").mkdir()
        for host in self._config.hosts:
            binds = [Bind(self._folder / "repository", self._config.mounted(host))]
            self._make(host.name, _below(files, f"hosts/{host.name}"), binds, tops(host))
            for known in (host.name, host.address):
                (self._folder / "addresses" / str(known)).write_text(f"{host.name}\n")

    def furnish(self, name: str) -> None:
        """Put beside a host's data of the day what its programs look for in /etc."""
        etc = self._folder / "hosts" / name / "data" / "etc"
        if etc.is_dir():
            before = etc.stat()
            for entry in _NEEDED:
                _link(etc / entry, f"/{_BEHIND}/etc/{entry}")
            os.utime(etc, ns=(before.st_atime_ns, before.st_mtime_ns))

    def on_coordinator(self, *argv: str) -> tuple[str, ...]:
        """Return the command that runs another one on the coordinator, and ends what it leaves."""
        as_root = () if os.geteuid() == 0 else ("--map-root-user",)
        apart = str(self._folder / "apart"), sys.executable, seal.__file__
        return ("unshare", *as_root, *_NAMESPACES, *apart, self._config.coordinator.name, *argv)

    def check(self, host: Host) -> None:
        """Try whether there can be machines here.

        Raises:
            NotPermitted: there cannot.
        """
        env = {"SIMULATION": str(self._folder), "PATH": PATH}
        done = host.run(Command(self.on_coordinator("true"), env=env))
        if done.status != 0:
            message = f"no machines of their own can be made here: {done.last_lines()}"
            remedy = (
                "give it what docs/scenarios.md says that takes, or run it with --fidelity fleet"
            )
            raise NotPermitted("scripts of your own", message, remedy)

    def _binds(self) -> Iterator[Bind]:
        config = self._config
        key = PurePosixPath(config.key_file or "")
        yield Bind(self._folder / "keys", str(key.parent))
        _link(self._folder / "keys" / key.name, "password")
        yield Bind(self._folder / "repository", config.repository.location)
        if config.offsite:
            remote, path = remote_of(config.offsite)
            target = f"{OFFSITE}/{path.strip('/')}" if remote else config.offsite.target
            yield Bind(self._folder / "offsite", target)

    def _write_remote(self, name: str) -> None:
        offsite = self._config.offsite
        remote = remote_of(offsite)[0] if offsite else ""
        if remote:
            alias = f"[{remote}]\ntype = alias\nremote = {OFFSITE}\n"
            place = self._folder / "machines" / name / "top" / "root" / ".config" / "rclone"
            place.mkdir(parents=True)
            (place / "rclone.conf").write_text(alias)

    def _make(
        self, name: str, files: Mapping[str, bytes], binds: list[Bind], data: tuple[str, ...]
    ) -> None:
        place = self._folder / "machines" / name
        local, top = place / "local", place / "top"
        (place / "root").mkdir(parents=True)
        for folder in (*_OWN, "var/log", "var/tmp", "var/cache", "var/lib"):
            (top / folder).mkdir(exist_ok=True, parents=True)
        local.mkdir()
        for path, content in files.items():
            if path.startswith("usr/local/bin/"):
                _write(local / PurePosixPath(path).name, content)
        for program in self._programs:
            _link(local / program.name, str(_shown(program.resolve())))
        for entry in _names(str(_LOCAL)):
            _link(local / entry, f"/{_BEHIND}/local/{entry}")
        for entry in _names("/etc"):
            _link(top / "etc" / entry, f"/{_BEHIND}/etc/{entry}")
        (place / "fstab").write_text("".join(self._fstab(place, binds, data)))

    def _fstab(self, place: Path, binds: list[Bind], data: tuple[str, ...]) -> Iterator[str]:
        root, made = f"{place}/root", "X-mount.mkdir"
        yield f"root {root} tmpfs mode=0755,{made} 0 0\n"
        for name in LIVE:
            if Path("/", name).is_dir():
                yield _line(Path("/", name), f"{root}/{name}", "rbind")
        for name in _OWN:
            source = self._folder / "hosts" / place.name / "data" / name
            yield _line(source if name in data else place / "top" / name, f"{root}/{name}")
        for name in data:
            if name not in _OWN:
                source = self._folder / "hosts" / place.name / "data" / name
                yield _line(source, f"{root}/{name}")
        # A host is made on the coordinator, where these two are already out of the way.
        is_host = place.name != self._config.coordinator.name
        for real, name in ((Path("/etc"), "etc"), (Path(_LOCAL), "local")):
            source = Path("/", _BEHIND, name) if is_host else real
            yield _line(source, f"{root}/{_BEHIND}/{name}", "rbind")
        yield _line(place / "local", f"{root}/usr/local/bin")
        for program in self._programs:
            home = program.resolve().parent
            if home.parts[1] not in LIVE:
                yield _line(home, f"{root}{home}")
        yield _line(self._folder, f"{root}{self._folder}")
        for bind in binds:
            yield _line(bind.source, f"{root}{bind.target}")


def tops(host: HostTable) -> tuple[str, ...]:
    """Return the top-level folders in which a host's data lies."""
    return tuple(dict.fromkeys(path.split("/")[1] for path in host.include))


def check_includes(config: Config, folder: Path) -> None:
    """See that every include path can be a machine's own.

    Args:
        folder: the world's.

    Raises:
        CannotVerify: one lies where this machine's programs are, or the world itself.
    """
    taken = {*LIVE, *_SPECIAL, folder.parts[1]}
    for host in config.hosts:
        for top in tops(host):
            if top in taken:
                message = f"backs up /{top}, which a machine of a cycle has from this one"
                remedy = "leave it out of include, or run it with --fidelity fleet"
                raise CannotVerify(host.name, message, remedy)


def _below(files: Mapping[str, bytes], part: str) -> dict[str, bytes]:
    begin = f"{part}/"
    return {path.removeprefix(begin): it for path, it in files.items() if path.startswith(begin)}


def _line(source: Path, target: str, how: str = "bind") -> str:
    # fstab(5): a space ends a field.
    fields = (str(field).replace(" ", "\\040") for field in (source, target))
    return " ".join((*fields, "none", f"{how},X-mount.mkdir", "0", "0")) + "\n"


def _shown(program: Path) -> PurePath:
    """Return where a machine finds a program of this one's."""
    hidden = program.is_relative_to(_LOCAL)
    return PurePosixPath("/", _BEHIND, "local", program.relative_to(_LOCAL)) if hidden else program


def _names(folder: str) -> list[str]:
    return sorted(entry.name for entry in Path(folder).iterdir()) if Path(folder).is_dir() else []


def _shim(name: str) -> bytes:
    return (SHIMS / name).read_bytes()


def _link(path: Path, target: str) -> None:
    if not path.is_symlink() and not path.exists():
        path.symlink_to(target)
        # The same in every run: it is backed up with the rest.
        os.utime(path, (0, 0), follow_symlinks=False)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)
