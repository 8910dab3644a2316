"""A checkout on somebody's machine: what stands in for the world (local/), or the services that the environment names."""

from local.settings import *

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "development-only-not-a-secret-" + "x" * 32)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
# The admin's own files are served from the packages: no collectstatic on a developer's machine.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
