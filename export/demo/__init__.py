"""The demo, and the program that trained its network."""
