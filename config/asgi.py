"""The ASGI application, for servers that want one; the WSGI one is faster for these views."""

import os

from django.core.asgi import get_asgi_application

from config.observability import start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# Before the handler is made, which reads the middleware that tracing adds to.
start("web")
application = get_asgi_application()
