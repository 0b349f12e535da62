/* Median of the last three samples, then a first-order low-pass over about 2^SHIFT of them. */
#include "twin.h"

#include <stdbool.h>

enum {
    SHIFT = 2,
    HALF = (1 << SHIFT) >> 1,
};

struct filter {
    bool started;
    int32_t before_last;
    int32_t last;
    int32_t level;
};

_Static_assert(sizeof(struct filter) <= PLACE, "the driver keeps too little");

static int32_t saturating_difference(int32_t a, int32_t b)
{
    int32_t difference;

    if (__builtin_sub_overflow(a, b, &difference))
        return a < 0 ? INT32_MIN : INT32_MAX;
    return difference;
}

static int32_t median(int32_t a, int32_t b, int32_t c)
{
    int32_t low = a < b ? a : b;
    int32_t high = a < b ? b : a;

    if (c < low)
        return low;
    return c > high ? high : c;
}

void filter_start(struct filter *filter)
{
    filter->started = false;
}

int32_t filter_update(struct filter *filter, int32_t sample)
{
    if (!filter->started) {
        filter->started = true;
        filter->before_last = filter->last = filter->level = sample;
    }

    int32_t middle = median(filter->before_last, filter->last, sample);
    filter->before_last = filter->last;
    filter->last = sample;

    int32_t step = saturating_difference(middle, filter->level);
    step = step > INT32_MAX - HALF ? INT32_MAX : step + HALF;
    filter->level += step >> SHIFT;
    return filter->level;
}
