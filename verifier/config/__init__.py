"""`verify.toml` to typed models; an error names the file, the line, the key and the remedy."""
