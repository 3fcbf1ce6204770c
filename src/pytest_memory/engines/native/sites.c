#include "sites.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "frames.h"
#include "locks.h"
#include "memory.h"
#include "stacks.h"

/* Mean distance between samples, in bytes, and where few are wanted: a setup of pytest's alone then has none. */
#define SAMPLE_MEAN 65536.0
#define COARSE_MEAN 1048576.0

/* A block's mark is the number of its stack, and whether it stands for itself alone or for its like, and of how many. */
#define EXACT_MARK 0x80000000u
#define COARSE_MARK 0x40000000u
#define STACK_OF_MARK (COARSE_MARK - 1)

enum { LEVELS = 8 };

/* What one stack has in one window. Its share of the peak is found without snapshots: before a tally changes, if the
 * peak has moved since it last changed, what it holds now is what it held at that peak. */
struct pm_tally {
    int64_t live, at_peak;
    int64_t exact, exact_at_peak; /* of these, in blocks that stand for themselves alone */
    double count, count_at_peak;
    int64_t peak;    /* of the window when the tally last changed */
    uint32_t serial; /* of the window it belongs to; another's is taken for empty */
};

static struct {
    struct pm_stacks *stacks;
    struct pm_tally *tallies[LEVELS];
    bool taken[LEVELS];
} tables[PM_LEDGERS];

const char *pm_sites_begin(struct pm_ledger *ledger, struct pm_window *window, int outside) {
    static const char no_memory[] = "there is no address space for the tables of call stacks";
    int which = pm_ledger_number(ledger);
    uint32_t level = 0;
    bool others = false;
    for (uint32_t i = 0; i < LEVELS; i++) others |= tables[which].taken[i];
    while (level < LEVELS && tables[which].taken[level]) level++;
    if (level == LEVELS) return "too many windows with call stacks are open inside each other";
    if (!tables[which].stacks && !(tables[which].stacks = pm_stacks_make())) return no_memory;
    if (!tables[which].tallies[level] &&
        !(tables[which].tallies[level] = pm_reserve(PM_STACKS * sizeof(struct pm_tally)))) {
        return no_memory;
    }
    if (!others) {
        pm_lock(ledger, &pm_self);
        pm_stacks_clear(tables[which].stacks, pm_frames_outside(outside));
        pm_unlock(ledger, &pm_self);
    }
    tables[which].taken[level] = true;
    window->level = level;
    window->tallies = tables[which].tallies[level];
    return NULL;
}

void pm_sites_end(struct pm_ledger *ledger, struct pm_window *window) {
    if (window->tallies) tables[pm_ledger_number(ledger)].taken[window->level] = false;
    window->tallies = NULL; /* no thread looks at them: the window left its ledger under the lock */
}

static void bring_up_to_date(struct pm_window *window, struct pm_tally *tally) {
    pm_window_look(window, &pm_self);
    int64_t peak = pm_window_peak(window);
    if (tally->serial != window->serial) {
        *tally = (struct pm_tally){.serial = window->serial, .peak = peak};
    } else if (tally->peak != peak) {
        tally->at_peak = tally->live;
        tally->exact_at_peak = tally->exact;
        tally->count_at_peak = tally->count;
        tally->peak = peak;
    }
}

/* A sample of n bytes stands for all that had the same chance: n / (1 - e^(-n/mean)) bytes. The same block weighs
 * the same when it goes. */
static double weight_of(uint32_t mark, size_t size) {
    if (mark & EXACT_MARK) return 1.0;
    return 1.0 / -expm1(-(double)(size ? size : 1) / (mark & COARSE_MARK ? COARSE_MEAN : SAMPLE_MEAN));
}

static void add_to_tallies(struct pm_ledger *ledger, uint32_t epoch, bool owner, uint32_t mark, int64_t bytes,
                           double count) {
    struct pm_window *window = atomic_load_explicit(&ledger->top, memory_order_acquire);
    for (; window; window = atomic_load_explicit(&window->outer, memory_order_acquire)) {
        if (!window->wants_sites || !pm_belongs(window, epoch, owner)) continue;
        struct pm_tally *tally = &window->tallies[mark & STACK_OF_MARK];
        bring_up_to_date(window, tally);
        tally->live += bytes;
        if (mark & EXACT_MARK) tally->exact += bytes;
        tally->count += count;
    }
}

static void tally(struct pm_ledger *ledger, uint32_t epoch, bool owner, uint32_t mark, size_t size, int sign) {
    double weight = weight_of(mark, size);
    int64_t bytes = (mark & EXACT_MARK) ? (int64_t)size : (int64_t)((double)size * weight + 0.5);
    add_to_tallies(ledger, epoch, owner, mark, sign * bytes, sign * weight);
}

void pm_sites_tally_bytes(struct pm_ledger *ledger, uint32_t epoch, bool owner, uint32_t mark, int64_t bytes,
                          int calls) {
    add_to_tallies(ledger, epoch, owner, mark, bytes, calls);
}

static uint32_t state_of(struct pm_ledger *ledger) { return pm_state_of(pm_load_state(), pm_ledger_number(ledger)); }

static uint32_t mark_now(struct pm_ledger *ledger, bool exact) {
    int which = pm_ledger_number(ledger);
    uint32_t kind = exact ? EXACT_MARK : pm_self.sampler[which].coarse ? COARSE_MARK : 0;
    return pm_stacks_find(tables[which].stacks) | kind;
}

/* Mappings are few and large, and are given back in pieces that no weight would fit: none is left to chance. */
uint32_t pm_sites_mark(struct pm_ledger *ledger) {
    return state_of(ledger) & (PM_SAMPLE | PM_EVERY) ? mark_now(ledger, true) : 0;
}

