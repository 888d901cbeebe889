# docker build --target runtime -t spacer-like --build-arg TORCH_INDEX=...     the job runner; ... is the index of CPU
#                                                                               builds that PyTorch's pages name
# docker build --target runtime -t spacer-like:gpu --build-arg TORCH=torch-gpu .   the same for GPUs, several GB larger
# docker build --target test -t spacer-like:test --build-arg TORCH_INDEX=... . && docker run --rm spacer-like:test

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/venv/bin:$PATH
RUN groupadd --gid 10001 spacer \
    && useradd --uid 10001 --gid spacer --create-home --shell /usr/sbin/nologin spacer

# Everything that is installed, in a layer that changes only with the pins.
FROM base AS packages
ARG TORCH=torch
ARG TORCH_INDEX
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements/ requirements/
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r "requirements/$TORCH.txt" \
    && pip install --no-cache-dir -c "requirements/$TORCH.txt" -r requirements/core.txt -r requirements/networks.txt -r requirements/rarity.txt \
    -r requirements/geo.txt -r requirements/search.txt -r requirements/plots.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY spacer_like/ spacer_like/
# The default network is converted once here, and not at each start of a container.
RUN pip install --no-cache-dir --no-deps . \
    && SPACER_ONNX_CACHE_DIR=/opt/onnx python -c \
    "from spacer_like.extractors import EfficientNetLite0Extractor as Default; Default().prepare()"

# The unit tests: the same packages, what testing needs on top, and the whole source tree.
FROM packages AS test
WORKDIR /src
RUN pip install --no-cache-dir -r requirements/dev.txt \
    && pip install --no-cache-dir --no-deps -r requirements/dev-no-deps.txt
COPY --chown=spacer:spacer . .
RUN pip install --no-cache-dir --no-deps --editable . && chown spacer:spacer /src
USER 10001:10001
CMD ["python", "-m", "pytest"]

# The job runner: reads JOB_MSG_LOC, runs its tasks, writes RES_MSG_LOC, and ends with 0, 64, 75 or 143.
FROM base AS runtime
COPY --from=packages /opt/venv /opt/venv
ENV SPACER_EXTRACTORS_CACHE_DIR=/var/cache/spacer/extractors \
    SPACER_ONNX_CACHE_DIR=/var/cache/spacer/onnx
COPY --from=packages /opt/onnx /var/cache/spacer/onnx
RUN mkdir -p /var/cache/spacer/extractors && chown -R spacer:spacer /var/cache/spacer
USER 10001:10001
WORKDIR /home/spacer
ENTRYPOINT ["spacer-like", "env-job"]
