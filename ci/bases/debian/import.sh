#!/bin/sh
# Makes a minimal Debian root file system and imports it as the image $1, labelled with the recipe $2.
# Packages come from the apt sources in the file $3, or from Debian's own mirrors when that is empty.
set -eu
tag=$1 recipe=$2 sources=${3:-}
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
# Through a file, because a pipe would hide a failed mmdebstrap behind a successful import.
mmdebstrap --quiet --variant=apt --include=ca-certificates --format=tar \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='APT::Install-Recommends "false"' \
  bookworm "$scratch/root.tar" ${sources:+"$sources"}
"${DOCKER:-docker}" import --change 'CMD ["bash"]' --change "ENV PATH=$path" \
  --change "LABEL bedplate.recipe=$recipe" "$scratch/root.tar" "$tag"
