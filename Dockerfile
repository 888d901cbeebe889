# The job runner. TORCH_INDEX is the index of CPU builds that PyTorch's installation page names:
#   docker build --target runtime -t spacer-like --build-arg TORCH_INDEX=... .
#   docker build --target runtime -t spacer-like:gpu --build-arg TORCH=torch-gpu .     for GPUs, several GB larger
#   docker build --target points-onnx -t spacer-like:points --build-arg TORCH_INDEX=... .   no torch
# EXTRAS names files of requirements/ that an image holds besides the core and the networks, which docs/aws-batch.md lists:
#   docker build --target points-onnx -t spacer-like:rarity --build-arg EXTRAS=rarity --build-arg TORCH_INDEX=... .
# The unit tests:
#   docker build --target test -t spacer-like:test --build-arg TORCH_INDEX=... . && docker run --rm spacer-like:test
# PYTHON_IMAGE pins the base: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS base
# onnxruntime would write a device id and report to its maker.
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/venv/bin:$PATH
# libexpat1: GDAL and libosmium of the wheels need it, and the slim base lacks it. tini: PID 1 that passes signals on
# from the first moment and collects ended processes. Debian keeps one version of each per release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libexpat1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --gid 0 --create-home --shell /usr/sbin/nologin spacer

# pip stays outside the environment that it fills. PRUNE removes what only developers of the packages use; FIRST_JOB imports
# what jobs import, so that it is compiled once here and not at each start of a container: a small part of all.
FROM base AS builder
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_PYTHON=/opt/venv/bin/python \
    SPACER_ONNX_MODELS_DIR=/opt/spacer/onnx \
    PRUNE="find /opt/venv/lib -depth '(' -type d '(' -name __pycache__ -o -name tests ! -path '*/astropy/tests' -o -path '*/torch/test' -o -path '*/include' \
-o -path '*/onnx/backend/test' ')' -o -type f '(' -name '*.a' -o -path '*/torch/bin/*' ! -name torch_shm_manager \
-o -path '*/pyarrow/*flight*' -o -path '*/pyarrow/*_s3*' ')' ')' -exec rm -rf {} + \
&& find /opt/venv/lib -name '_galsim.*.so' -exec strip --strip-debug {} +" \
    FIRST_JOB="import numpy, sklearn.calibration, sklearn.neural_network, spacer_like.cli, spacer_like.engines.shard, \
spacer_like.engines.worker; from spacer_like import messages, tasks; [getattr(tasks, name) for name in messages.TASKS]; \
from spacer_like.extractors import EfficientNetLite0Extractor as Default; \
Default()(numpy.zeros((32, 32, 3), 'u1'), [(16, 16)]); from spacer_like.extras import import_if_installed; \
[import_if_installed(name) for name in ('astropy.io.fits', 'h5py', 'matplotlib.backends.backend_agg', 'numba', 'rasterio', \
'shapely', 'torch')]"
ARG TORCH_INDEX
# pip reads it in every call.
ARG PIP_EXTRA_INDEX_URL=$TORCH_INDEX
WORKDIR /build
# binutils: strip. GalSim's wheel holds 190 MB for debuggers.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv --without-pip /opt/venv

# Layers of packages change only with the pins, and torch's, the largest, with its own.
FROM builder AS networks
ARG TORCH=torch
ARG TORCH_INDEX
ARG PIP_EXTRA_INDEX_URL=$TORCH_INDEX
COPY requirements/torch.txt requirements/torch-gpu.txt requirements/
RUN pip install --no-compile -r "requirements/$TORCH.txt"
COPY requirements/ requirements/
RUN pip install --no-compile -c "requirements/$TORCH.txt" -r requirements/core.txt -r requirements/networks.txt \
    && eval "$PRUNE"

# The default network, converted once here and not at each start of a container.
FROM networks AS converted
COPY setup.cfg pyproject.toml PACKAGE.md LICENSE ./
COPY spacer_like/ spacer_like/
RUN pip install --no-compile --no-deps . \
    && SPACER_ONNX_CACHE_DIR=/opt/spacer/onnx python -c \
    "from spacer_like.extractors import EfficientNetLite0Extractor as Default; Default().prepare()"

