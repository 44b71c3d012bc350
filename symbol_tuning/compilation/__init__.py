"""What a compiled step needs and costs, found out without running it."""
