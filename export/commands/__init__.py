"""The commands of ``pi-export``, one file each."""
