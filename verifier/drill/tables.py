"""The ledger's file: its tables."""

from __future__ import annotations

from verifier.database.shape import Shape

_FIRST = """
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,
  repository TEXT NOT NULL,
  inputs TEXT NOT NULL,
  seed INTEGER NOT NULL,
  within INTEGER NOT NULL CHECK (within > 0),
  begun_at TEXT NOT NULL,
  pid INTEGER NOT NULL,
  finished_at TEXT,
  verdict TEXT,
  totals TEXT,
  CHECK ((finished_at IS NULL) = (verdict IS NULL))
) STRICT;
CREATE TABLE scopes (
  id INTEGER PRIMARY KEY,
  repository TEXT NOT NULL,
  unit TEXT NOT NULL CHECK (unit IN ('packs', 'files')),
  name TEXT NOT NULL,
  UNIQUE (repository, unit, name)
) STRICT;
CREATE TABLE proofs (
  scope INTEGER NOT NULL REFERENCES scopes,
  key BLOB NOT NULL,
  run INTEGER NOT NULL REFERENCES runs,
  before INTEGER NOT NULL CHECK (before < run),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE doubts (
  scope INTEGER NOT NULL REFERENCES scopes,
  key BLOB NOT NULL,
  run INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE rounds (
  scope INTEGER NOT NULL REFERENCES scopes,
  run INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (scope, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE held (
  scope INTEGER NOT NULL,
  run INTEGER NOT NULL,
  round INTEGER NOT NULL CHECK (round >= 0),
  units INTEGER NOT NULL CHECK (units >= 0),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (scope, run, round),
  FOREIGN KEY (scope, run) REFERENCES rounds ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE parts (
  run INTEGER NOT NULL REFERENCES runs,
  part TEXT NOT NULL,
  findings TEXT NOT NULL,
  section TEXT NOT NULL,
  PRIMARY KEY (run, part)
) STRICT, WITHOUT ROWID;
"""

_LARGEST = """
ALTER TABLE rounds ADD COLUMN largest_bytes INTEGER NOT NULL DEFAULT 0 CHECK (largest_bytes >= 0);
UPDATE rounds SET largest_bytes = found.bytes
FROM (SELECT scope, max(bytes) AS bytes FROM proofs GROUP BY scope) AS found
WHERE found.scope = rounds.scope
"""
# Of each round the largest unit that was proven by then: the proofs are millions, too many to be
# walked through whenever somebody looks.

LEDGER = Shape(
    name="ledger",
    application=0x72764C67,
    migrations=(_FIRST, _LARGEST),
    cache_kib=64 << 10,
    option="--ledger",
    first="run monthly",
)
"""The memory of drills."""
