"""The demo's identity provider: an OpenID Connect site with three people in it."""
