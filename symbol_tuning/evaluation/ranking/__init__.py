"""Label options ranked by their log-likelihood."""
