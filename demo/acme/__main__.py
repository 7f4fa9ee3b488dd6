"""`python -m demo.acme`: Acme Calendar, on 127.0.0.1 and the port of `ACME_URL`."""

from demo.acme import environment
from demo.sitekit.serving import migrate_seed_and_serve

if __name__ == "__main__":
    migrate_seed_and_serve(site="demo.acme", url=environment.URL)
