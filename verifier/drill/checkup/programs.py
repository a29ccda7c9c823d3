"""The programs that this machine needs: restic, and where they are used ssh, rclone and Docker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verifier.core.checkup import Question, Seen, Subject, broken, fine, flawed, needless
from verifier.core.errors import CannotVerify, ToolMissing
from verifier.core.host import Command, Host
from verifier.core.policy import UNLIMITED, Policy
from verifier.restic.binary import version
from verifier.retention.rules import NEWEST, parse_release, release_text, rules_for

LIMIT_S = 60.0
"""For one program to answer: longer than any of them waits for something far away."""

_ALL_HERE = "not needed: every host is this machine"


@dataclass(frozen=True, slots=True)
class Programs:
    """What is used here.

    Attributes:
        restic: the program's name or path.
        policy: what `forget` is told to keep; none where no configuration says.
        ssh: some host is far away.
        rclone_target: where rclone copies to, as `remote:path`; empty where it copies nothing.
    """

    restic: str = "restic"
    policy: Policy | None = None
    ssh: bool = False
    rclone_target: str = ""


def programs(here: Host, used: Programs, ask_engine: Callable[[], str | None]) -> Subject:
    """Return the questions about programs.

    Args:
        ask_engine: says why containers cannot be had, nothing where they can, and none where
            Docker is not installed at all.
    """
    questions = [
        Question("restic", lambda: judge_restic(version(here, used.restic), used.policy)),
        Question("ssh", lambda: ask_ssh(here) if used.ssh else needless(_ALL_HERE)),
        Question("rclone", lambda: ask_rclone(here, used.rclone_target)),
        Question("docker", lambda: judge_engine(ask_engine())),
    ]
    return Subject("programs", tuple(_needed(question) for question in questions))


def _needed(question: Question) -> Question:
    # That a program is not there has been seen.
    def ask() -> Seen:
        try:
            return question.ask()
        except ToolMissing as error:
            return broken(error.message, error.remedy)

    return Question(question.name, ask, question.after)


def judge_restic(release: str, policy: Policy | None) -> Seen:
    """Judge a release of restic: whether its decisions are known, and whether it has the rules."""
    saw = f"restic {release}"
    rules = rules_for(release)
    counts = () if policy is None else policy.options()
    if any("within-" in option for option in counts) and not rules.within_buckets:
        remedy = "install restic 0.12.1 or newer, or use --keep-within"
        return broken(f"{saw} has no --keep-within-hourly and its kin", remedy)
    if any(option.endswith("=unlimited") for option in counts) and not rules.knows_unlimited:
        assert UNLIMITED < 0, "no count"
        remedy = "install restic 0.16 or newer, or write a count high enough, as 10000"
        return broken(f"{saw} knows no `unlimited`", remedy)
    if parse_release(release) > NEWEST:
        known = release_text(NEWEST)
        message = f"{saw} is newer than {known}, the last whose decisions were compared"
        return flawed(message, f"simulate the policy with it: simulate --restic {release}")
    return fine(saw)


def ask_ssh(here: Host) -> Seen:
    """Ask OpenSSH's client which it is."""
    done = here.run(Command(("ssh", "-V")), timeout_s=LIMIT_S)
    said = done.last_lines(1)
    if done.status:
        return broken(f"`ssh -V` ended with {done.status}: {said}", "install openssh-client")
    return fine(said.partition(",")[0])


def ask_rclone(here: Host, target: str) -> Seen:
    """Ask rclone which it is, and whether it knows the remote that the copy goes to."""
    if not target:
        return needless("no copy is made by rclone")
    done = here.run(Command(("rclone", "version")), timeout_s=LIMIT_S)
    if done.status:
        saw = f"`rclone version` ended with {done.status}: {done.last_lines(1)}"
        return broken(saw, "install the package rclone")
    release = done.stdout.decode(errors="replace").partition("\n")[0]
    if target.startswith("/"):
        return fine(release)
    remote = target.partition(":")[0] + ":"
    listed = here.run(Command(("rclone", "listremotes")), timeout_s=LIMIT_S)
    remotes = listed.stdout.decode(errors="replace").split()
    # `:s3,provider=…:bucket` is a remote that is made on the spot.
    if target.startswith(":") or remote in remotes:
        return fine(f"{release}, knows {remote}")
    known = ", ".join(remotes) or "none"
    remedy = (
        f"make it with `rclone config`, as the user that runs the jobs, or name another: {known}"
    )
    return broken(f"{release} knows no remote {remote}", remedy)


def ask_copy(here: Host, target: str) -> Seen:
    """Ask rclone what is at the top of the copy, without the patience of minutes that it has."""
    hurry = ("--retries=1", "--low-level-retries=1", "--contimeout=10s", "--timeout=20s")
    command = Command(("rclone", "lsf", "--max-depth=1", *hurry, "--", target))
    try:
        done = here.run(command, timeout_s=LIMIT_S)
    except CannotVerify as error:
        return broken(error.message, "see that its server answers")
    if done.status:
        remedy = "run `rclone lsf` on it by hand; where it is new, the first cycle makes it"
        return broken(f"rclone cannot list it: {done.last_lines(1)}", remedy)
    names = done.stdout.decode(errors="replace").splitlines()
    if "config" not in names:
        remedy = "wait for the next cycle, or see that this is the right place"
        return flawed(f"{len(names)} names there, and no repository yet", remedy)
    return fine("holds a repository")


def judge_engine(refusal: str | None) -> Seen:
    """Judge whether containers can be had."""
    if refusal is None:
        return needless("not installed; only `simulate --fidelity fleet` uses it")
    if refusal:
        return flawed(refusal, "start Docker; only `simulate --fidelity fleet` uses it")
    return fine("answers, and this user may use it")
