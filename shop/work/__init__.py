"""Work that is due: one way to claim rows, to take a turn at them, to let one turn run at a time, and to look for more.

sweeps.py registers the kinds of work, rows.py claims, turn.py works, places.py keeps a sweep from running too often at
once, lookout.py sees what is due, background.py runs what is woken. handover.py spares all of that for rows that are
worked by the process that wrote them. each_context.py is for work that one context must not spoil for the others.
"""
