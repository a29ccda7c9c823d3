"""The logs of a fleet: ClickHouse on a machine of its own, and what the coordinator ships to it.

After every run its lines go into `yamon.logs` over the fleet's network, dated with the simulated
time, with the one that systemd adds when the unit ends; then the dashboard's query is asked.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.host import Command, Completed, Host
from verifier.fleet.description import Installed, Machine
from verifier.simulate.worlds.said import FAILED, FINISHED, SYSTEMD, said

TABLE = "yamon.logs"
LAST_FINISHED = (
    "SELECT toUnixTimestamp(when) as when FROM yamon.logs WHERE service='systemd' "
    "AND data='Finished run backups.' ORDER BY when DESC LIMIT 1"
)
"""The dashboard's query, word for word."""

TIMEOUT_S = 60.0

_CREATE = (
    "CREATE DATABASE yamon",
    "CREATE TABLE yamon.logs (when DateTime, host String, service String, data String) "
    "ENGINE = MergeTree() PARTITION BY toYYYYMM(when) ORDER BY (service, when)",
)
_INSERT = "INSERT INTO yamon.logs FORMAT JSONEachRow"
_PORT = 8_123

# The first query takes standard input as its data; the last one's answer is printed. Each day
# begins it anew, and `urllib.request` takes longer to import than all else here to run.
_ASK = """\
import http.client, sys, urllib.parse
server, *queries = sys.argv[1:]
data = sys.stdin.buffer.read()
line = http.client.HTTPConnection(server)
for query in queries:
    line.request("POST", "/?" + urllib.parse.urlencode({"query": query}), data)
    answer = line.getresponse()
    said = answer.read()
    if answer.status != 200:
        sys.exit(said.decode(errors="replace"))
    data = b""
sys.stdout.buffer.write(said)
"""

_SETTINGS = f"""\
<yandex>
  <logger><level>information</level><console>1</console></logger>
  <http_port>{_PORT}</http_port>
  <listen_host>0.0.0.0</listen_host>
  <path>/var/lib/clickhouse/</path>
  <tmp_path>/var/lib/clickhouse/tmp/</tmp_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
  <timezone>UTC</timezone>
</yandex>
"""
_CONFIG = "/etc/clickhouse-server/config.xml"


def logs_machine(name: str) -> Machine:
    """Return the log server; it keeps the real time."""
    become = ("setpriv", "--reuid=clickhouse", "--regid=clickhouse", "--clear-groups")
    return Machine(
        name,
        (*become, "/usr/sbin/clickhouse-server", f"--config-file={_CONFIG}"),
        "Ready for connections",
        files={_CONFIG: Installed(_SETTINGS.encode())},
    )


class Logs:
    """The log server as the coordinator sees it.

    Args:
        coordinator: its machine, in real time.
        server: the log server's name.
        service: the name that the lines of a run carry.
    """

    def __init__(self, coordinator: Host, server: str, service: str) -> None:
        self._coordinator = coordinator
        self._address = f"{server}:{_PORT}"
        self._service = service
        self._finished: datetime | None = None

    def create(self) -> None:
        """Make the table.

        Raises:
            CannotVerify: the server makes none.
        """
        self._ask(*_CREATE)

    def ship(self, at: datetime, done: Completed) -> tuple[Finding, ...]:
        """Log a run, and hold the dashboard's answer against what is known of all runs.

        Args:
            at: when it ended, in simulated time.

        Raises:
            CannotVerify: the server does not take it.
        """
        if done.status == 0:
            self._finished = max(at, self._finished or at)
        said = self._ask(_INSERT, LAST_FINISHED, rows=self._rows(at, done))
        expected = str(int(self._finished.timestamp())) if self._finished else ""
        if said == expected:
            return ()
        detail = f"the last run that finished was {_shown(expected)}, and it says {_shown(said)}"
        return (Finding("disagreement", TABLE, detail),)

    def last_finished(self) -> datetime | None:
        """Ask the server when a run finished last, as the dashboard does."""
        said = self._ask(LAST_FINISHED)
        return datetime.fromtimestamp(int(said), UTC) if said else None

    def _rows(self, at: datetime, done: Completed) -> bytes:
        lines = [(self._service, line) for line in said(done)]
        lines.append((SYSTEMD, FAILED if done.status else FINISHED))
        when, host = int(at.timestamp()), self._coordinator.name
        rows = ({"when": when, "host": host, "service": s, "data": line} for s, line in lines)
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()

    def _ask(self, *queries: str, rows: bytes = b"") -> str:
        command = Command(
            ("/usr/bin/python3", "-I", "-S", "-c", _ASK, self._address, *queries), stdin=rows
        )
        done = self._coordinator.run(command, timeout_s=TIMEOUT_S)
        if done.status != 0:
            message = f"the log server does not answer: {done.last_lines(2)}"
            raise CannotVerify(TABLE, message, "see what it needs: memory, disk")
        return done.stdout.decode().strip()


def _shown(seconds: str) -> str:
    return (
        f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S} UTC" if seconds else "none"
    )
