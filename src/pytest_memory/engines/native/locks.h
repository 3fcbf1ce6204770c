/* The locks of the ledgers. No fork waits for them, and no thread for a fork. */
#ifndef PM_LOCKS_H
#define PM_LOCKS_H

#include "ledger.h"

/* False in the child of a fork until it has called pm_locks_forked(): what another thread was about to change there will
 * never be whole, and the lock of who has gone with the parent never free. The kernel sees to that. */
extern PM_HIDDEN _Atomic bool *pm_tables_whole;

/* Make ready, once. Returns NULL, or why it cannot be done. */
const char *pm_locks_prepare(void);

/* May this thread take a lock? Not a signal handler that has interrupted it while it had one. */
static inline bool pm_may_lock(const struct pm_thread *self) {
    return !self->locked && atomic_load_explicit(pm_tables_whole, memory_order_relaxed);
}

void pm_lock(struct pm_ledger *ledger, struct pm_thread *self);
void pm_unlock(struct pm_ledger *ledger, struct pm_thread *self);

/* In the child of a fork, when no window is open: make the locks anew, and the tables that were being changed. */
void pm_locks_forked(void);

#endif
