"""How access ends: tokens forgotten here and revoked at the provider, one or many."""
