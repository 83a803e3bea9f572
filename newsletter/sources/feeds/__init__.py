"""The parts of reading feeds: bytes to text, broken XML to a tree, a tree to values, dates."""
