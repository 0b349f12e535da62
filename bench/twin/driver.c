/*
 * Holds one side to the vectors, then says how many ticks of SysTick each function took over them. Under
 * -icount every instruction takes as long, which a known number of them tells in ticks. The time of the same
 * loop around a function that returns at once is taken off.
 */
#include "twin.h"

#include <stdbool.h>

#include "vectors.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)
#define COUNTER_BITS 0x00FFFFFF

/* As in figures.py. */
enum { KNOWN = 8192 };

#define EACH(index, array) (size_t index = 0; index < sizeof(array) / sizeof(*(array)); index++)
/* Neither inlined nor made anew for one argument: the loops are the same whatever they call. */
#define AS_WRITTEN __attribute__((noipa))

enum semihosting { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18 };
/* ADP_Stopped_ApplicationExit and ADP_Stopped_RunTimeErrorUnknown. */
enum { DONE = 0x20026, FAILED = 0x20023 };

typedef int32_t update_function(struct filter *, int32_t);
typedef uint16_t crc_function(const uint8_t *, size_t);
typedef void encode_function(struct encoder *, uint8_t);
typedef void close_function(struct encoder *);
typedef int32_t decode_function(struct decoder *, uint8_t, const uint8_t **);

/* What returns at once, for calls of each kind. */
__asm__(".text\n.thumb_func\nreturn_at_once:\nbx lr");
extern update_function no_update __asm__("return_at_once");
extern crc_function no_crc __asm__("return_at_once");
extern encode_function no_encode __asm__("return_at_once");
extern close_function no_close __asm__("return_at_once");
extern decode_function no_decode __asm__("return_at_once");

static _Alignas(8) unsigned char filter_place[PLACE];
static _Alignas(8) unsigned char encoder_place[PLACE];
static _Alignas(8) unsigned char decoder_place[PLACE];

static struct filter *const filter = (struct filter *)filter_place;
static struct encoder *const encoder = (struct encoder *)encoder_place;
static struct decoder *const decoder = (struct decoder *)decoder_place;

static void ask_host(enum semihosting operation, uintptr_t argument)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void say(const char *text)
{
    ask_host(SYS_WRITE0, (uintptr_t)text);
}

static void say_count(const char *what, uint32_t ticks)
{
    char digits[9];

    for (int place = 7; place >= 0; place--, ticks >>= 4)
        digits[place] = "0123456789abcdef"[ticks & 15];
    digits[8] = '\0';
    say(what);
    say(" ");
    say(digits);
    say("\n");
}

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    say("differs from the vectors: ");
    say(what);
    say("\n");
    ask_host(SYS_EXIT, FAILED);
}

static bool same(const uint8_t *bytes, size_t length, const struct bytes *expected)
{
    if (length != expected->length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != expected->at[i])
            return false;
    return true;
}

static int32_t decoded(const struct bytes *encoded, const uint8_t **block)
{
    for (size_t i = 0; i < encoded->length; i++)
        expect(cobs_decode(decoder, encoded->at[i], block) == NOTHING, "a block ends before its delimiter");
    return cobs_decode(decoder, 0, block);
}

static void check_encoding(const struct block *block)
{
    const uint8_t *bytes = NULL;

    cobs_open(encoder);
    for (size_t i = 0; i < block->decoded.length; i++)
        cobs_encode(encoder, block->decoded.at[i]);
    cobs_close(encoder);
    size_t length = cobs_encoded(encoder, &bytes);
    if (block->encoded.length + 1 > ENCODED) {
        expect(length == 0, block->name);
        return;
    }
    expect(length > 0 && bytes[length - 1] == 0, block->name);
    expect(same(bytes, length - 1, &block->encoded), block->name);
}

