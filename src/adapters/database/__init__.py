"""The journal and its neighbours on a database: SQLite on one machine, PostgreSQL on more."""
