"""What an answer that is no page may become in somebody's browser: nothing."""

HEADERS = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
]
