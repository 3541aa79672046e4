"""Step one: from paths to the bytes of log files."""
