"""Answers written by a model."""
