"""A pytest plugin for the runs of mutants: the test database is copied from one that has its tables already."""

from __future__ import annotations

import os

import pytest

VARIABLE = "MUTANTS_TEMPLATE"


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Name the template, unless this run is to make its tables itself."""
    from django.db import connections

    if template := os.environ.get(VARIABLE):
        connections["default"].settings_dict["TEST"]["TEMPLATE"] = template
