"""What everything stands on: errors, files, addresses, streams, signals, systemd."""
