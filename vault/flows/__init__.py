"""How tokens come: consent, client credentials, exchange; and the sessions of consent."""
