"""The sample newsroom of `make demo`: two invented editions, their outlets, stories, pictures and readers."""
