"""A report's parts, and the files that they are written as."""
