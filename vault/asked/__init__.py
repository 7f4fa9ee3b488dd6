"""What an agent asks for: its words, the scopes, and the parameters of OAuth requests."""
