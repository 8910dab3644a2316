"""Personal data: what is kept of a person, its export, its erasure, and for how long it is kept (docs/personal-data.md)."""
