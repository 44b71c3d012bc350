"""Measuring in-context learning: what is asked, answered and counted."""
