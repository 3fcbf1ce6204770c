#include "windows.h"

#include <sched.h>

#include "intervals.h"
#include "locks.h"
#include "sites.h"
#include "threads.h"

_Atomic uint32_t pm_state;
static struct pm_leaf nowhere = {.begin = (uintptr_t)1 << 63}; /* no block lies under it */
static struct pm_window nobodys = {.home_standing = PM_NOBODY, .leaf = &nowhere, .leaf_before = &nowhere};
_Atomic(struct pm_window *) pm_simple[PM_LEDGERS] = {&nobodys, &nobodys};
struct pm_ledger pm_ledgers[PM_LEDGERS] = {
    [PM_MALLOC] = {.lock = PTHREAD_MUTEX_INITIALIZER},
    [PM_PYTHON] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

static uint32_t serials; /* of windows and of samplings; 0 is nobody's */

static struct pm_window *first(struct pm_ledger *ledger) {
    return atomic_load_explicit(&ledger->top, memory_order_relaxed);
}

static struct pm_window *next(struct pm_window *window) {
    return atomic_load_explicit(&window->outer, memory_order_relaxed);
}

int pm_windows_depth(int which) {
    int depth = 0;
    for (struct pm_window *window = first(&pm_ledgers[which]); window; window = next(window)) depth++;
    return depth;
}

static bool is_simple(struct pm_window *top) {
    return top && top->home && !next(top) && !top->thread_only && !top->every;
}

/* Say to the hooks what the open windows want of them. */
static void publish(void) {
    uint32_t state = 0;
    for (int which = 0; which < PM_LEDGERS; which++) {
        uint32_t bits = 0;
        for (struct pm_window *window = first(&pm_ledgers[which]); window; window = next(window)) {
            bits |= PM_OPEN | (window->wants_sites ? PM_SAMPLE : 0) | (window->every ? PM_EVERY : 0);
        }
        state |= bits << (PM_STATE_BITS * which);
        struct pm_window *top = first(&pm_ledgers[which]);
        atomic_store_explicit(&pm_simple[which], is_simple(top) ? top : &nobodys, memory_order_release);
    }
    atomic_store_explicit(&pm_state, state, memory_order_release);
}

/* Slots go round, so that a thread that was overtaken between two steps of a hook writes into a window that is over,
 * and not into the next. */
static struct pm_window *vacant(struct pm_ledger *ledger) {
    for (int tries = 0; tries < PM_WINDOWS; tries++) {
        struct pm_window *window = &ledger->windows[ledger->next_window++ % PM_WINDOWS];
        if (!window->used) return window;
    }
    return NULL;
}

/* See that there is a next epoch. At the end of the range every block is forgotten, which only an empty ledger can afford. */
static const char *make_room(struct pm_ledger *ledger) {
    if (pm_epoch(ledger) + 1 < PM_EPOCHS) return NULL;
    if (first(ledger)) return "too many windows were opened inside one that is still open";
    pm_shadow_drop(&ledger->blocks);
    atomic_store_explicit(&ledger->epoch, 0, memory_order_relaxed);
    return NULL;
}

static const char *claim_thread(struct pm_ledger *ledger, struct pm_window *window) {
    window->own = pm_threads_own();
    if (!window->own) return "so many threads are running that this one cannot be counted alone";
    for (struct pm_window *outer = first(ledger); outer; outer = next(outer)) {
        if (outer->thread_only && outer->own != window->own) return "another thread is being counted alone";
    }
    return NULL;
}

static void mark_start(int which, struct pm_window *window) {
    const struct pm_totals *own = window->own;
    window->allocated = own ? own->allocated[which] : pm_threads_allocated(which);
    window->allocations = own ? own->allocations[which] : pm_threads_allocations(which);
}

struct pm_window *pm_window_open(const struct pm_request *request, const char **reason) {
    struct pm_ledger *ledger = &pm_ledgers[request->ledger];
    struct pm_window *window = pm_windows_depth(request->ledger) < PM_DEPTH ? vacant(ledger) : NULL;
    *reason = window ? NULL : "too many windows are open inside each other";
    if (*reason) return NULL;
    window->own = NULL;
    window->tallies = NULL;
    window->thread_only = request->thread_only;
    window->wants_sites = request->sites;
    window->every = request->every;
    window->serial = ++serials;
    if (request->thread_only && (*reason = claim_thread(ledger, window))) return NULL;
    if (!first(ledger)) pm_intervals_clear(ledger);
    if (request->sites && (*reason = pm_sites_begin(ledger, window, request->outside))) return NULL;
    if ((*reason = make_room(ledger))) {
        pm_sites_end(ledger, window);
        return NULL;
    }
    window->used = true;
    pm_window_house(window, pm_threads_own());
    window->start = pm_epoch(ledger) + 1;
    window->stamp = (uint64_t)window->start << PM_EPOCH_SHIFT;
    window->lost = ledger->lost;
    window->leaf = window->leaf_before = &nowhere;
    atomic_store_explicit(&window->allocated_alone, 0, memory_order_relaxed);
    atomic_store_explicit(&window->allocations_alone, 0, memory_order_relaxed);
    atomic_store_explicit(&window->live, 0, memory_order_relaxed);
    atomic_store_explicit(&window->peak, 0, memory_order_relaxed);
    atomic_store_explicit(&window->live_elsewhere, 0, memory_order_relaxed);
    atomic_store_explicit(&window->peak_elsewhere, 0, memory_order_relaxed);
    atomic_store_explicit(&window->outer, first(ledger), memory_order_relaxed);
    if (request->sites) {
        ledger->seed = request->seed;
        ledger->coarse = request->coarse;
        atomic_store_explicit(&ledger->sampling_serial, window->serial, memory_order_relaxed);
        pm_sample_anew(ledger, &pm_self);
    }
    if (window->thread_only) pm_threads_own_begin(window->own);
    if (request->sites) pm_lock(ledger, &pm_self);
    mark_start(request->ledger, window);
    atomic_store_explicit(&ledger->top, window, memory_order_release);
    publish();
    /* Last: whoever allocates in the new epoch finds the window, and who does not find it is older than the window. */
    atomic_store_explicit(&ledger->epoch, window->start, memory_order_release);
    if (request->sites) pm_unlock(ledger, &pm_self);
    return window;
}

static void unlink_window(struct pm_ledger *ledger, struct pm_window *window) {
    _Atomic(struct pm_window *) *link = &ledger->top;
    struct pm_window *at;
    while ((at = atomic_load_explicit(link, memory_order_relaxed)) && at != window) link = &at->outer;
    if (at) atomic_store_explicit(link, next(window), memory_order_release);
}

/* Whoever tells tallies of a change has looked for windows under the same lock: behind this nobody still has that one. */
static void leave_ledger(struct pm_ledger *ledger, struct pm_window *window) {
    if (window->wants_sites) pm_lock(ledger, &pm_self);
    unlink_window(ledger, window);
    if (window->wants_sites) pm_unlock(ledger, &pm_self);
}

/* What is live, with what threads still keep to themselves. Bytes that are on their way from a thread to the window would be
 * missed or seen twice, so this waits for them, and lets a thread run that was put to sleep meanwhile. */
static int64_t live_at_the_end(int which, const struct pm_window *window) {
    int64_t kept, live;
    uint64_t moves, again;
    for (int tries = 0;; tries++) {
        bool still = pm_threads_unsettled(which, window->serial, &kept, &moves);
        live = kept + atomic_load_explicit(&window->live, memory_order_acquire) +
               atomic_load_explicit(&window->live_elsewhere, memory_order_acquire);
        still = still && pm_threads_unsettled(which, window->serial, &kept, &again) && moves == again;
        if (still || tries == 1000) return live;
        if (tries > 10) sched_yield();
    }
}

void pm_window_close(int which, struct pm_window *window, struct pm_reading *reading) {
    struct pm_ledger *ledger = &pm_ledgers[which];
    leave_ledger(ledger, window);
    publish();
    /* Threads that were inside a hook may still count: what a hook changes last is read first. */
    const struct pm_totals *own = window->own;
    reading->retained = live_at_the_end(which, window);
    atomic_thread_fence(memory_order_acquire);
    reading->peak = pm_window_peak(window);
    if (reading->peak < reading->retained) reading->peak = reading->retained;
    reading->allocated = (own ? own->allocated[which] : pm_threads_allocated(which)) - window->allocated +
                         atomic_load_explicit(&window->allocated_alone, memory_order_relaxed);
    reading->allocations = (own ? own->allocations[which] : pm_threads_allocations(which)) - window->allocations +
                           atomic_load_explicit(&window->allocations_alone, memory_order_relaxed);
    /* A block that another thread was about to count when the window opened is live in it and was summed before. */
    if (reading->allocated < reading->peak) reading->allocated = reading->peak;
    reading->lost = ledger->lost - window->lost;
    if (window->thread_only) pm_threads_own_end(window->own);
    window->used = false;
}

void pm_windows_abandon(void) {
    atomic_store_explicit(&pm_state, 0, memory_order_relaxed);
    for (int which = 0; which < PM_LEDGERS; which++) {
        struct pm_ledger *ledger = &pm_ledgers[which];
        bool locked = pm_may_lock(&pm_self); /* in the child of a fork there is nobody else */
        if (locked) pm_lock(ledger, &pm_self);
        atomic_store_explicit(&ledger->top, NULL, memory_order_relaxed);
        if (locked) pm_unlock(ledger, &pm_self);
        atomic_store_explicit(&pm_simple[which], &nobodys, memory_order_relaxed);
        for (int index = 0; index < PM_WINDOWS; index++) {
            struct pm_window *window = &ledger->windows[index];
            if (window->used && window->thread_only) pm_threads_own_end(window->own);
            window->used = false;
        }
    }
}
