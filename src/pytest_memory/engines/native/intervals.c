#include "intervals.h"

#include <string.h>
#include <sys/mman.h>

#include "locks.h"
#include "memory.h"
#include "sites.h"

struct pm_interval {
    uintptr_t begin, end;
    uint32_t epoch;
    uint32_t mark; /* 0: its stack is not known */
    bool owner;
    bool reserved; /* and counts for nothing */
    bool counts; /* a mapping cut in two is still one allocation: the first piece stands for it */
};

enum { FIRST_CAPACITY = 4096 };

void pm_intervals_clear(struct pm_ledger *ledger) {
    pm_lock(ledger, &pm_self);
    ledger->intervals.count = 0;
    pm_unlock(ledger, &pm_self);
}

void pm_intervals_forget(struct pm_ledger *ledger) { ledger->intervals = (struct pm_intervals){NULL, 0, 0}; }

static bool make_room(struct pm_ledger *ledger) {
    struct pm_intervals *all = &ledger->intervals;
    if (all->count < all->capacity) return true;
    size_t capacity = all->capacity ? all->capacity * 2 : FIRST_CAPACITY;
    struct pm_interval *items = pm_reserve(capacity * sizeof *items);
    if (!items) {
        atomic_fetch_add_explicit(&ledger->lost, 1, memory_order_relaxed);
        return false;
    }
    if (all->count) memcpy(items, all->items, all->count * sizeof *items);
    if (all->items) munmap(all->items, all->capacity * sizeof *items);
    all->items = items;
    all->capacity = capacity;
    return true;
}

/* The first interval that ends after an address. */
static size_t find(const struct pm_intervals *all, uintptr_t address) {
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all->items[middle].end > address) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static bool insert(struct pm_ledger *ledger, size_t at, struct pm_interval interval) {
    struct pm_intervals *all = &ledger->intervals;
    if (!make_room(ledger)) return false;
    memmove(&all->items[at + 1], &all->items[at], (all->count - at) * sizeof interval);
    all->items[at] = interval;
    all->count++;
    return true;
}

static void account(struct pm_ledger *ledger, const struct pm_interval *interval, size_t size, int calls) {
    if (interval->reserved) return;
    if (interval->mark) pm_sites_tally_bytes(ledger, interval->epoch, interval->owner, interval->mark, -(int64_t)size, calls);
    pm_windows_add(ledger, &pm_self, interval->epoch, interval->owner, -(int64_t)size);
}

void pm_intervals_remove(struct pm_ledger *ledger, uintptr_t begin, size_t size) {
    struct pm_intervals *all = &ledger->intervals;
    uintptr_t end = pm_page_end(begin + size);
    size_t at = find(all, begin);
    while (at < all->count && all->items[at].begin < end) {
        struct pm_interval *interval = &all->items[at], rest = *interval;
        uintptr_t from = interval->begin > begin ? interval->begin : begin;
        uintptr_t to = interval->end < end ? interval->end : end;
        bool whole = from == interval->begin && to == interval->end;
        account(ledger, interval, to - from, whole && interval->counts ? -1 : 0);
        if (whole) {
            memmove(interval, interval + 1, (all->count - at - 1) * sizeof *interval);
            all->count--;
        } else if (from == interval->begin) {
            interval->begin = to;
        } else {
            interval->end = from;
            at++;
            rest.begin = to;
            rest.counts = false;
            if (to < rest.end) insert(ledger, at++, rest);
        }
    }
}

void pm_intervals_add(struct pm_ledger *ledger, struct pm_thread *self, uintptr_t begin, size_t size) {
    pm_intervals_remove(ledger, begin, size);
    struct pm_interval interval = {
        .begin = begin,
        .end = begin + size,
        .epoch = pm_epoch(ledger),
        .mark = pm_sites_mark(ledger),
        .owner = pm_owner_bit(self),
        .counts = true,
    };
    if (!insert(ledger, find(&ledger->intervals, begin), interval)) return;
    if (interval.mark) pm_sites_tally_bytes(ledger, interval.epoch, interval.owner, interval.mark, (int64_t)size, 1);
    pm_windows_add(ledger, self, interval.epoch, interval.owner, (int64_t)size);
}

void pm_intervals_reserve(struct pm_ledger *ledger, uintptr_t begin, size_t size) {
    pm_intervals_remove(ledger, begin, size);
    insert(ledger, find(&ledger->intervals, begin), (struct pm_interval){.begin = begin, .end = begin + size, .reserved = true});
}

static const struct pm_interval *first_after(const struct pm_ledger *ledger, uintptr_t address) {
    const struct pm_intervals *all = &ledger->intervals;
    size_t index = find(all, address);
    return index < all->count ? &all->items[index] : NULL;
}

bool pm_intervals_reserved(const struct pm_ledger *ledger, uintptr_t address) {
    const struct pm_interval *interval = first_after(ledger, address);
    return interval && interval->begin <= address && interval->reserved;
}

/* Each change may move the intervals, so the next piece is looked for anew. */
void pm_intervals_protect(struct pm_ledger *ledger, struct pm_thread *self, uintptr_t begin, size_t size, bool reserve) {
    uintptr_t end = pm_page_end(begin + size);
    const struct pm_interval *interval;
    while (begin < end && (interval = first_after(ledger, begin)) && interval->begin < end) {
        uintptr_t from = interval->begin > begin ? interval->begin : begin;
        uintptr_t to = interval->end < end ? interval->end : end;
        begin = to;
        if (interval->reserved == reserve) continue;
        if (reserve) {
            pm_intervals_reserve(ledger, from, to - from);
        } else {
            pm_count(self, pm_ledger_number(ledger), to - from);
            pm_intervals_add(ledger, self, from, to - from);
        }
    }
}
