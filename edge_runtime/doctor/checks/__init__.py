"""What ``pi-infer doctor`` examines: facts of a machine, and one function per known pain."""
