"""What a mail must obey, a tool a module, and the list of mails that all of them look at (email.md, section 2)."""
