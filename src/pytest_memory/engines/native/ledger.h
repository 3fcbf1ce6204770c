/* A ledger counts blocks for the windows that are open on it. What nearly every block needs is inlined into every hook:
 * one window is open, it captures no or few call stacks, and the block is small and of the thread that opened it. The
 * rest is in ledger.c. */
#ifndef PM_LEDGER_H
#define PM_LEDGER_H

#include "core.h"
#include "lone.h"
#include "shadow.h"

struct pm_intervals {
    struct pm_interval *items;
    size_t count, capacity;
};

struct pm_ledger {
    _Atomic(struct pm_window *) top;
    _Atomic uint32_t epoch;          /* of blocks allocated now */
    _Atomic uint32_t sampling_serial; /* moves when a window reseeds the sampling */
    uint64_t seed;
    bool coarse;           /* few samples are wanted */
    _Atomic uint64_t lost; /* blocks and mappings for which there was no room in a table */
    /* Sites, tallies, intervals; and with every stack captured, the counters too. Away from what all threads read. */
    pthread_mutex_t lock __attribute__((aligned(64)));
    struct pm_intervals intervals;
    struct pm_window windows[PM_WINDOWS];
    uint32_t next_window;
    struct pm_shadow blocks;
    struct pm_shadow marks; /* of blocks whose site is known: its number, and whether it stands for itself alone */
};

extern PM_HIDDEN struct pm_ledger pm_ledgers[PM_LEDGERS];

static inline int pm_ledger_number(const struct pm_ledger *ledger) { return (int)(ledger - pm_ledgers); }

/* The only window of each ledger, if every block belongs to it and few are looked at closer; or nobody's. Not in the ledger, whose
 * parts are so far from each other that a hook would have to find each from its beginning. */
extern PM_HIDDEN _Atomic(struct pm_window *) pm_simple[PM_LEDGERS];

/* Blocks at least this large are never left to chance. */
#define PM_EXACT_SIZE ((size_t)1 << 20)

/* What the tables say of a block. */
struct pm_before {
    uint32_t entry;
    uint32_t mark;
    size_t size;
};

/* A block was allocated. */
void pm_ledger_allocated(int which, uint32_t state, struct pm_thread *self, void *block, size_t size);

/* Take a block out of the tables, before it is given back: afterwards another thread may have its address. */
struct pm_before pm_ledger_lift(int which, void *block);

/* The block was not given back after all: realloc failed. Its mark still stands. */
void pm_ledger_restore(int which, void *block, struct pm_before before);

/* Account for a block that was lifted. */
void pm_ledger_freed(int which, struct pm_thread *self, struct pm_before before);

/* Write a block into the table, and count it in the windows. */
void pm_ledger_enter(struct pm_ledger *ledger, struct pm_thread *self, void *block, size_t size, uint32_t bits);

/* Add to the sums of the calling thread. */
void pm_count(struct pm_thread *self, int which, size_t size);

/* Bring the peak up to what is live now, whichever thread asks. */
void pm_window_look(struct pm_window *window, const struct pm_thread *self);

/* Change what is live in the windows that a block belongs to. */
void pm_windows_add(struct pm_ledger *ledger, struct pm_thread *self, uint32_t epoch, bool owner, int64_t delta);

/* Does a block belong to a window? Every block allocated since the window opened does, unless it counts one thread. */
static inline bool pm_belongs(const struct pm_window *window, uint32_t epoch, bool owner) {
    return epoch >= window->start && (!window->thread_only || owner);
}

static inline uint32_t pm_epoch(struct pm_ledger *ledger) {
    return atomic_load_explicit(&ledger->epoch, memory_order_acquire); /* before any look at the windows */
}

static inline uint32_t pm_owner_bit(const struct pm_thread *self) {
    return atomic_load_explicit(&self->totals->owner, memory_order_relaxed) ? PM_OWNER_BIT : 0;
}

static inline int64_t pm_window_live(const struct pm_window *window) {
    return atomic_load_explicit(&window->live, memory_order_relaxed) +
           atomic_load_explicit(&window->live_elsewhere, memory_order_relaxed);
}

static inline int64_t pm_window_peak(const struct pm_window *window) {
    int64_t home = atomic_load_explicit(&window->peak, memory_order_relaxed);
    int64_t elsewhere = atomic_load_explicit(&window->peak_elsewhere, memory_order_relaxed);
    return home > elsewhere ? home : elsewhere;
}

