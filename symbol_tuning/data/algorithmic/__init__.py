"""Questions answered by writing: list functions, Turing concepts."""
