"""What a run says: finished frames, figures, and how it stands."""
