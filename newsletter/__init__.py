"""A weekly regional newsletter publisher: sources -> stories -> an issue -> a mail -> every confirmed reader."""

__version__ = "0.1.0"
