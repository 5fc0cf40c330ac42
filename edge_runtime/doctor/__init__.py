"""Looking for every known trouble of a machine, each with its remedy."""
