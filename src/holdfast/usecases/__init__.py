"""What the product does, one module for each thing that has to be decided.

- `subject`       an integration, with the consumer's connection: what an operation is about
- `recent`        what was read a moment ago; `flight`: work in progress, which nobody's leaving stops
- `api_keys`      API keys: made, recognised
- `manage`        the operator's side: applications, their keys and integrations
- `links`         the signed links that an answer carries
- `states`        the states, tokens and redirect URIs behind a browser's steps
- `steps`         what a browser's step comes to, as values; where a browser may be sent
- `authorize`     the browser's way to the provider and back
- `confirm`       a code that waits until the product says who came back
- `delegate`      a flow that a product begins itself
- `disconnect`    a grant that its consumer ends
- `credential`    the gate to a usable credential, and the ways in which one is obtained
- `connections`   seen, added, changed, imported, deleted; `validate`: tried
- `resources`     what can be set for a connection's resources, and their custom fields
- `revocations`   grants to be ended at their provider: the first kind of work that no request waits for
- `bell`          wakes this process's worker

They take a `Scope` and a `Vault`. They know nothing of HTTP in front of them: errors leave as
`holdfast.errors`, answers as values of the domain.
"""
