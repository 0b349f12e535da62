# Runs a plan of linters on a tree, and gives what they said.
FROM linters AS run
WORKDIR /src
COPY . .
ARG WITHIN
RUN --mount=type=bind,from=plan,target=/plan \
    --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/root/.cache/golangci-lint \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    lint /plan /out "$WITHIN"

FROM scratch
COPY --from=run /out /
