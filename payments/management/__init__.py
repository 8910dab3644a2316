"""Payments' management commands."""
