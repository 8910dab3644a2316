"""Django's PostgreSQL engine with a schema per context: `ENGINE = "config.db.postgresql"`."""
