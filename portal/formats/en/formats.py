"""Times of people who read English."""

# To the second and with its zone, as in the log: what an admin compares it with.
DATETIME_FORMAT = "Y-m-d H:i:s e"
