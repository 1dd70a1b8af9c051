# Two stages: sources, apt's and pip's work stay in the first; the second is the base and one folder,
# copied last so that a change of the code rebuilds nothing else.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends tini
WORKDIR /src
COPY . .
# zstandard's second backend, 12 MB, is for PyPy.
RUN python -m venv --without-pip /opt/minibroker \
 && python -m pip --python /opt/minibroker/bin/python install --no-cache-dir '.[compression,demo,security]' \
 && rm -f /opt/minibroker/lib/python*/site-packages/zstandard/_cffi.*.so \
 && cp -r examples /opt/minibroker/examples

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/minibroker minibroker \
 && install -d -o minibroker -g minibroker /var/lib/minibroker
# Any KAFKA_* variable is a broker property, as in the apache/kafka image: KAFKA_NUM_PARTITIONS=3. What
# none of them says is in this file: they must stay free, so that KAFKA_ADVERTISED_LISTENERS alone counts.
RUN printf '%s\n' \
    listeners=PLAINTEXT://0.0.0.0:9092 \
    advertised.listeners=PLAINTEXT://127.0.0.1:9092 \
    log.dirs=/var/lib/minibroker \
    > /etc/minibroker.properties
ENV PATH=/opt/minibroker/bin:$PATH \
    MINIBROKER_CONFIG=/etc/minibroker.properties
USER minibroker
WORKDIR /var/lib/minibroker
VOLUME /var/lib/minibroker
EXPOSE 9092
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=2s --timeout=3s --start-period=10s --retries=5 CMD ["minibroker", "healthcheck"]
# The kernel ignores a SIGTERM to process 1 before it has a handler, so that a container stopped while
# it starts would run into SIGKILL 10 s later; tini, as process 1, has one at once.
ENTRYPOINT ["tini", "--", "minibroker"]
CMD ["serve"]
COPY --from=build /usr/bin/tini /usr/bin/tini
COPY --from=build /opt/minibroker /opt/minibroker
