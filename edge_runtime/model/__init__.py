"""A network as it runs: its card, its preprocessing, the engine, its known answer."""
