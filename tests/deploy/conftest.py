"""These tests read files: none needs the shop's database."""

import pytest


@pytest.fixture
def database() -> None:
    """Stand in for the fixture that gives a database to every test outside tests/unit/."""