/* The tallies change before the counters: what is live at a new peak includes the block that made it. All under one
 * lock, and a window that wants call stacks opens under it too, so that with every stack captured the sites add up to the
 * peak whatever other threads do. */
void pm_sites_allocated(struct pm_ledger *ledger, struct pm_thread *self, void *block, size_t size, bool exact) {
    if (!pm_may_lock(self)) { /* in a signal handler that interrupted this very table, or in a fork */
        pm_ledger_enter(ledger, self, block, size, 0);
        return;
    }
    int saved = errno;
    uint32_t *mark = NULL;
    pm_lock(ledger, self);
    if (state_of(ledger) & (PM_SAMPLE | PM_EVERY)) {
        mark = pm_shadow_make(&ledger->marks, (uintptr_t)block);
        if (!mark) atomic_fetch_add_explicit(&ledger->lost, 1, memory_order_relaxed);
    }
    if (mark) {
        uint32_t value = mark_now(ledger, exact);
        pm_cell_set(mark, value);
        tally(ledger, pm_epoch(ledger), pm_owner_bit(self), value, size, 1);
    }
    pm_ledger_enter(ledger, self, block, size, mark ? PM_SITE_BIT : 0);
    pm_unlock(ledger, self);
    errno = saved;
}

void pm_sites_freed(struct pm_ledger *ledger, struct pm_thread *self, uint32_t entry, size_t size, uint32_t mark) {
    uint32_t epoch = pm_entry_epoch(entry);
    bool owner = entry & PM_OWNER_BIT;
    if (!pm_may_lock(self)) {
        pm_windows_add(ledger, self, epoch, owner, -(int64_t)size);
        return;
    }
    int saved = errno;
    pm_lock(ledger, self);
    tally(ledger, epoch, owner, mark, size, -1);
    pm_windows_add(ledger, self, epoch, owner, -(int64_t)size);
    pm_unlock(ledger, self);
    errno = saved;
}

/* xorshift64* (Vigna 2016), as a number in (0, 1]. */
static double chance(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545f4914f6cdd1du >> 11) + 1) * 0x1p-53;
}

/* Bytes until the next sample. */
static int64_t draw_gap(struct pm_sampler *sampler) {
    return (int64_t)(-log(chance(&sampler->random)) * (sampler->coarse ? COARSE_MEAN : SAMPLE_MEAN)) + 1;
}

static void set_gap(struct pm_sampler *sampler, int64_t gap) {
    int64_t room = gap < (int64_t)PM_SIZE_MASK ? gap : (int64_t)PM_SIZE_MASK;
    atomic_store_explicit(&sampler->room, room, memory_order_relaxed);
    sampler->beyond = gap - room;
}

void pm_sample_anew(struct pm_ledger *ledger, struct pm_thread *self) {
    struct pm_sampler *sampler = &self->sampler[pm_ledger_number(ledger)];
    sampler->serial = atomic_load_explicit(&ledger->sampling_serial, memory_order_relaxed);
    sampler->coarse = ledger->coarse;
    sampler->random = (ledger->seed + 1 + self->totals->index) * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < 4; i++) chance(&sampler->random);
    set_gap(sampler, draw_gap(sampler));
}

void pm_sample_never(struct pm_ledger *ledger, struct pm_thread *self) {
    struct pm_sampler *sampler = &self->sampler[pm_ledger_number(ledger)];
    *sampler = (struct pm_sampler){0};
    set_gap(sampler, INT64_MAX);
}

bool pm_sample_due(struct pm_ledger *ledger, struct pm_thread *self, size_t size) {
    struct pm_sampler *sampler = &self->sampler[pm_ledger_number(ledger)];
    /* A new window: the same test draws the same samples in every run. */
    if (sampler->serial != atomic_load_explicit(&ledger->sampling_serial, memory_order_relaxed)) {
        pm_sample_anew(ledger, self);
    }
    int64_t gap = sampler->beyond + pm_lone_get(&sampler->room) - (int64_t)size;
    set_gap(sampler, gap > 0 ? gap : draw_gap(sampler));
    return gap <= 0;
}

/* A thread that saw the last window may still be adding its stack. */
uint32_t pm_sites_known(struct pm_ledger *ledger) {
    pm_lock(ledger, &pm_self);
    uint32_t known = pm_stacks_count(tables[pm_ledger_number(ledger)].stacks);
    pm_unlock(ledger, &pm_self);
    return known;
}

bool pm_sites_read(struct pm_ledger *ledger, struct pm_window *window, uint32_t site,
                   struct pm_site_reading *reading) {
    (void)ledger;
    struct pm_tally tally = window->tallies[site];
    if (tally.serial != window->serial) return false;
    bring_up_to_date(window, &tally);
    *reading = (struct pm_site_reading){site, tally.at_peak, tally.exact_at_peak, llround(tally.count_at_peak), tally.live,
                                        llround(tally.count)};
    return reading->bytes > 0 || reading->count > 0 || reading->leaked_bytes > 0 || reading->leaked_count > 0;
}

void pm_sites_forget(int which) { tables[which].stacks = NULL; }

void pm_sites_abandon(void) {
    for (int which = 0; which < PM_LEDGERS; which++) memset(tables[which].taken, 0, sizeof tables[which].taken);
}

struct pm_stacks *pm_sites_stacks(int which) { return tables[which].stacks; }

size_t pm_sites_resident(struct pm_ledger *ledger) {
    int which = pm_ledger_number(ledger);
    size_t total = tables[which].stacks ? pm_stacks_resident(tables[which].stacks) : 0;
    for (int level = 0; level < LEVELS; level++) {
        if (tables[which].tallies[level]) {
            total += pm_resident(tables[which].tallies[level], PM_STACKS * sizeof(struct pm_tally));
        }
    }
    return total;
}
