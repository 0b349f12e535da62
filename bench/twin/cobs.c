/* Consistent overhead byte stuffing, a byte at a time, into buffers that are never left. */
#include "twin.h"

/* The code byte of a group that ends without a zero, and 254 others. */
enum { FULL_GROUP = 255 };

struct encoder {
    uint16_t length;
    /* The code that the open group would get if it ended here. */
    uint8_t code;
    uint8_t bytes[ENCODED];
};

struct decoder {
    uint8_t length;
    /* The code byte of the open group; 0 before the first one of a block. */
    uint8_t code;
    /* How many bytes the open group still lacks. */
    uint8_t missing;
    uint8_t bytes[DECODED];
};

/* The length of a decoded block that did not fit. */
enum { TOO_LONG = UINT8_MAX };

_Static_assert(sizeof(struct encoder) <= PLACE, "the driver keeps too little");
_Static_assert(sizeof(struct decoder) <= PLACE, "the driver keeps too little");
_Static_assert(DECODED < UINT8_MAX, "a length of its own tells what did not fit");

static void put(struct encoder *encoder, uint16_t at, uint8_t byte)
{
    if (at < ENCODED)
        encoder->bytes[at] = byte;
}

static void close_group(struct encoder *encoder)
{
    put(encoder, (uint16_t)(encoder->length - encoder->code), encoder->code);
    encoder->length++;
    encoder->code = 1;
}

void cobs_open(struct encoder *encoder)
{
    encoder->length = 1;
    encoder->code = 1;
}

void cobs_encode(struct encoder *encoder, uint8_t byte)
{
    if (encoder->code == FULL_GROUP)
        close_group(encoder);
    if (byte == 0) {
        close_group(encoder);
    } else {
        put(encoder, encoder->length, byte);
        encoder->length++;
        encoder->code++;
    }
}

void cobs_close(struct encoder *encoder)
{
    close_group(encoder);
    put(encoder, (uint16_t)(encoder->length - 1), 0);
}

size_t cobs_encoded(const struct encoder *encoder, const uint8_t **bytes)
{
    *bytes = encoder->bytes;
    return encoder->length <= ENCODED ? encoder->length : 0;
}

void cobs_wait(struct decoder *decoder)
{
    decoder->length = 0;
    decoder->code = 0;
    decoder->missing = 0;
}

static void keep(struct decoder *decoder, uint8_t byte)
{
    if (decoder->length < DECODED)
        decoder->bytes[decoder->length++] = byte;
    else
        decoder->length = TOO_LONG;
}

static int32_t end(struct decoder *decoder, const uint8_t **block)
{
    uint8_t length = decoder->length, code = decoder->code, missing = decoder->missing;

    cobs_wait(decoder);
    if (code == 0)
        return NOTHING;
    if (missing != 0)
        return DAMAGE_COBS;
    if (length > DECODED)
        return DAMAGE_LENGTH;
    *block = decoder->bytes;
    return length;
}

int32_t cobs_decode(struct decoder *decoder, uint8_t byte, const uint8_t **block)
{
    if (byte == 0)
        return end(decoder, block);
    if (decoder->missing == 0) {
        if (decoder->code != 0 && decoder->code != FULL_GROUP)
            keep(decoder, 0);
        decoder->code = byte;
        decoder->missing = byte - 1;
    } else {
        keep(decoder, byte);
        decoder->missing--;
    }
    return NOTHING;
}
