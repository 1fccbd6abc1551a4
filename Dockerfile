# syntax=docker/dockerfile:1

# Stage 1: the broker's binary.
FROM rust:1.95-slim-bookworm AS builder
# The allocator is written in C.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# Caches stay on the machine that builds; the binary is copied out of its cache in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --locked --release -p warren \
    && cp target/release/warren /usr/local/bin/warren

# Stage 2: the binary alone, on a small Debian, as a user without rights.
FROM debian:bookworm-slim
RUN groupadd --system --gid 999 warren \
    && useradd --system --uid 999 --gid warren --home-dir /var/lib/warren --create-home warren
COPY --from=builder /usr/local/bin/warren /usr/local/bin/warren
USER warren
# A relative warren.toml in the data folder is found, too.
WORKDIR /var/lib/warren
VOLUME /var/lib/warren
# AMQP 0-9-1, and HTTP for people and health checks.
EXPOSE 5672 15672
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["warren", "health", "--http", "127.0.0.1:15672"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["warren", "server", "--data-dir", "/var/lib/warren"]
