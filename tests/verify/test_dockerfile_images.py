"""Which images a Dockerfile takes from outside."""

from __future__ import annotations

import pytest
from bedplate.errors import BadInput
from bedplate.verify.dockerfile import named_images


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM golang:1.26-bookworm\n", ("golang:1.26-bookworm",)),
        ("from golang:1.26 as Build\nFROM build\n", ("golang:1.26",)),
        ("FROM --platform=$BUILDPLATFORM golang:1.26 AS build\n", ("golang:1.26",)),
        ("FROM scratch\n", ()),
        ("FROM a:1 AS one\nFROM b:2 AS two\nFROM one\nFROM a:1\n", ("a:1", "b:2")),
        ("FROM a:1@sha256:0123\n", ("a:1@sha256:0123",)),
        ("FROM gcr.io/distroless/static-debian12:nonroot\n", ("gcr.io/distroless/static-debian12:nonroot",)),
        ("# FROM no:1\nFROM a:1\n", ("a:1",)),
        ("FROM \\\n  --platform=linux/arm64 \\\n  a:1 AS x\n", ("a:1",)),
        ("FROM a:1\nCOPY --from=b:2 /x /y\nCOPY --from=0 /x /z\n", ("a:1", "b:2")),
        ("FROM a:1 AS one\nFROM b:2\nCOPY --chmod=755 --from=one /x /y\n", ("a:1", "b:2")),
        ("FROM a:1\nRUN --mount=type=bind,from=b:2,target=/x true\n", ("a:1", "b:2")),
        ("FROM a:1\nRUN <<EOF\nFROM x:1\nEOF\nCOPY --from=b:2 /x /\n", ("a:1", "b:2")),
    ],
)
def test_names_what_comes_from_outside_and_no_stage(text: str, images: tuple[str, ...]) -> None:
    assert named_images(text) == images


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("ARG GO=1.26\nFROM golang:${GO}-bookworm\n", "golang:1.26-bookworm"),
        ("ARG GO=1.26\nFROM golang:$GO\n", "golang:1.26"),
        ('ARG NAME="golang" TAG=1\nFROM $NAME:$TAG\n', "golang:1"),
        ("ARG A=1\nARG B=${A}.26\nFROM golang:$B\n", "golang:1.26"),
        ("ARG GO\nFROM golang:${GO:-1.26}\n", "golang:1.26"),
        ("ARG SLIM=yes\nFROM rust:1${SLIM:+-slim}\n", "rust:1-slim"),
    ],
)
def test_expands_the_defaults_of_arguments(text: str, image: str) -> None:
    assert named_images(text) == (image,)


def test_a_build_argument_goes_before_the_default() -> None:
    assert named_images("ARG GO=1.26\nFROM golang:$GO\n", {"GO": "1.27"}) == ("golang:1.27",)


def test_an_argument_of_a_stage_is_not_one_of_the_file() -> None:
    text = "ARG TAG=1\nFROM a:$TAG\nARG TAG=2\nFROM b:$TAG\n"
    assert named_images(text) == ("a:1", "b:1")


def test_a_name_that_is_left_open_is_told() -> None:
    with pytest.raises(BadInput, match="BASE in '\\$BASE' has no value"):
        named_images("ARG BASE\nFROM $BASE\n")
