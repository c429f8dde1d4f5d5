"""What is wrong with a manifest, and where: file, line, word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.errors import SettingsError

Place = tuple[str | int, ...]
Finding = tuple[Place, str]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `word` is the path of the word, such as `auth.oauth.token.url`; empty for the whole file."""

    file: str
    line: int
    word: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {f'{self.word}: ' if self.word else ''}{self.message}"


class ManifestError(SettingsError):
    """A connector manifest is wrong. `problems` are all of its mistakes, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))
