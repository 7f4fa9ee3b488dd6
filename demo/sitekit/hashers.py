"""How a generated client secret is stored."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class GeneratedSecretHasher(PBKDF2PasswordHasher):
    """One round of PBKDF2 and a salt, for secrets of 256 random bits.

    Stretching slows down the guessing of what people think of. Nobody guesses a generated secret,
    and a client presents it with every token request, which should not cost a tenth of a second.
    """

    algorithm = "generated_pbkdf2_sha256"
    iterations = 1
