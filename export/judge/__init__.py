"""How far networks agree, and how often they are right."""
