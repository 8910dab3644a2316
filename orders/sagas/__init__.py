"""The processes that span contexts: checkout.py first, then steps.py, then engine.py.

Each is a table of steps and their undos; the engine walks it, inline in the request and again from the sweep.
"""
