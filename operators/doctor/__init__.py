"""Looks at everything that an agent needs, and says what is wrong and what to do about it."""
