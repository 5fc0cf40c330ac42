"""A whole reduction: from network to network, and from file to file."""
