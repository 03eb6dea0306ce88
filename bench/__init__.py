"""Measures the server beside a direct call of the same fake provider in the same run: `python -m bench`."""
