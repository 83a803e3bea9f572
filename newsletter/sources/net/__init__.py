"""How sources are fetched: which addresses, how politely, within which limits; and the children that parse."""
