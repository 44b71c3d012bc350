"""Parameters in and out of files: Hugging Face, GGUF, our own."""
