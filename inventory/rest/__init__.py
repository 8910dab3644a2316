"""Inventory over HTTP: what is for sale."""
