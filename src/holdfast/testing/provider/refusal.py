"""A request that the provider refuses, in RFC 6749's error codes (sections 4.1.2.1 and 5.2)."""

from __future__ import annotations


class Refusal(Exception):
    """`code` is for programs, `description` for people; `status` is that of a token endpoint."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.status = status
