"""The WSGI application that gunicorn serves."""

import os

import django

from config.observability import start
from shop.rest.chains import Handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# Before the handler is made, which reads the middleware that tracing adds to.
start("web")
django.setup(set_prefix=False)
application = Handler()
