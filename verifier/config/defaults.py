"""The production set-up as a value, for commands that were given no file."""

from __future__ import annotations

from verifier.config.models import Config

_HOSTS: dict[str, dict[str, list[str]]] = {
    "web1": {
        "include": ["/etc", "/home", "/srv/www", "/var/log"],
        "exclude": ["/home/*/.cache", "*.tmp"],
    },
    "db1": {"include": ["/etc", "/var/backups/postgresql"]},
    "mail1": {"include": ["/etc", "/home", "/var/mail"], "exclude": ["/home/*/.cache"]},
}
PROBE = ("sudo", "-n", "/usr/local/sbin/permit-probe")
"""What a host's `become` says where the drill reads by what `render` installs for it."""


def defaults() -> Config:
    """Return what `fixtures/example/verify.toml` says, without reading any file."""
    return Config.model_validate(
        {
            "schema": 1,
            "repository": {
                "location": "/mnt/storage/restic",
                "password-file": "/mnt/keys/restic/password",
            },
            "coordinator": {"name": "jak"},
            "schedule": {"times": ["04:00"], "timezone": "America/Los_Angeles"},
            "retention": {
                "keep-daily": 30,
                "keep-weekly": 5,
                "keep-monthly": 12,
                "keep-yearly": 10,
            },
            "offsite": {"method": "rclone-sync", "target": "offsite:restic"},
            "hosts": [
                {"name": name, "repository": "/mnt/jak/restic", "become": list(PROBE), **lists}
                for name, lists in _HOSTS.items()
            ],
        }
    )
