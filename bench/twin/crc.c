/* CRC-16/IBM-3740, with the eight steps of a byte written out in place of a table. */
#include "twin.h"

uint16_t crc_of(const uint8_t *bytes, size_t length)
{
    uint16_t crc = 0xFFFF;

    for (const uint8_t *end = bytes + length; bytes != end; bytes++) {
        uint8_t bits = (uint8_t)(crc >> 8) ^ *bytes;
        bits ^= bits >> 4;
        crc = (uint16_t)(crc << 8) ^ (uint16_t)(bits << 12) ^ (uint16_t)(bits << 5) ^ bits;
    }
    return crc;
}
