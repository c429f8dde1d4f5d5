"""What an application's proxy lets through, for whoever holds the admin token."""

from __future__ import annotations

from typing import Annotated

from holdfast.http.browser import ApplicationId
from holdfast.http.manage import APPLICATION, ERRORS
from holdfast.http.operations import Api, Body, Call
from holdfast.http.wire.envelope import DATA, Answer
from holdfast.usecases import manage
from holdfast.usecases.manage import PolicyData

api = Api("Management")

POLICY = APPLICATION + "/proxy-policy"


class PolicyResponse(Answer, kw_only=True):
    """The rules of an application's proxy."""

    data: Annotated[PolicyData, DATA]


@api.operation("GET", POLICY, "proxyPolicyOne", summary="Get proxy policy", security="admin", errors=ERRORS)
async def policy(call: Call, application_id: ApplicationId) -> PolicyResponse:
    """The rules by which calls through the proxy are let through or blocked."""
    return PolicyResponse(data=await manage.policy(call.vault, application_id))


@api.operation("PUT", POLICY, "proxyPolicyPut", summary="Replace proxy policy", security="admin", errors=ERRORS)
async def replace_policy(
    call: Call, application_id: ApplicationId, body: Annotated[PolicyData, Body("All rules.")]
) -> PolicyResponse:
    """Puts these rules in the place of those there are; they hold for the next call, on every node within a second."""
    return PolicyResponse(data=await manage.replace_policy(call.vault, application_id, body.rules))
