"""The exclude rules against the real restic.

Goal: what we call excluded is what restic leaves out. Method: one generated tree is backed up
under each list of patterns, and what `restic ls` shows is compared with what our rules let
through, path by path. A single path too many or too few turns it red.
"""

from __future__ import annotations

import pytest

from tests.drill.lab import PASSWORD, Lab
from verifier.core.exclude import parse_excludes
from verifier.core.host import Command

FILES = r"""
home/jan/docs/a.txt home/jan/docs/b.TXT home/jan/cache/x home/jan/.cache/y home/ann/docs/a.txt
home/ann/cache/z/deep/file var/log/a.log var/log/b.log.1 var/log/sub/c.log var/lib/db/data1
var/lib/db/dataA foo/bar/baz foo/x/bar/baz foo/x/y/bar/baz bar foo/bar2/q star/a*b star/aXb
star/[ab] star/a star/b star/back\slash star/! star/^ star/- 日本/語.txt tmp.tmp tmp/tmp.tmp
keep/tmp.tmp keep/me.tmp
"""

# One list of patterns a word, `;` between them; `{}` stands for the folder that is backed up.
PATTERNS = r"""
*.log docs docs/ cache {}/home {}/home/*/cache {}/home/**/cache home/*/docs **/docs docs/**
foo/**/baz foo/**/bar foo/*/bar {}/foo/** {}/foo/* foo/**/**/baz ** * / !* /live live data?
data[0-9] data[^0-9] data[!0-9] data[12] data[9-0] star/a\*b star/a*b star/\[ab\] star/[a-b]
star/[\^] star/[\-] star/[!] star/back\\slash 語.* ?本 ./docs foo//bar foo/../docs foo/./bar .*
.cache/ **/sub/*.log var/** a.txt/** **/** x/**/z {} {}/**/bar/** *.tmp;!keep/*.tmp *.tmp;!keep
*.tmp;!me.tmp keep;!keep/me.tmp !me.tmp;*.tmp *.tmp;!*me.tmp;me* bar/baz;!bar
"""
MALFORMED = ["[", "a[", "[]", "[]a]", "[a-]", "[-a]", "\\", "a\\", "[^]", "[a-b-c]", "![a"]
SOUND = ["]", "a]b", r"[\]]", "[a]", "!", "!!a", "[a-b]", r"\a"]


def tree(lab: Lab) -> set[str]:
    for name in FILES.split():
        path = lab.live / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return {str(lab.live), *map(str, lab.live.rglob("*"))}


@pytest.mark.heavy
def test_restic_leaves_out_what_we_call_excluded(lab: Lab) -> None:
    everything, root = tree(lab), str(lab.live)
    differences = {}
    for text in PATTERNS.split():
        patterns = text.replace("{}", root).split(";")
        lab.backup(exclude=patterns)
        kept = {node["path"] for node in lab.listed()} & everything
        excludes = parse_excludes(patterns)
        ours = {path for path in everything if not excludes.excluded(path, [root])}
        if ours != kept:
            differences[text] = sorted(ours ^ kept)

    assert differences == {}


@pytest.mark.heavy
@pytest.mark.parametrize("pattern", [*MALFORMED, *SOUND])
def test_restic_refuses_what_we_refuse(lab: Lab, pattern: str) -> None:
    argv = (lab.program, "--no-cache", "-r", str(lab.repository), "backup", "--dry-run", "-q")
    line = (*argv, f"--exclude={pattern}", str(lab.live))
    done = lab.here.run(Command(line, env={"RESTIC_PASSWORD": PASSWORD}))
    try:
        parse_excludes([pattern])
        accepted = True
    except ValueError:
        accepted = False

    assert accepted == (done.status == 0), done.last_lines()
    assert accepted == (pattern in SOUND)
