"""Lines in which the search must find a broken promise: as first written, one guard taken out, and beyond physics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from tests.model.guards import AS_WRITTEN, ROTATING, Guards
from tests.model.lines import Line, line

GUARDS = Guards()


def breaking() -> Iterator[Line]:
    """The lines `D`, `M` and `P`."""
    yield from _as_written()
    yield from _before_sending()
    yield from _sending_again()
    yield from _after_the_answer()
    yield from _with_people()
    yield from _physics()


def _as_written() -> Iterator[Line]:
    yield _as("ack", "stored, and not told so", rotation="none", faults="ack")
    yield _as("cut", "cut off with the answer, and another node claims", faults="cut")
    yield _as("kill", "killed with the answer spooled", faults="kill")
    yield _as("strict", "an answer lost while the access token is good", rotation="strict", faults="lost-answer")
    yield _as("grace", "an answer lost, and the window over", rotation="grace", faults="lost-answer")
    yield _as("slow", "an answer after the deadline", rotation="strict", faults="slow*3")
    yield _as("forgets", "two kills: that it may have been sent is forgotten", one_disk=True, faults="kill*2")
    yield _as("two-users", "two consents, the older one stored last", plans="consent consent")
    yield _as("account", "a revocation that ends the whole account", plans="consent", account_wide=True)
    yield _as("moves", "a lock that moves between sessions", lock="moves")
    yield _as("lease-only", "a lease without a lock, a pause", lock="none", faults="pause slow")
    yield _as("lock-only", "a lock without a lease, its session lost in flight", respects_lease=False, faults="session")


def _before_sending() -> Iterator[Line]:
    yield _out("lock", "no lock, a pause of any length", lock="none", faults="pause slow", timely=False)
    yield _out("moves", "a lock that moves between sessions", lock="moves")
    yield _out("lease", "a lease that nobody respects", respects_lease=False, faults="kill slow")
    yield _out("look", "the row not read again under the lock", looks_again=False, faults="slow")
    yield _out("clock", "leases by a node's clock", database_clock=False, faults="kill")
    yield _out("mark", "no mark before sending", marks=False, faults="kill session")
    yield _out("fence", "a mark whatever attempt and lease", fences_mark=False, faults="session pause slow*2")
    yield _out("elapsed", "sent however long after the claim", minds_elapsed=False, faults="session pause slow*4")


def _sending_again() -> Iterator[Line]:
    yield _out("sticky", "that it may have been sent, kept with the lease only", remembers=False, faults="kill*2")
    yield _impatient("wait-strict", "strict")
    yield _impatient("wait-family", "family")
    yield _out("grace", "a window without an end", measures_window=False, rotation="grace", faults="lost-answer")
    yield _out("evidence", "a replay without the sender's word", asks_sender=False, faults="kill")
    yield _out("settle", "nothing taken back, no time to settle", takes_back=False, faults="pause kill slow")


def _impatient(name: str, rotation: str) -> Line:
    about = f"a {rotation} token replayed while the access token is good"
    return _out(name, about, patient=ROTATING - {rotation}, rotation=rotation, faults="lost-answer")


def _after_the_answer() -> Iterator[Line]:
    yield _out("hangup", "the socket closed at the deadline", listens=False, faults="slow*3")
    yield _out("detached", "a caller that leaves ends the flight", detached=False, faults="cancel", callers=1)
    yield _out("spool", "no spool", spools=False, faults="kill")
    yield _out(
        "drain", "a spool that only a later claim reads", drains="when ambiguous", faults="kill", plans="consent"
    )
    yield _out("hold", "an answer given up without a database", holds=False, faults="cut full-disk")
    yield _out(
        "cas-attempt",
        "stored by the same attempt only",
        stores_on="generation and attempt",
        faults="cut slow*2",
        timely=False,
    )
    yield _out("miss", "a miss revokes", judges_miss=False, supersedes=False, faults="ack")
    yield _out(
        "revive", "a row told as dead is not repaired", repairs=False, rotation="strict", faults="kill", timely=False
    )
    yield _out("flag", "a refusal that nobody is told", tells=False, rotation="strict", faults="lost-answer")


def _with_people() -> Iterator[Line]:
    strict: dict[str, Any] = {"rotation": "strict", "faults": "lost-answer slow"}
    yield _out("cas", "stored whatever the generation", stores_on="nothing", plans="consent")
    yield _out("id", "stored whatever the connection's id", minds_id=False, plans="delete consent")
    yield _out("superseded", "no revocation superseded", supersedes=False, plans="consent", account_wide=True)
    yield _out("consent", "redemptions without a number", numbers_consents=False, plans="consent consent")
    yield _out("refusal", "a refusal whatever the generation", fences_refusal=False, plans="consent", **strict)
    yield _out("judge", "callers hear how flights end", answers_from_row=False, plans="consent caller", **strict)


def _physics() -> Iterator[Line]:
    yield line("P-failover", "a replica takes over without the last commit", GUARDS, faults="failover")
    yield line(
        "P-pause-session",
        "paused at the socket past patience, the session lost",
        GUARDS,
        faults="pause session slow",
        timely=False,
    )
    yield line("P-away", "a node away with the answer past patience", GUARDS, faults="kill", timely=False)
    yield line("P-late", "killed, and the provider acts past patience", GUARDS, faults="disk slow*5", timely=False)


def _as(name: str, about: str, **changes: Any) -> Line:
    return _changed(f"D-{name}", about, AS_WRITTEN, changes)


def _out(name: str, about: str, **changes: Any) -> Line:
    return _changed(f"M-{name}", about, GUARDS, changes)


def _changed(name: str, about: str, guards: Guards, changes: dict[str, Any]) -> Line:
    """The line in which those of `changes` that are guards change the protocol, and the others the world."""
    ours = {field.name for field in fields(Guards)} & set(changes)
    protocol = replace(guards, **{guard: changes[guard] for guard in ours})
    return line(name, about, protocol, **{word: changes[word] for word in changes if word not in ours})
