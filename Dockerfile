# One image for every process of Kinora: gateway, node, media, migrate, and the embedded product.
#
#   docker build -t kinora .
#   docker run --rm -p 8000:8000 -e KINORA_HOST=0.0.0.0 -v kinora-data:/data kinora run
#
# Any base will do that has Python 3.11 or 3.12 as python3, with venv, on glibc.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
# An index other than PyPI, where there is one.
ARG PIP_INDEX_URL
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
# What is pinned changes seldom: a layer of its own.
RUN python3 -m venv /opt/kinora \
 && /opt/kinora/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: -r requirements/run.txt
COPY . .
RUN /opt/kinora/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
      --no-deps --no-build-isolation --no-index . \
 && /opt/kinora/bin/python -m compileall -q /opt/kinora/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="Kinora" \
      org.opencontainers.image.description="An open backend for short-video apps" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later" \
      kinora.notice="The PyAV wheel in this image carries FFmpeg with GPL encoders (x264, x265); see /NOTICE. Kinora itself is Apache-2.0."
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin kinora \
 && install -d -o kinora -g kinora -m 0700 /data /edge /run/kinora
COPY --from=build /opt/kinora /opt/kinora
COPY NOTICE LICENSE /
ENV PATH=/opt/kinora/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KINORA_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["kinora"]
CMD ["--help"]
