"""PostgreSQL dies as in a power cut, with commits that did not wait for its disk: nothing that was promised is lost."""
