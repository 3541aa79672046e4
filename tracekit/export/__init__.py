"""Beside the page: the tables of a trace in files that other tools read."""
