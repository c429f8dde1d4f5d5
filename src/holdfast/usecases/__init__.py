"""What the product does, one module for each thing that has to be decided.

- `api_keys`      API keys: made, recognised
- `subject`       an application's set-up as requests read it, remembered for a second (`recent`)
- `manage`        what operators set up
- `links`         the signed links that an answer carries
- `states`        the states, tokens and redirect URIs behind a browser's steps
- `steps`         what a browser's step comes to, as values; where a browser may be sent
- `authorize`     the browser's way to the provider and back
- `confirm`       a code that waits until the product says who came back
- `delegate`      a flow that a product begins itself
- `disconnect`    a grant that its consumer ends
- `credential`    the way of a credential: obtained, kept, refreshed, used; `flight` lets nobody ask for one twice
- `connections`   add, update, import, delete
- `validate`      credentials tried on demand
- `resources`     resource configuration, custom fields
- `revocations`   grants to be ended at their provider: the first kind of work that no request waits for
- `bell`          wakes this process's worker

They take a `Scope` and a `Vault`. They know nothing of HTTP in front of them: errors leave as
`holdfast.errors`, answers as values of the domain.
"""
