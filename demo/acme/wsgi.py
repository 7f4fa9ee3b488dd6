"""What the web server calls."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from demo.sitekit.serving import leave_with_parent

os.environ["DJANGO_SETTINGS_MODULE"] = "demo.acme.settings"
leave_with_parent()
application = get_wsgi_application()
