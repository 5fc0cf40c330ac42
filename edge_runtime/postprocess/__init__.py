"""Network outputs to results, one file per kind of head."""
