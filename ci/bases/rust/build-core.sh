#!/bin/sh
# Compiles core, alloc and compiler_builtins for the targets named in the arguments and lays them out
# under ./rustlib as a sysroot has them, so that projects build for these targets on stable.
set -eu
[ $# -gt 0 ] || { mkdir rustlib; exit 0; }

export RUSTC_BOOTSTRAP=1              # lets a stable compiler take -Z, in this script only
export RUSTFLAGS=-Cembed-bitcode=yes  # without bitcode a project's lto = "fat" fails to link
vendor=$(rustc --print sysroot)/lib/rustlib/src/rust/library/vendor

cargo init --quiet --lib --vcs none --name core-for-all seed
cd seed
printf '#![no_std]\n' >src/lib.rs
for target; do
  cargo build --quiet --offline --release --target "$target" \
    -Zbuild-std=core,alloc -Zbuild-std-features=compiler-builtins-mem \
    --config 'source.crates-io.replace-with = "debian"' \
    --config "source.debian.directory = '$vendor'"
  mkdir -p "../rustlib/$target/lib"
  for crate in core alloc compiler_builtins; do
    cp "target/$target/release/deps/lib$crate"-*.rlib "../rustlib/$target/lib/"
  done
done
