"""Libraries that run networks: each is imported in one file, and only when used."""
