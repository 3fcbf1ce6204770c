/* Mappings made by mmap: unlike blocks, they may be given back piecemeal. Sorted by address, under the ledger's lock.
 *
 * A mapping counts the bytes that were asked for, not whole pages. */
#ifndef PM_INTERVALS_H
#define PM_INTERVALS_H

#include "ledger.h"

/* Forget all mappings; no window is open that they could belong to. */
void pm_intervals_clear(struct pm_ledger *ledger);

/* A mapping was made; whatever lay there before is gone. The lock is held. */
void pm_intervals_add(struct pm_ledger *ledger, struct pm_thread *self, uintptr_t begin, size_t size);

/* A range was given back. The lock is held. */
void pm_intervals_remove(struct pm_ledger *ledger, uintptr_t begin, size_t size);

#endif
