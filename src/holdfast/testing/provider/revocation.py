"""The revocation endpoint: RFC 7009, and the shapes that others use instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from holdfast.testing.provider import answers
from holdfast.testing.provider.api import caller
from holdfast.testing.provider.clients import RegisteredClient, authenticate
from holdfast.testing.provider.ledger import Ledger
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.refusal import Refusal
from holdfast.testing.provider.shape import Revocation, Shape


@dataclass(frozen=True, slots=True, repr=False)
class RevocationEndpoint:
    """Ends tokens. A token that is unknown or already dead is no error (RFC 7009 section 2.2)."""

    shape: Shape
    word: Revocation
    ledger: Ledger
    clients: Mapping[str, RegisteredClient]

    def answer(self, request: Received) -> Response:
        try:
            self._revoke(request)
        except Refusal as refusal:
            return answers.refused(self.shape.answer, request, refusal)
        return Response(status_code=self.word.status)

    def _revoke(self, request: Received) -> None:
        client_id = self._authenticate(request)
        members = {**request.query, **request.members, **request.segments}
        wrong = [name for name, value in self.word.params.items() if members.get(name) != value]
        if wrong:
            raise Refusal("invalid_request", f"missing or wrong: {', '.join(wrong)}")
        if self.word.token is None:
            for grant in self.ledger.grants:
                grant.ended = grant.ended or grant.client_id == client_id
        elif not members.get(self.word.token):
            raise Refusal("invalid_request", f"missing: {self.word.token}")
        else:
            self.ledger.revoke(members[self.word.token])

    def _authenticate(self, request: Received) -> str | None:
        """The client that asks, if it can be told."""
        if self.word.auth == "none":
            return None
        if self.word.auth == "credential":
            grant = caller(self.shape.api, self.ledger, request).grant
            if grant is None:
                raise Refusal("invalid_token", "no good access token", 401)
            return grant.client_id
        style = "basic" if self.word.auth == "client_basic" else self.shape.token.client_auth
        return authenticate(self.clients, request, style, self.shape.token.rename).client_id
