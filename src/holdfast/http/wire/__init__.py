"""The API's field names, in both directions: what answers and bodies look like.

A struct is an answer or a body as clients know it; its members say in place what they mean, and `/openapi.json` and
`/docs` repeat it. A member that is UNSET is left out, because strict clients refuse null where the API has none.
The functions beside the structs turn values of the domain into them and back; none of them signs, opens or decides.

- `words`          the API's own enumerations, and which of a manifest's words is which of them
- `meanings`       members that mean the same wherever they stand
- `envelope`       what stands around every answer
- `connection`     a connection, as it is told and as it is sent
- `told`           the same as bytes: what a connector says is encoded once, what a connection says each time
- `form`           the fields that a consumer fills in
- `configuration`  the defaults of resources
- `imports`        connections that were made elsewhere
- `custom_fields`  fields of the service that this API has no name for

A new member is a line in its struct with its sentence; `tests/conformance` compares both with what is answered.
"""
