//! The emitted filter, checksum and COBS behind the interface of twin.h.

#![no_std]

use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::slice;

use app::cobs;
use app::crc::Crc;
use app::wire::Damage;

// As in twin.h.
const LONG: bool = cfg!(feature = "long");
const SENT: usize = 41;
const RECEIVED: usize = 24;
const ENCODED: usize = if LONG { 512 } else { SENT };
const DECODED: usize = if LONG { 64 } else { RECEIVED };
const PLACE: usize = 640;
const NOTHING: i32 = -1;
const DAMAGE_COBS: i32 = -2;
const DAMAGE_LENGTH: i32 = -3;

type Filter = app::filter::Filter<2>;
type Encoder = cobs::Encoder<ENCODED>;
type Decoder = cobs::Decoder<DECODED>;

const _: () = assert!(SENT == app::report::LONGEST_ENCODED);
const _: () = assert!(RECEIVED == app::command::LONGEST);
const _: () = assert!(size_of::<Filter>() <= PLACE);
const _: () = assert!(size_of::<Encoder>() <= PLACE);
const _: () = assert!(size_of::<Decoder>() <= PLACE);

#[unsafe(no_mangle)]
extern "C" fn filter_start(place: &mut MaybeUninit<Filter>) {
    place.write(Filter::new());
}

#[unsafe(no_mangle)]
extern "C" fn filter_update(filter: &mut Filter, sample: i32) -> i32 {
    filter.update(sample)
}

/// # Safety
///
/// `length` bytes can be read from `bytes`, which is never null.
#[unsafe(no_mangle)]
unsafe extern "C" fn crc_of(bytes: *const u8, length: usize) -> u16 {
    // SAFETY: as above.
    Crc::of(unsafe { slice::from_raw_parts(bytes, length) })
}

#[unsafe(no_mangle)]
extern "C" fn cobs_open(place: &mut MaybeUninit<Encoder>) {
    place.write(Encoder::new()).open();
}

#[unsafe(no_mangle)]
extern "C" fn cobs_encode(encoder: &mut Encoder, byte: u8) {
    encoder.encode(byte);
}

#[unsafe(no_mangle)]
extern "C" fn cobs_close(encoder: &mut Encoder) {
    encoder.close();
}

#[unsafe(no_mangle)]
extern "C" fn cobs_encoded(encoder: &Encoder, bytes: &mut MaybeUninit<*const u8>) -> usize {
    let encoded = encoder.encoded();
    bytes.write(encoded.as_ptr());
    encoded.len()
}

#[unsafe(no_mangle)]
extern "C" fn cobs_wait(place: &mut MaybeUninit<Decoder>) {
    place.write(Decoder::new());
}

#[unsafe(no_mangle)]
extern "C" fn cobs_decode(
    decoder: &mut Decoder,
    byte: u8,
    block: &mut MaybeUninit<*const u8>,
) -> i32 {
    match decoder.push(byte) {
        None => NOTHING,
        Some(Ok(decoded)) => {
            block.write(decoded.as_ptr());
            decoded.len() as i32
        }
        Some(Err(Damage::Cobs)) => DAMAGE_COBS,
        Some(Err(_)) => DAMAGE_LENGTH,
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
