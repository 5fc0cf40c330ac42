"""The calibration images on their way through a network, and what is collected of each layer."""
