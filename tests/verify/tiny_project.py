"""Projects of a few lines that keep to what verification asks of every emitted project, or fail to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

# Images that emitted projects name as well, so that they are there anyway.
BUILDER = "golang:1.26-bookworm"
FINAL = "gcr.io/distroless/cc-debian12:nonroot"
MOUNT = "--mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt"

ANSWERS = """\
_commit: "1"
_src_path: /srv/bedplate
domain: http-api
project_name: tiny
tracing: false
"""
DOCKERFILE = f"""\
FROM {BUILDER} AS lint
WORKDIR /src
COPY . .
RUN {MOUNT} make lint

FROM lint AS drift
RUN {MOUNT} make drift

FROM lint AS check
RUN {MOUNT} make check

FROM {FINAL}
COPY --from=lint /bin/sleep /sleep
CMD ["/sleep", "infinity"]
"""
MAKEFILE = """\
DOCKER ?= docker
DOCKER_BUILD_FLAGS ?=
IMAGE ?= tiny:dev

lint:
\t{lint}

drift:
	{drift}

check: lint
\t{check}

image:
\t$(DOCKER) build $(DOCKER_BUILD_FLAGS) --tag $(IMAGE) .

smoke: image
\tDOCKER='$(DOCKER)' IMAGE='$(IMAGE)' sh smoke.sh
"""


@dataclass(frozen=True)
class TinyProject:
    """What its verbs run; `files` are further files, or replace the usual ones."""

    lint: str = "true"
    drift: str = "true"
    check: str = "true"
    smoke: str = "true"
    files: dict[str, str] = field(default_factory=dict)

    def write(self, directory: Path) -> Path:
        """Put the project into a directory that is made."""
        directory.mkdir()
        usual = {
            ".copier-answers.yml": ANSWERS,
            "Dockerfile": DOCKERFILE,
            "Makefile": MAKEFILE.format(lint=self.lint, drift=self.drift, check=self.check),
            "smoke.sh": f"#!/bin/sh\nset -eu\n{self.smoke}\n",
        }
        for name, text in (usual | self.files).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        return directory
