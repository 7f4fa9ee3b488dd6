"""What an operator does to the vault itself: its key, what is lost with one, the doctor."""
