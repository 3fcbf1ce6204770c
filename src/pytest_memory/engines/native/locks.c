#define _GNU_SOURCE
#include "locks.h"

#include <sys/mman.h>
#include <unistd.h>

#include "intervals.h"
#include "memory.h"
#include "sites.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

_Atomic bool *pm_tables_whole;

/* Handlers around a fork would have to hold the locks while those of other libraries run. Such a handler may wait for
 * a thread of its own to end, or for a lock under which that thread allocates: for ever, if that thread waits for us.
 * So nothing is held, and the child finds out by a page that the kernel empties for it (before Linux 4.14 only our own handler tells it). */
const char *pm_locks_prepare(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!pm_tables_whole) {
        if (!(pm_tables_whole = pm_reserve(page))) return "there is no memory for its tables";
        madvise((void *)pm_tables_whole, page, MADV_WIPEONFORK);
    }
    atomic_store(pm_tables_whole, true);
    return NULL;
}

void pm_lock(struct pm_ledger *ledger, struct pm_thread *self) {
    self->locked++;
    atomic_signal_fence(memory_order_seq_cst);
    pthread_mutex_lock(&ledger->lock);
}

void pm_unlock(struct pm_ledger *ledger, struct pm_thread *self) {
    pthread_mutex_unlock(&ledger->lock);
    atomic_signal_fence(memory_order_seq_cst);
    self->locked--;
}

/* A signal handler that forks inside of a change leaves it to be finished here, when the handler returns. */
void pm_locks_forked(void) {
    for (int which = 0; which < PM_LEDGERS; which++) {
        struct pm_ledger *ledger = &pm_ledgers[which];
        if (pthread_mutex_trylock(&ledger->lock) == 0) {
            pthread_mutex_unlock(&ledger->lock);
            continue;
        }
        pthread_mutex_init(&ledger->lock, NULL);
        if (pm_self.locked) continue;
        pm_intervals_forget(ledger);
        pm_sites_forget(which);
    }
    atomic_store(pm_tables_whole, true);
}
