"""Nothing is lost and nothing happens twice, whatever fails: a folder for each way to doubt it (docs/proof.md)."""
