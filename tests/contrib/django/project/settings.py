"""Settings of a project for tests: SQLite in the folder that FOLDER names, or the PostgreSQL that POSTGRES names."""

import os

FOLDER = os.environ["FOLDER"]
SECRET_KEY = "of tests alone"
DEBUG = False
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "spacer_like.contrib.django",
    "noting",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "urls"
if "POSTGRES" in os.environ:
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["POSTGRES"],
        "USER": "tests",
        "NAME": os.getenv("DATABASE", "postgres"),
    }
else:
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.getenv("DATABASE", f"{FOLDER}/none"),
        "TEST": {"NAME": f"{FOLDER}/database"},
    }
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SPACER_JOBS = {"FOLDER": f"{FOLDER}/jobs", "ENGINES": {"": {"engine": "local", "processes": 1}}}
TASKS = {
    "default": {
        "BACKEND": "spacer_like.contrib.django.task_backend.SpacerBackend",
        "QUEUES": ["default", "high"],
    }
}
