#include "threads.h"

#include "ledger.h"

/* As many threads at once have totals of their own; further ones share the first, with dearer additions. */
enum { POOL = 1024 };

PM_THREAD_LOCAL struct pm_thread pm_self;

static struct pm_totals pool[POOL] = {{.shared = true}};
static _Atomic uint32_t pool_used = 1;
static pthread_key_t key;
static bool ready;

/* Take totals, unless another thread has them. */
static bool claim(uint32_t index) {
    if (atomic_exchange_explicit(&pool[index].taken, true, memory_order_acq_rel)) return false;
    pool[index].index = index;
    return true;
}

/* No lock: a thread may end, or count for the first time, while another one forks and waits for it in a handler. */
static struct pm_totals *take(void) {
    uint32_t used = atomic_load(&pool_used);
    for (uint32_t index = 1; index < used; index++) {
        if (!atomic_load_explicit(&pool[index].taken, memory_order_relaxed) && claim(index)) return &pool[index];
    }
    while (used < POOL) {
        if (atomic_compare_exchange_weak(&pool_used, &used, used + 1) && claim(used)) return &pool[used];
    }
    return NULL;
}

/* Totals over which a window is open still, for a thread that has ended, are given back when it closes: whichever of the
 * two comes last does it. */
static void give_back_if_idle(struct pm_totals *totals) {
    if (!atomic_load(&totals->owner) && atomic_exchange(&totals->left, false)) atomic_store(&totals->taken, false);
}

/* Destructors of other libraries may still allocate in this thread: they find the shared totals. */
static void leave(void *value) {
    struct pm_totals *totals = value;
    pm_self.standing &= PM_INSIDE; /* its totals are about to be another's */
    pm_self.totals = &pool[0];
    atomic_store(&totals->left, true);
    give_back_if_idle(totals);
}

void pm_threads_own_begin(struct pm_totals *totals) { atomic_fetch_add(&totals->owner, 1); }

void pm_threads_own_end(struct pm_totals *totals) {
    atomic_fetch_sub(&totals->owner, 1);
    give_back_if_idle(totals);
}

const char *pm_threads_prepare(void) {
    if (ready) return NULL;
    if (pthread_key_create(&key, leave) != 0) return "the process has no thread-specific key left";
    ready = true;
    return NULL;
}

void pm_thread_join(struct pm_thread *self) {
    self->totals = &pool[0]; /* what pthread_setspecific allocates, and any signal handler, may count there */
    self->standing += PM_NESTED;
    struct pm_totals *totals = take();
    if (totals && pthread_setspecific(key, totals) == 0) {
        self->totals = totals;
        self->standing = (self->standing & PM_INSIDE) | pm_standing_of(totals);
    } else if (totals) {
        atomic_store(&totals->taken, false);
    }
    self->standing -= PM_NESTED;
}

static int64_t sum(size_t offset) {
    int64_t total = 0;
    uint32_t used = atomic_load_explicit(&pool_used, memory_order_acquire);
    for (uint32_t index = 0; index < used; index++) {
        _Atomic int64_t *value = (_Atomic int64_t *)((char *)&pool[index] + offset);
        total += atomic_load_explicit(value, memory_order_relaxed);
    }
    return total;
}

int64_t pm_threads_allocated(int ledger) {
    return sum(offsetof(struct pm_totals, allocated) + sizeof(int64_t) * (size_t)ledger);
}

int64_t pm_threads_allocations(int ledger) {
    return sum(offsetof(struct pm_totals, allocations) + sizeof(int64_t) * (size_t)ledger);
}

bool pm_threads_unsettled(int ledger, uint32_t serial, int64_t *bytes, uint64_t *moves) {
    bool moving = false;
    uint32_t used = atomic_load_explicit(&pool_used, memory_order_acquire);
    *bytes = 0, *moves = 0;
    for (uint32_t index = 0; index < used; index++) {
        struct pm_unsettled *one = &pool[index].unsettled[ledger];
        if (atomic_load_explicit(&one->serial, memory_order_acquire) != serial) continue;
        uint32_t moved = atomic_load_explicit(&one->moves, memory_order_acquire);
        moving |= moved & 1;
        *moves += moved;
        *bytes += atomic_load_explicit(&one->bytes, memory_order_acquire);
    }
    return !moving;
}

struct pm_totals *pm_threads_own(void) {
    if (!pm_self.totals) pm_thread_join(&pm_self);
    return pm_self.totals->shared ? NULL : pm_self.totals;
}

void pm_threads_forked(void) {
    pm_self.standing &= ~PM_MUTES; /* what else a signal handler that forks has interrupted goes on here, and ends */
    uint32_t used = atomic_load(&pool_used);
    for (uint32_t index = 1; index < used; index++) {
        struct pm_totals *totals = &pool[index];
        atomic_store(&totals->owner, 0);
        atomic_store(&totals->left, false);
        atomic_store(&totals->taken, totals == pm_self.totals);
    }
}
