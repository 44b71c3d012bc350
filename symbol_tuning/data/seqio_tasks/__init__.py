"""From a declaration to SeqIO tasks, and their mixtures."""
