"""What the providers keep of a reader beside us, and how it is erased there."""

from __future__ import annotations

_KEEPS = {
    "sendgrid": (
        "SendGrid keeps addresses with its reports and in its lists of suppressed addresses. Ask it to erase them: "
        'POST https://api.sendgrid.com/v3/recipients/erasejob with {"emails": ["ADDRESS"]} and a key of full access '
        "(api.eu.sendgrid.com for accounts in the EU)."
    ),
    "ses": (
        "Amazon SES keeps the address in the account's suppression list if it bounced or complained there: "
        "`aws sesv2 delete-suppressed-destination --email-address ADDRESS`. Reports that you store yourself in "
        "CloudWatch, S3 or Firehose have it, too."
    ),
    "mailgun": (
        "Mailgun keeps the address in its logs for as long as the account's plan says, and in its lists of bounces, "
        "complaints and unsubscribes of the domain, where it can be deleted."
    ),
    "postmark": (
        "Postmark keeps messages and addresses for 45 days unless the server is set to less, and suppressed addresses "
        "until they are reactivated. Its support erases one address on request."
    ),
    "resend": "Resend keeps sent mails with their addresses. Its support erases one address on request.",
    "brevo": (
        "Brevo keeps the address in its transactional logs and in its list of blocked contacts. Delete it there: "
        "DELETE https://api.brevo.com/v3/contacts/ADDRESS, and the logs at "
        "DELETE https://api.brevo.com/v3/smtp/log/ADDRESS."
    ),
    "smtp": "The mail server that you hand mails to keeps the address in its own log for as long as it is set to.",
    "maildir": "Mails that were written to a folder are not touched: delete those to this reader.",
}
_OTHER = "What the provider {name} keeps of the address is not known here; ask it to erase it."


def at_provider(name: str) -> str:
    """Return what is to be done about what a provider keeps of a reader; ADDRESS stands for the address."""
    return _KEEPS.get(name, _OTHER.format(name=name))
