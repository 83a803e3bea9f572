"""The parts of making text and pictures fit to be shown: characters, repair, sentences, summaries, language."""
