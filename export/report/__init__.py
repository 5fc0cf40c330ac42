"""What was found or done, for programs and for people."""
