"""The people who have an account at the provider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in and consent. `password` is for the password grant (RFC 6749 section 4.3)."""

    id: int
    name: str
    email: str
    company_id: int
    company: str
    password: str = "correct horse battery staple"

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2])


USERS = (
    User(18204411, "Marta Kowalczyk", "marta.kowalczyk@northwind-freight.example", 7713204, "Northwind Freight"),
    User(18204412, "Jonas Lindqvist", "jonas.lindqvist@northwind-freight.example", 7713204, "Northwind Freight"),
    User(18377090, "Aisha Rahman", "aisha.rahman@brightwater-dental.example", 7720951, "Brightwater Dental"),
)
