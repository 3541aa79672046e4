"""Prints logs of a known tree, and knows what a reader of the log should find."""
