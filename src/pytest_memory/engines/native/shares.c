#include "shares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int largest_first(const void *left, const void *right) {
    const struct pm_share *a = left, *b = right;
    int order = compare(b->bytes, a->bytes);
    if (!order) order = compare(b->count, a->count);
    return order ? order : compare(b->stack, a->stack);
}

static int by_place(const struct pm_share *a, const struct pm_share *b) {
    int order = compare(a->stack == PM_STACK_NONE, b->stack == PM_STACK_NONE);
    if (!order) order = compare((int64_t)a->depth, (int64_t)b->depth);
    return order || !a->depth ? order : memcmp(a->places, b->places, a->depth * sizeof *a->places);
}

/* The largest of each place first, so that the rest are added to it. */
static int by_place_and_size(const void *left, const void *right) {
    int order = by_place(left, right);
    return order ? order : largest_first(left, right);
}

static void add(struct pm_share *shares, size_t *count, const struct pm_stacks *stacks, uint32_t stack, int64_t bytes,
                int64_t blocks) {
    struct pm_share *share = &shares[(*count)++];
    *share = (struct pm_share){bytes, blocks, stack, 0, NULL};
    if (stack != PM_STACK_NONE) share->depth = pm_stacks_places(stacks, stack, &share->places);
}

static size_t merge(struct pm_share *shares, size_t count) {
    if (count < 2) return count;
    qsort(shares, count, sizeof *shares, by_place_and_size);
    size_t last = 0;
    for (size_t i = 1; i < count; i++) {
        if (by_place(&shares[last], &shares[i]) == 0) {
            shares[last].bytes += shares[i].bytes;
            shares[last].count += shares[i].count;
        } else {
            shares[++last] = shares[i];
        }
    }
    qsort(shares, last + 1, sizeof *shares, largest_first);
    return last + 1;
}

static bool is_live(const struct pm_site_reading *reading) { return reading->bytes > 0 || reading->count > 0; }

size_t pm_shares_at_peak(const struct pm_stacks *stacks, const struct pm_site_reading *readings, size_t count, int64_t peak,
                         struct pm_share *shares) {
    int64_t exact = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_live(&readings[i])) continue;
        exact += readings[i].exact;
        all += readings[i].bytes;
    }
    int64_t estimated = all - exact, left = peak > exact ? peak - exact : 0;
    double scale = estimated > 0 ? (double)left / (double)estimated : 1.0;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pm_site_reading *reading = &readings[i];
        if (!is_live(reading)) continue;
        int64_t bytes = reading->exact + (int64_t)rint((double)(reading->bytes - reading->exact) * scale);
        int64_t blocks = reading->count;
        if (bytes != reading->bytes) {
            blocks = (int64_t)rint((double)reading->count * (double)bytes / (double)reading->bytes);
            if (blocks < 1) blocks = 1;
        }
        add(shares, &found, stacks, reading->site, bytes, blocks);
    }
    return merge(shares, found);
}

size_t pm_shares_leaked(const struct pm_stacks *stacks, const struct pm_site_reading *readings, size_t count,
                        struct pm_share *shares) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pm_site_reading *reading = &readings[i];
        if (reading->leaked_bytes <= 0 && reading->leaked_count <= 0) continue;
        add(shares, &found, stacks, reading->site, reading->leaked_bytes, reading->leaked_count);
    }
    return merge(shares, found);
}