static void check_decoding(const struct block *block)
{
    const uint8_t *bytes = NULL;
    int32_t length = decoded(&block->encoded, &bytes);

    if (!block->decodes)
        expect(length == DAMAGE_COBS, block->name);
    else if (block->decoded.length > DECODED)
        expect(length == DAMAGE_LENGTH, block->name);
    else
        expect(length >= 0 && same(bytes, (size_t)length, &block->decoded), block->name);
}

static void check(const struct block *block)
{
    if (block->encodes)
        check_encoding(block);
    check_decoding(block);
}

static void check_all(void)
{
    const uint8_t *block = NULL;

    filter_start(filter);
    for EACH(i, SAMPLES)
        expect(filter_update(filter, SAMPLES[i]) == FILTERED[i], "a filtered sample");
    for EACH(i, CHECKED)
        expect(crc_of(CHECKED[i].bytes.at, CHECKED[i].bytes.length) == CHECKED[i].crc, CHECKED[i].name);
    cobs_wait(decoder);
    expect(cobs_decode(decoder, 0, &block) == NOTHING, "a delimiter alone");
    for EACH(i, SENT)
        check(&SENT[i]);
    for EACH(i, RECEIVED)
        check(&RECEIVED[i]);
    for EACH(i, BLOCKS)
        check(&BLOCKS[i]);
}

static uint32_t since(uint32_t begun)
{
    return (begun - SYST_CVR) & COUNTER_BITS;
}

AS_WRITTEN static uint32_t between_two_looks(void)
{
    return since(SYST_CVR);
}

AS_WRITTEN static uint32_t known_instructions(void)
{
    uint32_t rounds = KNOWN / 2;
    uint32_t begun = SYST_CVR;

    __asm__ volatile("1: subs %0, %0, #1\nbne 1b" : "+l"(rounds) : : "cc");
    return since(begun);
}

AS_WRITTEN static uint32_t filtering(update_function *update)
{
    filter_start(filter);
    uint32_t begun = SYST_CVR;
    for EACH(i, SAMPLES)
        update(filter, SAMPLES[i]);
    return since(begun);
}

AS_WRITTEN static uint32_t checking(crc_function *crc)
{
    uint32_t begun = SYST_CVR;
    for EACH(i, SENT)
        crc(SENT[i].decoded.at, SENT[i].decoded.length);
    return since(begun);
}

AS_WRITTEN static uint32_t encoding(encode_function *encode, close_function *close)
{
    uint32_t taken = 0;

    for EACH(i, SENT) {
        cobs_open(encoder);
        uint32_t begun = SYST_CVR;
        for (size_t j = 0; j < SENT[i].decoded.length; j++)
            encode(encoder, SENT[i].decoded.at[j]);
        close(encoder);
        taken += since(begun);
    }
    return taken;
}

AS_WRITTEN static uint32_t decoding(decode_function *decode)
{
    const uint8_t *block = NULL;

    cobs_wait(decoder);
    uint32_t begun = SYST_CVR;
    for EACH(i, RECEIVED) {
        for (size_t j = 0; j < RECEIVED[i].encoded.length; j++)
            decode(decoder, RECEIVED[i].encoded.at[j], &block);
        decode(decoder, 0, &block);
    }
    return since(begun);
}

void start(void)
{
    check_all();
    SYST_RVR = COUNTER_BITS;
    SYST_CVR = 0;
    SYST_CSR = 5; /* enabled, by the core's clock */
    say_count("known", known_instructions() - between_two_looks());
    say_count("filter", filtering(filter_update) - filtering(no_update));
    say_count("crc", checking(crc_of) - checking(no_crc));
    say_count("encode", encoding(cobs_encode, cobs_close) - encoding(no_encode, no_close));
    say_count("decode", decoding(cobs_decode) - decoding(no_decode));
    ask_host(SYS_EXIT, DONE);
}

static void fault(void)
{
    say("a fault\n");
    ask_host(SYS_EXIT, FAILED);
}

extern uint32_t stack_top[];

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    stack_top, start, fault, fault,
};
