"""How the shop lays its tables out in PostgreSQL: one schema per context."""
