"""What is lost with the packs that are damaged, by an index that is no older than the packs.

Who prunes while packs are read takes snapshots and index files away before the packs: what looks
lost by an index of before need not be. So the index is looked at once more before anything is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from verifier.core.errors import CannotVerify
from verifier.reader.contents import PackCheck
from verifier.reader.damage import Damage
from verifier.reader.index import Index
from verifier.reader.repository import Repository
from verifier.reader.verify import Losses, losses, lost_blobs

_LOOKS = 3
"""How often the index is read anew before we give up on somebody who prunes all the time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is damaged, and what is lost with it.

    Attributes:
        wounded: IDs of the damaged packs that are still listed.
        lost: blob ID -> what took every copy of it.
        seen: which files of which snapshots.
    """

    wounded: frozenset[str]
    damages: tuple[Damage, ...]
    lost: Mapping[str, tuple[Damage, ...]]
    seen: Losses


def find_losses(
    repository: Repository, checks: Iterable[PackCheck], index: Index, beside: Callable[[], Losses]
) -> Found:
    """Say what is lost.

    Args:
        index: that the packs were chosen by.
        beside: gives the losses where no pack is damaged, by that index.

    Raises:
        CannotVerify: the repository does not come to rest.
    """
    wounds = {check.pack: check.wounds for check in checks if check.wounds}
    as_it_was = index
    for _ in range(_LOOKS):
        if wounds or repository.damages():
            repository.refresh()
        index = repository.index
        # A pack that nobody lists any more was pruned while the others were read.
        left = {p: w for p, w in wounds.items() if index.pack_number(p) is not None}
        every = [wound for of_pack in left.values() for wound in of_pack]
        lost = lost_blobs(repository, every)
        if lost or index is not as_it_was:
            seen = losses(repository, lost, repository.snapshots())
        else:
            seen = beside()
        damages = dict.fromkeys([*repository.damages(), *(d for d, _ in every), *seen.damages])
        if damages:
            repository.refresh()
        if not damages or repository.index is index:
            return Found(frozenset(left), tuple(damages), lost, seen)
    message = "was pruned again and again while it was read"
    raise CannotVerify(repository.storage.location, message, "verify it when nobody prunes it")