/* Say whose thread the window's home is. */
static inline void pm_window_house(struct pm_window *window, struct pm_totals *home) {
    window->home = home;
    window->home_standing = home ? pm_standing_of(home) : PM_NOBODY;
}

/* All three by the thread that opened the window. The peak lags behind until somebody takes away or asks. */
static inline void pm_window_grow(struct pm_window *window, int64_t size) { pm_lone_add(&window->live, size); }

static inline void pm_window_raise(struct pm_window *window) {
    int64_t live = atomic_load_explicit(&window->live_elsewhere, memory_order_relaxed) + pm_lone_get(&window->live);
    if (PM_UNLIKELY(live > pm_lone_get(&window->peak))) pm_lone_raise(&window->peak, live);
}

static inline void pm_window_shrink(struct pm_window *window, int64_t size) {
    pm_window_raise(window);
    pm_lone_subtract(&window->live, size);
}

/* The window, if this thread and an ordinary block need to look at no other. */
static inline struct pm_window *pm_quick_window(int which, const struct pm_thread *self) {
    struct pm_window *window = atomic_load_explicit(&pm_simple[which], memory_order_acquire);
    return PM_LIKELY(window->home_standing == self->standing) ? window : NULL;
}

/* Where the cell of a block is: most blocks lie under the leaf of the one before, or of the one before that was another.
 * Each of the two is one word that holds some leaf, so that a signal handler which does the same in between does no harm. */
struct pm_spot {
    struct pm_leaf *leaf; /* NULL if there is none */
    uintptr_t offset;
};

static inline struct pm_spot pm_quick_spot(int which, struct pm_window *window, void *block) {
    uintptr_t address = (uintptr_t)block;
    struct pm_leaf *latest = window->leaf, *leaf = latest;
    if (PM_UNLIKELY(address - leaf->begin > PM_LEAF_MASK)) {
        leaf = window->leaf_before;
        if (PM_UNLIKELY(address - leaf->begin > PM_LEAF_MASK)) {
            leaf = window->home ? pm_shadow_leaf(&pm_ledgers[which].blocks, address) : NULL;
            if (!leaf) return (struct pm_spot){NULL, 0};
        }
        window->leaf_before = latest;
        window->leaf = leaf;
    }
    return (struct pm_spot){leaf, address - leaf->begin};
}

/* Count a new block; false, having done nothing, if it is not an ordinary one, or none. */
static inline bool pm_quick_add(int which, struct pm_window *window, struct pm_thread *self, void *block, size_t size) {
    struct pm_sampler *sampler = &self->sampler[which];
    /* Signed: a signal handler that allocates behind this comparison may take more than there is. A size that is too
     * large for it has no block. */
    if (PM_UNLIKELY((int64_t)size >= pm_lone_get(&sampler->room))) return false;
    struct pm_spot spot = pm_quick_spot(which, window, block);
    if (PM_UNLIKELY(!spot.leaf)) return false;
    pm_lone_subtract(&sampler->room, (int64_t)size);
    pm_lone_add(&window->allocated_alone, (int64_t)size);
    pm_lone_add(&window->allocations_alone, 1);
    pm_window_grow(window, (int64_t)size);
    pm_cell_set(pm_leaf_cell(spot.leaf, spot.offset), (uint32_t)size | (uint32_t)window->stamp);
    return true;
}

/* What a block counts for; the cell is NULL if it counts for nothing, being unknown or older than the window. */
struct pm_found {
    uint32_t *cell;
    uint64_t size;
};

/* Look a block up; false if it is not an ordinary one. */
static inline bool pm_quick_find(int which, struct pm_window *window, void *block, struct pm_found *found) {
    *found = (struct pm_found){NULL, 0};
    struct pm_spot spot = pm_quick_spot(which, window, block);
    if (PM_UNLIKELY(!spot.leaf)) return true;
    uint32_t *cell = pm_leaf_cell(spot.leaf, spot.offset);
    uint64_t size = pm_cell_get(cell) - window->stamp; /* of an older block, or none, it is huge */
    if (PM_UNLIKELY(size >= PM_SIZE_MASK)) return pm_entry_epoch(pm_cell_get(cell)) < window->start;
    *found = (struct pm_found){cell, size};
    return true;
}

/* Strike off a block that was looked up: the table before it is given back, the count then or later. */
static inline void pm_quick_lift(struct pm_found found) {
    if (found.cell) pm_cell_set(found.cell, 0);
}

static inline void pm_quick_drop(struct pm_window *window, struct pm_found found) {
    if (found.cell) pm_window_shrink(window, (int64_t)found.size);
}

#endif
