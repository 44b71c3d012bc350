"""Reports of what evaluations have measured: tables, figures, pages."""
