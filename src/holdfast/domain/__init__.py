"""What Holdfast knows about connections, as plain values and decisions.

Owns the words of a manifest (`connector`, `template`, `path`), the facts of a connection and what they mean
(`connection`), secrets as values (`credential`, `masking`), tenants (`tenancy`) and events (`event`). Knows no
I/O, no clock, no settings: `now` is handed in. Add a fact to `connection.Connection` and its meaning to `state`
or `health`; nothing else may decide what a connection's state is.
"""
