# docker build -t zhibu .
# The system's libpq instead of the bundled one: it speaks TLS to PostgreSQL.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --no-default-features --features system-libpq

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fonts-wqy-microhei libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin zhibu \
    && install -d -o zhibu -g zhibu -m 700 /data
COPY --from=build /build/target/release/zhibu /usr/local/bin/zhibu

USER zhibu
# Outside containers the server listens on loopback only; here the container is the boundary.
ENV ZHIBU_LISTEN=0.0.0.0:8080 \
    ZHIBU_DATA=/data
# The SQLite file, the secret key, and the media folder. After the chown above, or the folder would be root's.
VOLUME /data
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["zhibu", "healthcheck"]
ENTRYPOINT ["zhibu"]
