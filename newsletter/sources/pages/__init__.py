"""The parts of reading web pages: what a page says of itself, links, walls."""
