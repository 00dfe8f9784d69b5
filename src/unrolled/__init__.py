"""Long short-term memory, from the equation to the trained model."""
