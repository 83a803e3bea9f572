"""The mails beside the issues and the confirmation: welcome and goodbye to readers, and asking editors for a review."""

from newsletter.letters.readers import owe_goodbye, owe_welcome, send_letters
from newsletter.letters.review import ask_for_reviews

__all__ = ["ask_for_reviews", "owe_goodbye", "owe_welcome", "send_letters"]
