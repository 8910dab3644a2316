"""Inventory's commands for operators."""
