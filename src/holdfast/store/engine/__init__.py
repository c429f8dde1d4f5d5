"""The databases: one SQL text, two engines.

- `database`            what an engine must do, and the rules that the SQL text keeps to
- `sqlite`, `postgres`  the engines
- `opening`             a URL becomes an open database
- `migrate`             brings it to the schema of this release, `migrations/NNNN_name.sql`

Knows no table but `schema_migrations`. An engine is added by one module with the methods of `database.Database` and a
line in `opening`; `tests/store` is its specification.
"""
