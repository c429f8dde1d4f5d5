"""All that the pages say, whole sentences with names put in: never a word of a request, a provider or an error.

`{service}`, `{application}` and `{customer}` are names; they stand where no language would bend them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tie = Literal["held", "wait", "care", "broken", "ended"]
Said = Literal[
    "ask_connect", "ask_disconnect", "nothing", "connected", "waiting", "disconnected", "disconnected_pending",
    "disconnected_here", "stopped", "kept", "denied", "failed", "settings", "not_ready", "service_down", "expired",
    "used", "other_browser", "invalid_link", "nowhere", "gone", "stale_page", "hidden_sender", "ahead", "overtaken",
    "unreachable", "broken",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """Something to read first. `tone` is `warn` or `calm`."""

    tone: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """What one page says; each line of `text` is a paragraph."""

    tie: Tie
    heading: str
    text: str = ""
    note: Note | None = None
    agree: str = ""
    decline: str = ""


WORDS: dict[Said, Words] = {
    "ask_connect": Words(
        "care",
        "Connect {service} to {customer}?",
        note=Note(
            "warn",
            "Did somebody send you this link?",
            "Stop if you don’t know {customer}. Whoever uses that account in {application} would work with your "
            "{service} data.",
        ),
        agree="Continue to {service}",
        decline="Stop, I did not expect this",
    ),
    "ask_disconnect": Words(
        "held",
        "Disconnect {service}?",
        "{application} loses access to the {service} account of {customer} at once.",
        Note("calm", "What stays", "Data that {application} has already copied stays with {application}."),
        agree="Disconnect",
        decline="Keep it",
    ),
    "nothing": Words(
        "ended",
        "Nothing happened here",
        "This page tells what came of a connection.\nYou can close this window.",
    ),
    "connected": Words(
        "held",
        "{service} is connected",
        "{application} can now work with your {service} data.\nYou can close this window.",
    ),
    "waiting": Words(
        "wait",
        "Almost done",
        "{service} said yes. Nothing is connected until {application} has made sure that it is you.\n"
        "Go back to {application} to finish.",
    ),
    "disconnected": Words(
        "ended",
        "{service} is disconnected",
        "{application} no longer has access. The keys are deleted here, and {service} has confirmed the end.\n"
        "You can close this window.",
    ),
    "disconnected_pending": Words(
        "ended",
        "{service} is disconnected",
        "{application} no longer has access, and the keys are deleted here.\n"
        "{service} has not confirmed it yet. To be sure, remove {application} in the settings of {service}.",
    ),
    "disconnected_here": Words(
        "ended",
        "{service} is disconnected",
        "{application} no longer has access; no keys are left here.\n"
        "To be sure, remove {application} in the settings of {service} as well.",
    ),
    "stopped": Words(
        "ended",
        "Nothing was connected",
        "You can close this window.\n"
        "If the link came as a surprise, tell {application}: somebody may have tried to reach your data.",
    ),
    "kept": Words("held", "{service} stays connected", "Nothing was changed. You can close this window."),
    "denied": Words(
        "broken",
        "{service} was not connected",
        "You said no at {service}, or left its page. {application} received nothing.\n"
        "To try again, go back to {application}.",
    ),
    "failed": Words(
        "broken",
        "{service} was not connected",
        "{service} did not complete the sign-in. Nothing was connected.\nGo back to {application} and try again.",
    ),
    "settings": Words(
        "care",
        "A detail is missing",
        "{service} needs to know more before you can sign in there.\n"
        "Go back to {application}, fill in what it asks for, and try again.",
    ),
    "not_ready": Words(
        "broken",
        "{application} has to fix something first",
        "{service} can’t be connected at the moment. It is not about you or your account.\n"
        "Please tell {application}, and try again later.",
    ),
    "service_down": Words(
        "broken",
        "{service} does not answer",
        "Nothing is wrong with your account, and nothing was connected. Please try again in a few minutes.",
    ),
    "overtaken": Words(
        "ended",
        "{service} was not connected",
        "The connection was ended or turned off while you were away.\n"
        "To connect it all the same, go back to {application} and choose {service} again.",
    ),
    "expired": Words(
        "ended",
        "This link has expired",
        "For your safety a link works for a short time only.\n"
        "Go back to the application that you came from, and choose the service there again.",
    ),
    "used": Words(
        "ended",
        "This link was used before",
        "Each link works once. If you have just connected the service, you are done.\n"
        "If not, go back to the application that you came from, and choose the service there again.",
    ),
    "other_browser": Words(
        "care",
        "Continue where you started",
        "You began in another browser, or in a private window. For your safety only that one can finish.\n"
        "Nothing was connected. To use this browser, go back to the application and choose the service again.",
    ),
    "invalid_link": Words(
        "ended",
        "This link does not work",
        "A part of it is missing or was changed. Copy the whole link, or ask for a new one.",
    ),
    "stale_page": Words(
        "ended", "Nothing was changed", "The page was open for too long, or was sent twice. Open the link again."
    ),
    "nowhere": Words(
        "broken",
        "This link leads nowhere yet",
        "It names an address to come back to that its application has not registered. Nothing was connected, and it is "
        "not about you or your account.\nPlease tell the application that you came from.",
    ),
    "gone": Words(
        "ended",
        "This link is no longer in use",
        "The application that it belongs to has left. Nothing was connected.\nYou can close this window.",
    ),
    "hidden_sender": Words(
        "care",
        "Your browser hides where it comes from",
        "We could not tell that it was you who pressed the button, so nothing was changed.\n"
        "Open the link again in another browser, or without the extension that hides it.",
    ),
    "ahead": Words("ended", "Nothing happened", "This link does something, so it is opened and not fetched ahead."),
    "unreachable": Words(
        "broken", "We can’t be reached right now", "Your connections are safe. Please try again in a few minutes."
    ),
    "broken": Words(
        "broken",
        "Something went wrong here",
        "It is not about you or your account. Please try again in a few minutes.",
    ),
}
