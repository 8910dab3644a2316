"""Tens of thousands of events flow while the broker and the workers are killed again and again."""
