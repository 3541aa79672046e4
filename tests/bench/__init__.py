"""Speed: a generator of large logs and a benchmark, `python -m tests.bench`."""