# The doctor fails where a package does not load.
FROM networks AS packages
ARG EXTRAS="encoders rarity geo search tensorboard galaxies dask plots"
ARG TORCH=torch
ARG TORCH_INDEX
ARG PIP_EXTRA_INDEX_URL=$TORCH_INDEX
RUN set -- && for extra in $EXTRAS; do set -- "$@" -r "requirements/$extra.txt"; done \
    && pip install --no-compile -c "requirements/$TORCH.txt" -r requirements/core.txt "$@" \
    && eval "$PRUNE"
COPY setup.cfg pyproject.toml PACKAGE.md LICENSE ./
COPY spacer_like/ spacer_like/
COPY --from=converted /opt/spacer/onnx /opt/spacer/onnx
RUN pip install --no-compile --no-deps . \
    && spacer-like doctor \
    && PYTHONPYCACHEPREFIX=/opt/spacer/bytecode PYTHONDONTWRITEBYTECODE='' python -c "$FIRST_JOB"

# The unit tests: the same packages, what testing needs on top, and the whole source tree.
FROM packages AS test
ARG TORCH_INDEX
ARG PIP_EXTRA_INDEX_URL=$TORCH_INDEX
RUN pip install --no-compile -r requirements/django.txt -r requirements/dev.txt \
    && pip install --no-compile --no-deps -r requirements/dev-no-deps.txt
WORKDIR /src
COPY --chown=10001:0 . .
RUN pip install --no-compile --no-deps --editable . && chown 10001:0 /src
USER 10001:0
# Tests start many processes, and what one has compiled the next need not.
ENV PYTHONDONTWRITEBYTECODE='' \
    PYTHONPYCACHEPREFIX=/tmp/bytecode
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "pytest"]

# Converted networks in place of torch.
FROM builder AS onnx-packages
ARG EXTRAS=""
ARG TORCH_INDEX
ARG PIP_EXTRA_INDEX_URL=$TORCH_INDEX
COPY requirements/ requirements/
RUN set -- && for extra in $EXTRAS; do set -- "$@" -r "requirements/$extra.txt"; done \
    && pip install --no-compile -r requirements/core.txt -r requirements/onnx.txt "$@" \
    && eval "$PRUNE"
COPY setup.cfg pyproject.toml PACKAGE.md LICENSE ./
COPY spacer_like/ spacer_like/
COPY --from=converted /opt/spacer/onnx /opt/spacer/onnx
RUN pip install --no-compile --no-deps . \
    && spacer-like doctor \
    && PYTHONPYCACHEPREFIX=/opt/spacer/bytecode PYTHONDONTWRITEBYTECODE='' python -c "$FIRST_JOB"

# The job runner without its packages: reads JOB_MSG_LOC, runs its tasks, writes RES_MSG_LOC, ends with 0, 64, 75 or 143.
FROM base AS runner
LABEL org.opencontainers.image.title="spacer_like" \
      org.opencontainers.image.description="Features, labels, scores and models out of many images" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"
# What comes with the image belongs to root and is only read. Caches lie apart: group 0 may write there, so that any user
# of it may run the image, as some clusters choose one at random.
ENV HOME=/home/spacer \
    PYTHONPYCACHEPREFIX=/opt/spacer/bytecode \
    SPACER_ONNX_MODELS_DIR=/opt/spacer/onnx \
    SPACER_EXTRACTORS_CACHE_DIR=/var/cache/spacer/extractors \
    SPACER_ONNX_CACHE_DIR=/var/cache/spacer/onnx
RUN mkdir -p /var/cache/spacer && chgrp -R 0 /var/cache/spacer /home/spacer && chmod -R g=u /var/cache/spacer /home/spacer
USER 10001:0
WORKDIR /home/spacer
ENTRYPOINT ["tini", "--", "spacer-like", "env-job"]

# Networks as they were converted: no torch.
FROM runner AS points-onnx
COPY --from=onnx-packages /opt/venv /opt/venv
COPY --from=onnx-packages /opt/spacer /opt/spacer

FROM runner AS runtime
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /opt/spacer /opt/spacer
