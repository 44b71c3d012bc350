"""What a dataset is, and where its rows are."""
