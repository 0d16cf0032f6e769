# One image for every part of Darkroom: the API (the default), the worker, and the `darkroom` command.
#
#   docker run ... darkroom                              the API
#   docker run ... darkroom python -m worker             a worker
#   docker run ... darkroom darkroom provision           bucket, queues and table
#
# It reads nothing but its environment (.env.example), and writes nothing but /tmp and DARKROOM_SPOOL_DIR.

FROM python:3.13-slim-trixie AS dependencies
# Only what decides them is copied first, so that a change of the code leaves this layer in the cache.
COPY requirements/app.txt /tmp/app.txt
# pip stays outside of the environment, and only wheels are taken: nothing is compiled, so no compiler is needed.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/darkroom \
 && pip --python /opt/darkroom/bin/python --disable-pip-version-check install \
      --require-hashes --only-binary :all: --root-user-action ignore -r /tmp/app.txt

FROM python:3.13-slim-trixie AS code
WORKDIR /app
COPY . .
# Compiled here, because nobody may write beside the code later. Readable whatever the umask of the checkout was.
RUN printf '#!/bin/sh\nexec python -m darkroom "$@"\n' >/usr/local/bin/darkroom \
 && chmod 755 /usr/local/bin/darkroom \
 && chmod -R u=rwX,go=rX /app \
 && python -m compileall -q /app

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="Darkroom" \
      org.opencontainers.image.description="A containerized photo-processing microservice" \
      org.opencontainers.image.licenses="MIT"

# A fixed number, so that volumes, and clusters that check for non-root users, know it without asking the image.
RUN groupadd --system --gid 10001 darkroom \
 && useradd --system --uid 10001 --gid darkroom --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
      darkroom \
 && install -d -o darkroom -g darkroom -m 700 /var/lib/darkroom /var/lib/darkroom/spool

COPY --from=dependencies /opt/darkroom /opt/darkroom
COPY --from=code /usr/local/bin/darkroom /usr/local/bin/darkroom
COPY --from=code /app /app

# MALLOC_ARENA_MAX: glibc gives each thread an arena of up to 64 MB and hardly returns it. The API has many threads
# and the photos are large, so two arenas keep memory near what is really in use.
# DARKROOM_HOST: the container is the border; which address of the host is published is decided outside.
ENV PATH=/opt/darkroom/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    DARKROOM_HOST=0.0.0.0 \
    DARKROOM_SPOOL_DIR=/var/lib/darkroom/spool

# Fargate gives a volume at these places to the user to whom the image does, and to root where the image does not say so.
VOLUME ["/var/lib/darkroom/spool", "/tmp"]

WORKDIR /app
USER 10001:10001
EXPOSE 8080
CMD ["python", "-m", "api"]
