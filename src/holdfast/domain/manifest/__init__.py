"""The vocabulary of a connector manifest (`connector.yaml`, schema 1), as frozen values.

- `words`      the kinds of text a manifest may hold
- `connector`  every word but OAuth's; `oauth` has those
- `template`   `{settings.shop}` in a URL, a header or a body, escaped by where it stands
- `path`       where something stands in an answer
- `urls`       the URLs that requests go to, which bind the hosts

Knows nothing of files (`holdfast.catalog` reads them), of HTTP or of tokens. To add a word: a field in `connector` or
`oauth` with its line in the docstring, and the flow that reads it.
"""
