#include "threads.h"

#include "ledger.h"

/* As many threads at once have totals of their own; further ones share the first, with dearer additions. */
enum { POOL = 1024 };

PM_THREAD_LOCAL struct pm_thread pm_self;

static struct pm_totals pool[POOL] = {{.shared = true}};
static uint32_t released[POOL]; /* a stack of totals whose threads have ended */
static uint32_t released_count;
static _Atomic uint32_t pool_used = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static bool ready;

/* Destructors of other libraries may still allocate in this thread: they find the shared totals. */
static void leave(void *value) {
    struct pm_totals *totals = value;
    pm_self.standing = (pm_self.standing & PM_INSIDE) + PM_NESTED; /* its totals are about to be another's */
    pm_self.totals = &pool[0];
    pthread_mutex_lock(&lock);
    released[released_count++] = totals->index;
    pthread_mutex_unlock(&lock);
    pm_self.standing -= PM_NESTED;
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
    pthread_mutex_lock(&lock);
    uint32_t used = atomic_load_explicit(&pool_used, memory_order_relaxed), index = 0;
    if (released_count) {
        index = released[--released_count];
    } else if (used < POOL) {
        index = used;
        pool[index].index = index;
        atomic_store_explicit(&pool_used, used + 1, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    if (index) {
        if (pthread_setspecific(key, &pool[index]) == 0) {
            self->totals = &pool[index];
            self->standing = (self->standing & PM_INSIDE) | pm_standing_of(self->totals);
        } else {
            pthread_mutex_lock(&lock);
            released[released_count++] = index;
            pthread_mutex_unlock(&lock);
        }
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
    pthread_mutex_init(&lock, NULL);
    pm_self.standing &= ~PM_MUTES; /* what else a signal handler that forks has interrupted goes on here, and ends */
    uint32_t mine = pm_self.totals ? pm_self.totals->index : 0;
    uint32_t used = atomic_load_explicit(&pool_used, memory_order_relaxed);
    released_count = 0;
    for (uint32_t index = 1; index < used; index++) {
        if (index != mine) released[released_count++] = index;
    }
}

void pm_threads_lock(void) { pthread_mutex_lock(&lock); }

void pm_threads_unlock(void) { pthread_mutex_unlock(&lock); }
