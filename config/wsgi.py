"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from config.observability import start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# Before the handler is made, which reads the middleware that tracing adds to.
start("web")
application = get_wsgi_application()
