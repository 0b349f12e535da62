# Holds the crates of a project to its deny.toml, on the image that it is built on: cargo says what they are.
ARG RUST_IMAGE
FROM ${RUST_IMAGE} AS deny
WORKDIR /src
COPY --from=linters /opt/linters/bin/cargo-deny /usr/local/bin/
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    cargo-deny --locked check bans licenses sources
