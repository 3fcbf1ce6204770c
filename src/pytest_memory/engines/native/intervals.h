/* Mappings made by mmap: unlike blocks, they may be given back piecemeal. Sorted by address, under the ledger's lock.
 *
 * A mapping counts the bytes that were asked for, not whole pages. Where Python's objects are counted, address space that
 * nobody may read or write (PROT_NONE) is reserved and no memory yet: CUDA reserves 12 GiB to find out whether it could.
 * A part of it that is opened while the window is open in which it was reserved counts from then on; closing it again gives
 * it back. For malloc granularity it counts at once, as it does for memray. */
#ifndef PM_INTERVALS_H
#define PM_INTERVALS_H

#include "ledger.h"

/* Forget all mappings; no window is open that they could belong to. */
void pm_intervals_clear(struct pm_ledger *ledger);

/* In the child of a fork: they are not whole. */
void pm_intervals_forget(struct pm_ledger *ledger);

/* A mapping was made; whatever lay there before is gone. The lock is held. */
void pm_intervals_add(struct pm_ledger *ledger, struct pm_thread *self, uintptr_t begin, size_t size);

/* The same, of one that nobody may access yet: it counts for nothing. */
void pm_intervals_reserve(struct pm_ledger *ledger, uintptr_t begin, size_t size);

/* Is this the address of a reserved mapping? */
bool pm_intervals_reserved(const struct pm_ledger *ledger, uintptr_t address);

/* What counts in a range is reserved from now on, or what is reserved there counts. Mappings that are not known stay so. */
void pm_intervals_protect(struct pm_ledger *ledger, struct pm_thread *self, uintptr_t begin, size_t size, bool reserve);

/* A range was given back, to the end of its last page. The lock is held. */
void pm_intervals_remove(struct pm_ledger *ledger, uintptr_t begin, size_t size);

#endif
