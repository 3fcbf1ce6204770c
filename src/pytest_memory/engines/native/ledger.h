/* A ledger counts blocks for the windows that are open on it. Its fast paths are inlined into every hook. */
#ifndef PM_LEDGER_H
#define PM_LEDGER_H

#include "core.h"
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
    _Atomic uint64_t lost; /* blocks and mappings for which there was no room in a table */
    pthread_mutex_t lock;  /* sites, tallies, intervals; and with every stack captured, the counters too */
    struct pm_intervals intervals;
    struct pm_window windows[PM_WINDOWS];
    uint32_t next_window;
    struct pm_shadow blocks;
    struct pm_shadow marks; /* of blocks whose site is known: its number, and whether it stands for itself alone */
};

extern struct pm_ledger pm_ledgers[PM_LEDGERS];

/* Blocks at least this large are never left to chance. */
#define PM_EXACT_SIZE ((size_t)1 << 20)

/* Slow paths, in sites.c: the block's call stack is recorded. */
void pm_sites_allocated(struct pm_ledger *ledger, struct pm_thread *self, void *block, size_t size, bool exact);
void pm_sites_freed(struct pm_ledger *ledger, struct pm_thread *self, uint32_t entry, size_t size, uint32_t mark);
bool pm_sample_due(struct pm_ledger *ledger, struct pm_thread *self, size_t size);

void pm_thread_join(struct pm_thread *self); /* threads.c: find totals for a thread that has none */

static inline void pm_count(struct pm_thread *self, int which, size_t size) {
    struct pm_totals *totals = self->totals;
    if (PM_UNLIKELY(!totals)) {
        pm_thread_join(self);
        totals = self->totals;
    }
    if (PM_UNLIKELY(totals->shared)) {
        atomic_fetch_add_explicit(&totals->allocated[which], (int64_t)size, memory_order_relaxed);
        atomic_fetch_add_explicit(&totals->allocations[which], 1, memory_order_relaxed);
        return;
    }
    _Atomic int64_t *allocated = &totals->allocated[which], *allocations = &totals->allocations[which];
    atomic_store_explicit(allocated, atomic_load_explicit(allocated, memory_order_relaxed) + (int64_t)size,
                          memory_order_relaxed);
    atomic_store_explicit(allocations, atomic_load_explicit(allocations, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Does a block belong to a window? Every block allocated since the window opened does, unless it counts one thread. */
static inline bool pm_belongs(const struct pm_window *window, uint32_t epoch, bool owner) {
    return epoch >= window->start && (!window->thread_only || owner);
}

static inline void pm_window_add(struct pm_window *window, int64_t delta) {
    int64_t live = atomic_fetch_add_explicit(&window->live, delta, memory_order_relaxed) + delta;
    if (delta <= 0) return;
    int64_t peak = atomic_load_explicit(&window->peak, memory_order_relaxed);
    while (live > peak && !atomic_compare_exchange_weak_explicit(&window->peak, &peak, live, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
}

static inline void pm_windows_add(struct pm_ledger *ledger, uint32_t epoch, bool owner, int64_t delta) {
    struct pm_window *window = atomic_load_explicit(&ledger->top, memory_order_acquire);
    for (; window; window = atomic_load_explicit(&window->outer, memory_order_acquire)) {
        if (pm_belongs(window, epoch, owner)) pm_window_add(window, delta);
    }
}

static inline uint32_t pm_epoch(struct pm_ledger *ledger) {
    return atomic_load_explicit(&ledger->epoch, memory_order_relaxed);
}

static inline uint32_t pm_owner_bit(const struct pm_thread *self) {
    return atomic_load_explicit(&self->totals->owner, memory_order_relaxed) ? PM_OWNER_BIT : 0;
}

/* Write a block into the table, then count it. */
static inline void pm_ledger_enter(struct pm_ledger *ledger, struct pm_thread *self, void *block, size_t size,
                                   uint32_t bits) {
    uint32_t *cell = pm_shadow_make(&ledger->blocks, (uintptr_t)block);
    if (PM_UNLIKELY(!cell)) {
        atomic_fetch_add_explicit(&ledger->lost, 1, memory_order_relaxed);
        return;
    }
    uint32_t epoch = pm_epoch(ledger), owner = pm_owner_bit(self);
    pm_shadow_put(cell, size, epoch, owner | bits);
    pm_windows_add(ledger, epoch, owner, (int64_t)size);
}

/* A block of the engine's own: it must not be taken for what lay at this address before. */
static inline void pm_ledger_forget(struct pm_ledger *ledger, void *block) {
    uint32_t *cell = pm_shadow_cell(&ledger->blocks, (uintptr_t)block);
    if (cell && pm_cell_get(cell)) pm_cell_set(cell, 0);
}

static inline void pm_ledger_allocated(int which, uint32_t state, struct pm_thread *self, void *block, size_t size) {
    struct pm_ledger *ledger = &pm_ledgers[which];
    if (PM_UNLIKELY(self->muted)) {
        pm_ledger_forget(ledger, block);
        return;
    }
    pm_count(self, which, size);
    if (state & (PM_SAMPLE | PM_EVERY)) {
        bool exact = (state & PM_EVERY) || size >= PM_EXACT_SIZE;
        if (exact || pm_sample_due(ledger, self, size)) {
            pm_sites_allocated(ledger, self, block, size, exact);
            return;
        }
    }
    pm_ledger_enter(ledger, self, block, size, 0);
}

/* What the tables say of a block. */
struct pm_before {
    uint32_t entry;
    uint32_t mark;
    size_t size;
};

/* Take a block out of the tables, before it is given back: afterwards another thread may have its address. */
static inline struct pm_before pm_ledger_lift(int which, void *block) {
    struct pm_ledger *ledger = &pm_ledgers[which];
    struct pm_before before = {0, 0, 0};
    uint32_t *cell = pm_shadow_cell(&ledger->blocks, (uintptr_t)block);
    if (!cell || !(before.entry = pm_cell_get(cell))) return before;
    before.size = pm_shadow_size(cell, before.entry);
    if (PM_UNLIKELY(before.entry & PM_SITE_BIT)) {
        uint32_t *mark = pm_shadow_cell(&ledger->marks, (uintptr_t)block);
        before.mark = mark ? pm_cell_get(mark) : 0;
    }
    pm_cell_set(cell, 0);
    return before;
}

/* The block was not given back after all: realloc failed. Its mark still stands. */
static inline void pm_ledger_restore(int which, void *block, struct pm_before before) {
    uint32_t *cell = before.entry ? pm_shadow_cell(&pm_ledgers[which].blocks, (uintptr_t)block) : NULL;
    if (cell) pm_shadow_put(cell, before.size, pm_entry_epoch(before.entry), before.entry & (PM_SITE_BIT | PM_OWNER_BIT));
}

/* Account for a block that was lifted. */
static inline void pm_ledger_freed(int which, struct pm_thread *self, struct pm_before before) {
    if (!before.entry) return;
    if (PM_UNLIKELY(before.entry & PM_SITE_BIT)) {
        pm_sites_freed(&pm_ledgers[which], self, before.entry, before.size, before.mark);
        return;
    }
    pm_windows_add(&pm_ledgers[which], pm_entry_epoch(before.entry), before.entry & PM_OWNER_BIT,
                   -(int64_t)before.size);
}

#endif
