"""A model card from the network alone: from what its exporter wrote into it, and from its shapes."""
