"""What is held, as people and operators see it and take it back."""
