"""`python -m demo.idp`: the identity provider, on 127.0.0.1 and the port of `IDP_URL`."""

from demo.idp import environment
from demo.sitekit.serving import migrate_seed_and_serve

if __name__ == "__main__":
    migrate_seed_and_serve(site="demo.idp", url=environment.URL)
