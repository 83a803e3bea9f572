"""The mails beside the issues and the confirmation: to readers for what they did or asked for, and asking editors for a
review.
"""

from newsletter.letters.readers import owe_goodbye, owe_welcome, send_letters
from newsletter.letters.requests import send_requests
from newsletter.letters.review import ask_for_reviews

__all__ = ["ask_for_reviews", "owe_goodbye", "owe_welcome", "send_letters", "send_requests"]
