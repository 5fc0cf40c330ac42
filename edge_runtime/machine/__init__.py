"""The machine we run on: its board, its condition, its cameras."""
