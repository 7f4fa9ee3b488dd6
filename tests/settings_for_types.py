"""The site's settings for mypy, which reads models from them and starts no engine."""

import os

from tests.engines import NOWHERE, keys

os.environ.update(keys() | NOWHERE)
os.environ.update(DATABASE_URL="postgresql:///types", REDIS_URL="redis://types")

from portal.settings import *  # noqa: F403 - the environment has to be there first

INSTALLED_APPS = [*INSTALLED_APPS, "demo.idp", "demo.acme"]  # noqa: F405 - their models are typed too
