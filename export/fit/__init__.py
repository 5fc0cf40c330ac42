"""The mathematics of fitting one layer: pure numpy, no graphs, no sessions, no files."""
