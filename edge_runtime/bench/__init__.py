"""Timing networks honestly: rounds in processes of their own, statistics, reports."""
