"""Settings of the example; what differs from one machine to another comes from the environment (see README.md)."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from spacer_like.data_classes import DataLocation

DATA = Path(os.environ.get("REEF_DATA", Path(__file__).with_name("data"))).resolve()
DATA.mkdir(parents=True, exist_ok=True)

# A new key at each start ends sessions and open forms, and nothing else.
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("REEF_HOSTS", "localhost,127.0.0.1").split(",")

INSTALLED_APPS = ["django.contrib.messages", "spacer_like.contrib.django", "reef"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "reef.middleware.nothing_from_elsewhere",
    "reef.middleware.bounded_uploads",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
CSRF_COOKIE_HTTPONLY = True
ROOT_URLCONF = "reef.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.contrib.messages.context_processors.messages"]},
    }
]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# PGHOST, PGUSER and the others are read by PostgreSQL's own library.
if "PGDATABASE" in os.environ:
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA / "db.sqlite3",
            "OPTIONS": {"timeout": 20},
            "TEST": {"NAME": DATA / "test.sqlite3"},
        }
    }

# Where photographs, features, classifiers and pictures lie; s3://bucket/reef where AWS Batch works on them.
REEF_FILES = DataLocation.from_uri(os.environ.get("REEF_FILES", str(DATA / "files")))
REEF_EXTRACTOR = os.environ.get("REEF_EXTRACTOR", "spacer_like.extractors.EfficientNetLite0Extractor")
REEF_MOST_BYTES = 20_000_000
REEF_MOST_PIXELS = 50_000_000


def engine(name: str) -> dict[str, object]:
    """What runs the jobs: processes of this machine, AWS Batch, or AWS Batch as this machine plays it."""
    if name == "local-batch":
        from spacer_like.testing.local_batch import LocalBatch

        return {"engine": "batch", "queue": "queue", "definition": "definition", "client": LocalBatch()}
    if name == "batch":
        return {
            "engine": "batch",
            "queue": os.environ["REEF_BATCH_QUEUE"],
            "definition": os.environ["REEF_BATCH_DEFINITION"],
        }
    return {"engine": "local", "processes": 1}


SPACER_JOBS = {"FOLDER": REEF_FILES.below("jobs"), "ENGINES": {"": engine(os.environ.get("REEF_ENGINE", "local"))}}
