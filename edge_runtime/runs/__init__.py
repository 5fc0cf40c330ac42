"""What keeps a pipeline running: on a terminal, and under systemd."""
