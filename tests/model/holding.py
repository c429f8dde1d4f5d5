"""Lines in which nothing is found: the protocol on each engine, with people, and simpler ones that hold as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from tests.model.guards import Guards, Rotation
from tests.model.lines import Line, line

GUARDS = Guards()
ENGINES = {
    "postgres": GUARDS,
    "sqlite": replace(GUARDS, lock="file", one_disk=True),
    "leaseonly": replace(GUARDS, lock="none"),
}
FAULTS = {
    "twokills": ("two kills", "kill*2 slow*2"),
    "kill": ("a kill, and a node lost with its disk", "kill disk slow*2"),
    "pause": ("a pause, and its session lost", "pause session slow*3"),
    "answerslost": ("a request and an answer lost", "lost-request lost-answer slow*2"),
    "cutoff": ("cut off, killed, an acknowledgement lost", "cut kill ack"),
    "diskfull": ("a full disk, cut off", "full-disk cut slow*2"),
}
WITHOUT_SESSION = {**FAULTS, "pause": ("a pause, and a kill", "pause kill slow")}
EACH: tuple[Rotation, ...] = ("grace", "strict", "family")
TWO_KILLS_ONLY: tuple[Rotation, ...] = ("none", "last")


def holding() -> Iterator[Line]:
    """The lines `H` and `V`."""
    yield from _engines()
    for engine in ENGINES:
        yield from _people(engine)
    yield from _long_stories()
    yield from _simpler()


def _engines() -> Iterator[Line]:
    for engine, guards in ENGINES.items():
        faults = WITHOUT_SESSION if engine == "sqlite" else FAULTS
        befalling = [*product(EACH, faults), *product(TWO_KILLS_ONLY, ["twokills"])]
        for rotation, name in befalling:
            about, struck = faults[name]
            yield line(f"H-{engine}-{rotation}-{name}", about, guards, rotation, struck)


def _people(engine: str) -> Iterator[Line]:
    def on(name: str, about: str, faults: str, rotation: Rotation = "family", **world: Any) -> Line:
        full = f"H-{name}" if engine == "postgres" else f"H-{name}-{engine}"
        return line(full, about, ENGINES[engine], rotation, faults, **world)

    yield on("user-crash", "a consent, revocations end the account", "kill slow", plans="consent", account_wide=True)
    yield on("user-delete", "a consent and a deletion, a kill", "kill", plans="consent delete", together=1)
    yield on("user-drop", "a consent, an answer lost", "lost-answer age slow", "strict", plans="consent")
    yield on("user-two", "two consents, not told so", "ack", "strict", plans="consent consent", together=1)
    yield on("callers", "callers that leave, cut off, a kill", "kill cancel cut slow", callers=2)
    yield on("again", "two kills, and the generation after", "kill*2 age slow", together=3)
    yield on(
        "retry",
        "a refused token tried again, an answer and a node lost, a consent",
        "lost-answer disk retry slow",
        plans="consent",
        together=3,
    )


def _long_stories() -> Iterator[Line]:
    yield line("H-slow", "everybody slow, a session lost", GUARDS, faults="slow*4 session")
    yield line(
        "H-retry-away",
        "a node away with the answer; the token refused, and tried again",
        GUARDS,
        "strict",
        "kill retry*2 slow",
        together=3,
        timely=False,
    )
    for name, engine in (("", "postgres"), ("-sqlite", "sqlite")):
        about = "a pause of any length, the lock kept"
        yield line(f"H-pause-any-length{name}", about, ENGINES[engine], faults="pause slow*2", timely=False)


def _simpler() -> Iterator[Line]:
    worlds: tuple[tuple[Rotation, str], ...] = (
        ("family", "kill*2 slow*2"),
        ("strict", "kill disk slow*2"),
        ("grace", "kill ack cut"),
    )
    merged, silent = replace(GUARDS, marks_with_claim=True), replace(GUARDS, beats=False)
    for rotation, faults in worlds:
        yield line(f"V-merged-{rotation}", "claim and mark in one statement", merged, rotation, faults)
        yield line(f"V-nobeat-{rotation}", "no heartbeat", silent, rotation, faults)
