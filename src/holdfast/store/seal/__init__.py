"""The envelope around everything secret at rest.

- `masterkey`  the operator's keys, never in the database
- `keyring`    data keys, each wrapped by a master key
- `box`        what seals and opens an application's values
- `envelope`   the sealed form itself

Knows of tables only their names, which are part of where a sealed value belongs.
"""
