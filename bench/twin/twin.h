/* The filter, the checksum and COBS of the firmware, as both languages offer them to the driver. */
#ifndef TWIN_H
#define TWIN_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of an encoder with the delimiter, and of a decoder: for all vectors, or for what a node sends and gets. */
#ifdef LONG
enum { ENCODED = 512, DECODED = 64 };
#else
enum { ENCODED = 41, DECODED = 24 };
#endif

/* Bytes that the driver keeps for each state; both sides hold theirs against it. */
enum { PLACE = 640 };

/* What a decoder says in place of a length. */
enum {
    NOTHING = -1,
    DAMAGE_COBS = -2,
    DAMAGE_LENGTH = -3,
};

struct filter;
struct encoder;
struct decoder;

void filter_start(struct filter *filter);
int32_t filter_update(struct filter *filter, int32_t sample);

uint16_t crc_of(const uint8_t *bytes, size_t length);

void cobs_open(struct encoder *encoder);
void cobs_encode(struct encoder *encoder, uint8_t byte);
void cobs_close(struct encoder *encoder);
/* The encoded block with its delimiter; returns its length, 0 if it did not fit. */
size_t cobs_encoded(const struct encoder *encoder, const uint8_t **bytes);

void cobs_wait(struct decoder *decoder);
/* At the delimiter of a block that is not empty: its length, with `block` set, or what is wrong with it. */
int32_t cobs_decode(struct decoder *decoder, uint8_t byte, const uint8_t **block);

#endif
