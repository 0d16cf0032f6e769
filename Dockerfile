# One image for every part of Darkroom: the API (the default), the worker, and the `darkroom` command.
#
#   docker run ... darkroom                              the API
#   docker run ... darkroom python -m worker             a worker
#   docker run ... darkroom darkroom provision           makes bucket, queues and table
#
# Its settings are environment variables (.env.example). It writes only to /tmp and DARKROOM_SPOOL_DIR.

FROM python:3.13-slim-trixie AS dependencies
# Only the lock file, so that a change of the code keeps this layer in the cache.
COPY requirements/app.txt /tmp/app.txt
# pip stays outside of the environment. Only wheels, so no compiler is needed.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/darkroom \
 && pip --python /opt/darkroom/bin/python --disable-pip-version-check install \
      --require-hashes --only-binary :all: --root-user-action ignore -r /tmp/app.txt

FROM python:3.13-slim-trixie AS code
WORKDIR /app
COPY . .
# Compiled here, because the code is read-only later. Readable for all, whatever the checkout's umask was.
RUN printf '#!/bin/sh\nexec python -m darkroom "$@"\n' >/usr/local/bin/darkroom \
 && chmod 755 /usr/local/bin/darkroom \
 && chmod -R u=rwX,go=rX /app \
 && python -m compileall -q /app

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="Darkroom" \
      org.opencontainers.image.description="A containerized photo-processing microservice" \
      org.opencontainers.image.licenses="MIT AND GPL-3.0-or-later AND LGPL-3.0-or-later AND OFL-1.1 AND Bitstream-Vera"

# Fixed numbers, for the owners of volumes and for clusters that require a non-root user id.
RUN groupadd --system --gid 10001 darkroom \
 && useradd --system --uid 10001 --gid darkroom --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
      darkroom \
 && install -d -o darkroom -g darkroom -m 700 /var/lib/darkroom /var/lib/darkroom/spool

COPY --from=dependencies /opt/darkroom /opt/darkroom
COPY --from=code /usr/local/bin/darkroom /usr/local/bin/darkroom
COPY --from=code /app /app

# MALLOC_ARENA_MAX: glibc gives each thread an arena of up to 64 MB and rarely returns the memory. With many threads and
# large photos, two arenas keep the memory near what is in use.
# DARKROOM_HOST: all addresses of the container; the host decides which ports it publishes.
ENV PATH=/opt/darkroom/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    DARKROOM_HOST=0.0.0.0 \
    DARKROOM_SPOOL_DIR=/var/lib/darkroom/spool

# On Fargate, volumes at these paths then belong to the image's user; otherwise they belong to root.
VOLUME ["/var/lib/darkroom/spool", "/tmp"]

WORKDIR /app
USER 10001:10001
EXPOSE 8080
CMD ["python", "-m", "api"]
