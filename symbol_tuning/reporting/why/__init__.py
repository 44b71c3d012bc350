"""The sections that tell why checkpoints answer as they do."""
