"""A carrier that books, dispatches and delivers by itself, for a shop on one's own machine."""
