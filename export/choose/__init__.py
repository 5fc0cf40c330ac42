"""What every layer becomes: costs, candidates, and the choice among them."""
