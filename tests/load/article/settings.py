"""The settings of the article's shop: what `startproject` gives, PostgreSQL with a pool, DRF, allauth's tokens."""

from __future__ import annotations

import os

from environ import Env

SECRET_KEY = "bench-only-not-a-secret-" + "x" * 40
ALLOWED_HOSTS = ["*"]
DEBUG = False
USE_TZ = True
ROOT_URLCONF = "tests.load.article.urls"
WSGI_APPLICATION = "tests.load.article.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "tests.load.article",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES = {"default": Env.db_url_config(os.environ["ARTICLE_DATABASE_URL"], engine="django.db.backends.postgresql")}
DATABASES["default"]["OPTIONS"] = {}
if pool := os.environ.get("DATABASE_POOL_MAX"):
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": int(pool), "timeout": 10}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tests.load.article.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
STRIPE_API_KEY = "sk_test_sandbox"
STRIPE_API_BASE = os.environ.get("STRIPE_API_BASE", "")
# "stripe", or "free": the fake payment that the article itself uses, which costs nothing.
ARTICLE_PAYMENT = os.environ.get("ARTICLE_PAYMENT", "stripe")
