"""A small CRM: users, pipelines with stages, leads with custom fields, in the manner of real ones.

Answers are wrapped (`success`, `data`), lists are paged by `start` and `limit`, and custom fields are members whose
names are 40 hex digits that only `leadFields` explains. Each provider has leads of its own, so tests can add some.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from typing import Any

from holdfast.testing.provider.api import ApiRoute, Call
from holdfast.testing.provider.users import USERS, User

SCOPES = {
    "users:read": "See who you are and which company you belong to",
    "leads:read": "Read leads and their custom fields",
    "leads:write": "Add leads",
    "pipelines:read": "Read pipelines and stages",
}


def _key(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def _field(id: int, key: str, name: str, field_type: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    listed = [{"id": id * 10 + number, "label": label} for number, label in enumerate(options, start=1)]
    field = {"id": id, "key": key, "name": name, "field_type": field_type, "edit_flag": False, "mandatory_flag": False}
    return {**field, "options": listed} if options else field


def _custom(id: int, name: str, field_type: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    return {**_field(id, _key(name), name, field_type, options), "edit_flag": True}


LEAD_FIELDS = [
    _field(4001, "title", "Title", "varchar") | {"mandatory_flag": True},
    _field(4002, "value", "Value", "monetary"),
    _field(4003, "owner_id", "Owner", "user"),
    _field(4004, "expected_close_date", "Expected close date", "date"),
    _custom(4017, "Lead source", "enum", ("Trade fair", "Website", "Referral", "Cold call")),
    _custom(4018, "Fleet size", "double"),
    _custom(4019, "Contract ends on", "date"),
    _custom(4020, "Interested in", "set", ("Route planning", "Driver app", "Fuel cards")),
    _custom(4021, "Next step", "text"),
]

PIPELINES = [
    {"id": 1, "name": "New business", "order_nr": 1, "active": True, "stages": [
        {"id": 11, "name": "Qualified", "order_nr": 1, "deal_probability": 20},
        {"id": 12, "name": "Demo scheduled", "order_nr": 2, "deal_probability": 40},
        {"id": 13, "name": "Proposal sent", "order_nr": 3, "deal_probability": 60},
        {"id": 14, "name": "Negotiation", "order_nr": 4, "deal_probability": 80},
    ]},
    {"id": 2, "name": "Renewals", "order_nr": 2, "active": True, "stages": [
        {"id": 21, "name": "Up for renewal", "order_nr": 1, "deal_probability": 70},
        {"id": 22, "name": "Terms agreed", "order_nr": 2, "deal_probability": 95},
    ]},
]  # fmt: skip

_ORGANISATIONS = (
    ("Halvorsen Shipping AS", "Ingrid Halvorsen", "NOK", 184_000, 13, 4, "Trade fair", 42),
    ("Ferrari & Figli Trasporti", "Paolo Ferrari", "EUR", 27_500, 11, 3, "Website", 12),
    ("Cobalt Couriers Ltd", "Naomi Adeyemi", "GBP", 61_250, 12, 5, "Referral", 88),
    ("Spedition Brandt GmbH", "Katrin Brandt", "EUR", 96_400, 14, 2, "Cold call", 61),
    ("Transportes Oliveira Lda", "Rui Oliveira", "EUR", 15_900, 11, 6, "Website", 9),
    ("Van den Berg Koeltransport", "Sanne van den Berg", "EUR", 132_000, 22, 1, "Referral", 117),
    ("Atlas Haulage Inc", "Derek O'Neill", "USD", 248_750, 21, 2, "Trade fair", 203),
    ("Müller Kühllogistik", "Jürgen Müller", "CHF", 73_300, 12, 4, "Cold call", 54),
)


def _lead(number: int) -> dict[str, Any]:
    organisation, person, currency, amount, stage, month, source, fleet = _ORGANISATIONS[number % len(_ORGANISATIONS)]
    round_of = number // len(_ORGANISATIONS) + 1
    source_option = next(o for o in LEAD_FIELDS[4]["options"] if o["label"] == source)
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://crm.example/leads/{number}")),
        "title": f"{organisation}: {'fleet contract' if round_of == 1 else f'depot {round_of}'}",
        "owner_id": USERS[number % len(USERS)].id,
        "person": {"name": person},
        "organization": {"name": organisation},
        "value": {"amount": amount * round_of, "currency": currency},
        "stage_id": stage,
        "expected_close_date": f"2026-{month + 3:02d}-{10 + number % 18:02d}",
        "add_time": f"2025-{month:02d}-14T09:{number % 60:02d}:00Z",
        LEAD_FIELDS[4]["key"]: source_option["id"],
        LEAD_FIELDS[5]["key"]: fleet,
    }


class Crm:
    """The data of one provider."""

    def __init__(self, leads: int = 24) -> None:
        self.leads = [_lead(number) for number in range(leads)]
        self._added = itertools.count(leads)

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute("GET", "/api/v1/users/me", lambda call: _found(_described(call.user))),
            ApiRoute("GET", "/api/v1/users", _found([_described(user) for user in USERS])),
            ApiRoute("GET", "/api/v1/leads", lambda call: _page(call, self.leads)),
            ApiRoute("POST", "/api/v1/leads", self._add, status=201),
            ApiRoute("GET", "/api/v1/leadFields", lambda call: _page(call, LEAD_FIELDS)),
            ApiRoute("GET", "/api/v1/pipelines", lambda call: _page(call, PIPELINES)),
        )

    def _add(self, call: Call) -> dict[str, Any]:
        given = call.request.members
        lead = _lead(next(self._added)) | {name: given[name] for name in ("title", "value") if name in given}
        self.leads.append(lead)
        return _found(lead)


def _described(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "active_flag": True,
        "company_id": user.company_id,
        "company_name": user.company,
        "timezone_name": "Europe/Warsaw",
    }


def _found(data: Any) -> dict[str, Any]:
    return {"success": True, "data": data}


def _page(call: Call, items: list[dict[str, Any]]) -> dict[str, Any]:
    start, limit = _number(call, "start", 0), _number(call, "limit", 100)
    more = start + limit < len(items)
    pagination = {"start": start, "limit": limit, "more_items_in_collection": more}
    return {**_found(items[start : start + limit]), "additional_data": {"pagination": pagination}}


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.query.get(name, "")
    return int(text) if text.isdecimal() else default
