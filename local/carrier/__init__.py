"""A carrier for a shop on one's own machine: it books, dispatches and delivers automatically."""
