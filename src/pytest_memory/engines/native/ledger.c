#include "ledger.h"

#include <time.h>

#include "sites.h"
#include "threads.h"

void pm_count(struct pm_thread *self, int which, size_t size) {
    if (PM_UNLIKELY(!self->totals)) pm_thread_join(self);
    _Atomic int64_t *allocated = &self->totals->allocated[which], *allocations = &self->totals->allocations[which];
    if (PM_UNLIKELY(self->totals->shared)) {
        atomic_fetch_add_explicit(allocated, (int64_t)size, memory_order_relaxed);
        atomic_fetch_add_explicit(allocations, 1, memory_order_relaxed);
    } else {
        pm_lone_add(allocated, (int64_t)size);
        pm_lone_add(allocations, 1);
    }
}

static void raise(_Atomic int64_t *word, int64_t value) {
    int64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (value > seen &&
           !atomic_compare_exchange_weak_explicit(word, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* A thread that has only freed so far has no totals. */
static bool at_home(const struct pm_window *window, const struct pm_thread *self) {
    return self->totals && window->home == self->totals;
}

void pm_window_look(struct pm_window *window, const struct pm_thread *self) {
    if (at_home(window, self)) {
        pm_window_raise(window);
    } else {
        raise(&window->peak_elsewhere, pm_window_live(window));
    }
}

/* Tell a window of a change; the answer is what was live elsewhere before. */
static int64_t settle(struct pm_window *window, int64_t delta) {
    int64_t before = atomic_fetch_add_explicit(&window->live_elsewhere, delta, memory_order_relaxed);
    int64_t most = before + (delta > 0 ? delta : 0);
    raise(&window->peak_elsewhere, most + atomic_load_explicit(&window->live, memory_order_relaxed));
    return before;
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Sixteen threads that compile at once would spend nine tenths of their time in waiting for the one word which all of
 * them change. So a thread looks whether others came in between since it settled last. Where that is so nearly each time,
 * and many times in a moment, it is in a crowd, and keeps up to PM_SLACK bytes to itself until it settles and finds itself
 * alone. The window may miss so much of a peak for each such thread. It is never told too much: who has given back more
 * than it kept says that it has given back more still. Threads that take turns, as those that run Python do, never get
 * into a crowd: a turn takes longer, or has more than one event. */
enum { PM_SLACK = 16384, MANY = 64, ALONE = 2, MOMENT = 200000, CROWDED = INT32_MAX };

static void look_around(struct pm_unsettled *mine, bool alone) {
    if (alone) {
        mine->crowd = mine->crowd < CROWDED && mine->crowd > ALONE ? mine->crowd - ALONE : 0;
    } else if (mine->crowd < CROWDED && ++mine->crowd == MANY) {
        int64_t now = nanoseconds();
        mine->crowd = now - mine->since < MOMENT ? CROWDED : 0;
        mine->since = now;
    }
}

/* Tell the window what was kept. The moves say when that is on its way, to whoever closes the window. */
static int64_t settle_what_was_kept(struct pm_window *window, struct pm_unsettled *mine, int64_t told) {
    atomic_fetch_add_explicit(&mine->moves, 1, memory_order_acq_rel);
    pm_lone_add(&mine->bytes, -told);
    int64_t before = settle(window, told);
    atomic_fetch_add_explicit(&mine->moves, 1, memory_order_acq_rel);
    return before;
}

/* A window over one thread, inside another or with every stack captured is told at once, always. */
static void change_elsewhere(int which, struct pm_window *window, const struct pm_thread *self, int64_t delta) {
    if (!self->totals || self->totals->shared ||
        atomic_load_explicit(&pm_simple[which], memory_order_relaxed) != window) {
        settle(window, delta);
        return;
    }
    struct pm_unsettled *mine = &self->totals->unsettled[which];
    if (PM_UNLIKELY(atomic_load_explicit(&mine->serial, memory_order_relaxed) != window->serial)) {
        atomic_store_explicit(&mine->bytes, 0, memory_order_relaxed);
        atomic_store_explicit(&mine->serial, window->serial, memory_order_release);
        mine->crowd = 0;
    }
    int64_t told = delta, before;
    if (PM_LIKELY(mine->crowd != CROWDED && !atomic_load_explicit(&mine->bytes, memory_order_relaxed))) {
        before = settle(window, told);
    } else {
        pm_lone_add(&mine->bytes, delta);
        told = atomic_load_explicit(&mine->bytes, memory_order_relaxed);
        if (mine->crowd == CROWDED) {
            if (0 <= told && told < PM_SLACK) return;
            if (told < 0) told -= PM_SLACK / 2;
        }
        before = settle_what_was_kept(window, mine, told);
    }
    look_around(mine, before == mine->left);
    mine->left = before + told;
}

static void change(int which, struct pm_window *window, const struct pm_thread *self, int64_t delta) {
    if (!at_home(window, self)) {
        change_elsewhere(which, window, self, delta);
    } else if (delta >= 0) {
        pm_window_grow(window, delta);
    } else {
        pm_window_shrink(window, -delta);
    }
}

void pm_windows_add(struct pm_ledger *ledger, struct pm_thread *self, uint32_t epoch, bool owner, int64_t delta) {
    struct pm_window *window = atomic_load_explicit(&ledger->top, memory_order_acquire);
    for (; window; window = atomic_load_explicit(&window->outer, memory_order_acquire)) {
        if (pm_belongs(window, epoch, owner)) change(pm_ledger_number(ledger), window, self, delta);
    }
}

void pm_ledger_enter(struct pm_ledger *ledger, struct pm_thread *self, void *block, size_t size, uint32_t bits) {
    uint32_t *cell = pm_shadow_make(&ledger->blocks, (uintptr_t)block);
    if (PM_UNLIKELY(!cell)) {
        atomic_fetch_add_explicit(&ledger->lost, 1, memory_order_relaxed);
        return;
    }
    uint32_t epoch = pm_epoch(ledger), owner = pm_owner_bit(self);
    pm_shadow_put(cell, size, epoch, owner | bits);
    pm_windows_add(ledger, self, epoch, owner, (int64_t)size);
}

/* A block of the engine's own: it must not be taken for what lay at this address before. */
static void forget(struct pm_ledger *ledger, void *block) {
    uint32_t *cell = pm_shadow_cell(&ledger->blocks, (uintptr_t)block);
    if (cell && pm_cell_get(cell)) pm_cell_set(cell, 0);
}

void pm_ledger_allocated(int which, uint32_t state, struct pm_thread *self, void *block, size_t size) {
    struct pm_ledger *ledger = &pm_ledgers[which];
    if (PM_UNLIKELY(pm_muted(self))) {
        forget(ledger, block);
        return;
    }
    pm_count(self, which, size);
    if (state & (PM_SAMPLE | PM_EVERY)) {
        bool exact = (state & PM_EVERY) || size >= PM_EXACT_SIZE;
        if (exact || pm_sample_due(ledger, self, size)) {
            pm_sites_allocated(ledger, self, block, size, exact);
            return;
        }
    } else {
        pm_sample_never(ledger, self);
    }
    pm_ledger_enter(ledger, self, block, size, 0);
}

struct pm_before pm_ledger_lift(int which, void *block) {
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

void pm_ledger_restore(int which, void *block, struct pm_before before) {
    uint32_t *cell = before.entry ? pm_shadow_cell(&pm_ledgers[which].blocks, (uintptr_t)block) : NULL;
    if (cell) pm_shadow_put(cell, before.size, pm_entry_epoch(before.entry), before.entry & (PM_SITE_BIT | PM_OWNER_BIT));
}

void pm_ledger_freed(int which, struct pm_thread *self, struct pm_before before) {
    if (!before.entry) return;
    if (PM_UNLIKELY(before.entry & PM_SITE_BIT)) {
        pm_sites_freed(&pm_ledgers[which], self, before.entry, before.size, before.mark);
        return;
    }
    pm_windows_add(&pm_ledgers[which], self, pm_entry_epoch(before.entry), before.entry & PM_OWNER_BIT,
                   -(int64_t)before.size);
}
