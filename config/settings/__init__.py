"""Settings: base.py is the system; development.py, test.py and production.py say what differs there."""
