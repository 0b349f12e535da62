#!/bin/sh
# Builds both sides for one core, runs each in QEMU, and links functions alone for their size:
#   measure.sh GIVEN TARGET MACHINE FLASH RAM FLAGS...
# takes vectors.h and the emitted project's profile from GIVEN, and prints lines of five words: target, side
# (rust or c), what of it, then `bytes` and how many, or `ticks` and how many in base 16.
set -eu
given=$1 target=$2 machine=$3 flash=$4 ram=$5
shift 5
flags="-mthumb $*"
work=$(mktemp -d)

compile() { # SOURCE OPTION...
  source=$1
  shift
  # shellcheck disable=SC2086 # these are several words
  arm-none-eabi-gcc $flags -std=c11 -Os -Wall -Wextra -Werror -ffreestanding -ffunction-sections \
    -masm-syntax-unified "-I$given" "$@" -c "$source.c" -o "$work/$source.o"
}

link() { # SIDE OUTPUT OPTION...
  side=$1 output=$2
  shift 2
  # shellcheck disable=SC2086
  arm-none-eabi-gcc $flags -nostdlib -T machine.ld -Wl,--gc-sections -Wl,-z,noexecstack \
    "-Wl,--defsym=flash=$flash" "-Wl,--defsym=ram=$ram" "$@" "$work/$side.a" -lgcc -o "$work/$output"
}

size() { # SIDE ROW FUNCTION...: with all that the functions call
  side=$1 row=$2
  shift 2
  # shellcheck disable=SC2046
  link "$side" "$side-$row" "-Wl,-e,$1" $(printf ' -Wl,-u,%s' "$@")
  arm-none-eabi-size -A "$work/$side-$row" | sed -n "s/^\.text *\([0-9]*\).*/$target $side $row bytes \1/p"
}

run() { # SIDE
  link "$1" "$1" -Wl,-e,start "$work/driver.o"
  if ! timeout 60 qemu-system-arm -machine "$machine" -display none -monitor none -serial none \
    -semihosting-config enable=on,target=native -icount shift=10 -kernel "$work/$1" >"$work/said" 2>&1
  then
    echo "$target, $1: $(cat "$work/said")" >&2
    return 1
  fi
  sed "s/^\([a-z]*\) /$target $1 \1 ticks /" "$work/said"
}

build() { # [long]
  for each in filter crc cobs driver; do
    compile "$each" ${1:+-DLONG}
  done
  arm-none-eabi-ar rcs "$work/c.a" "$work/filter.o" "$work/crc.o" "$work/cobs.o"
  cargo build --quiet --offline --release --config "$given/profile.toml" --manifest-path rust/Cargo.toml \
    --target "$target" --target-dir "$work/target" ${1:+--features "$1"}
  cp "$work/target/$target/release/libtwin.a" "$work/rust.a"
}

# Once with room for every vector, for what it says; then as a node has it, for what it takes.
build long
for side in rust c; do
  run "$side" >/dev/null
done
build
for side in rust c; do
  run "$side"
  size "$side" filter filter_update
  size "$side" crc crc_of
  size "$side" encode cobs_encode cobs_close
  size "$side" decode cobs_decode
  size "$side" together filter_update crc_of cobs_encode cobs_close cobs_decode
done
rm -r "$work"
