"""A small tree of files that every linter has something to do with, and each of them with one fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
FAULTLESS: Final = {
    ".github/workflows/ci.yml": f"""\
name: ci
on:
  push:
    branches: [main]
permissions: {{}}
jobs:
  check:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    steps:
      - uses: {_CHECKOUT}
        with:
          persist-credentials: false
      - run: make check
""",
    ".github/dependabot.yml": """\
version: 2
updates:
  - package-ecosystem: gomod
    directory: /
    schedule:
      interval: weekly
    cooldown:
      default-days: 7
""",
    "compose.yaml": """\
services:
  tiny:
    image: tiny:dev
    read_only: true
""",
    "deploy/base/service.yaml": """\
apiVersion: v1
kind: Service
metadata:
  name: tiny
spec:
  selector:
    app: tiny
  ports:
    - port: 80
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tiny
spec:
  replicas: 2
  selector:
    matchLabels:
      app: tiny
  template:
    metadata:
      labels:
        app: tiny
    spec:
      containers:
        - name: tiny
          image: tiny:dev
""",
    "deploy/base/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - service.yaml
""",
    "deploy/prod/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../base
patches:
  - target:
      kind: Deployment
    patch: |-
      - op: replace
        path: /spec/replicas
        value: 3
""",
    ".gitlab-ci.yml": """\
check:
  image: tiny:dev
  script:
    - make check
""",
    "renovate.json": '{"extends": ["config:recommended"], "automerge": false}\n',
    "alerts.yml": """\
groups:
  - name: tiny
    rules:
      - alert: Down
        expr: up{job="tiny"} == 0
        for: 5m
""",
    "tiny.service": """\
[Unit]
Description=Tiny

[Service]
ExecStart=/opt/tiny/bin/tiny --config /etc/tiny.toml
ProtectSystem=strict
""",
    ".golangci.yml": """\
version: "2"
linters:
  default: none
  enable: [errcheck]
formatters:
  enable: [gofmt]
""",
    "buf.yaml": """\
version: v2
modules:
  - path: proto
lint:
  use: [STANDARD]
""",
    "proto/tiny/v1/tiny.proto": """\
syntax = "proto3";

package tiny.v1;

message Tiny {
  string name = 1;
}
""",
    "go.mod": "module example.com/tiny\n\ngo 1.26.0\n",
    "main.go": 'package main\n\nimport "os"\n\nfunc main() { _ = os.Remove("x") }\n',
}


@dataclass(frozen=True)
class Fault:
    """One file with a fault: what is changed in it, the check that must tell it, and by which word."""

    file: str
    right: str
    wrong: str
    check: str
    told: str

    @property
    def text(self) -> str:
        """The file with its fault."""
        before = FAULTLESS[self.file]
        assert self.right in before, self
        return before.replace(self.right, self.wrong)


FAULTS: Final = (
    Fault(".github/workflows/ci.yml", "ubuntu-24.04", "ubuntu-24.94", "actionlint", "ubuntu-24.94"),
    Fault(".github/workflows/ci.yml", _CHECKOUT, "actions/checkout@v7", "zizmor", "unpinned-uses"),
    Fault(".github/workflows/ci.yml", "permissions: {}", "permissions:  {}", "yamllint", "too many spaces"),
    Fault(".github/dependabot.yml", "version: 2", "version: 3", "schema of Dependabot", "version"),
    Fault("compose.yaml", "read_only: true", "readonly: true", "schema of Compose", "readonly"),
    Fault("deploy/base/service.yaml", "replicas: 2", "replicas: two", "kubernetes-validate", "replicas"),
    Fault("deploy/base/service.yaml", "matchLabels:", "matchLables:", "kubernetes-validate", "matchLables"),
    Fault("deploy/base/service.yaml", "apps/v1", "apps/v2", "kubernetes-validate", "Couldn't find schema"),
    Fault("deploy/prod/kustomization.yaml", "value: 3", "value: three", "kustomize", "replicas"),
    Fault(
        "deploy/prod/kustomization.yaml",
        "/spec/replicas\n        value: 3",
        "/apiVersion\n        value: apps/v2",
        "kustomize",
        "Couldn't find schema",
    ),
    Fault("deploy/prod/kustomization.yaml", "../base", "../bases", "kustomize", "bases"),
    Fault(".gitlab-ci.yml", "script:", "scripts:", "schema of GitLab CI", "scripts"),
    Fault("renovate.json", "false", '"no"', "schema of Renovate", "automerge"),
    Fault("alerts.yml", "== 0", "==", "promtool", "Down"),
    Fault(
        "alerts.yml",
        "for: 5m\n",
        'for: 5m\n      - alert: Down\n        expr: up{job="tiny"} == 0\n',
        "promtool",
        "duplicate rule(s)",
    ),
    Fault("tiny.service", "ProtectSystem=", "ProtectsSystem=", "systemd-analyze", "ProtectsSystem"),
    Fault("tiny.service", "=strict", "=stricter", "systemd-analyze", "stricter"),
    Fault("main.go", "_ = os", "os", "golangci-lint", "errcheck"),
    Fault("main.go", "{ _ = ", "{  _ = ", "golangci-lint", "gofmt"),
    Fault("proto/tiny/v1/tiny.proto", "string name", "string Name", "buf", "lower_snake_case"),
)
