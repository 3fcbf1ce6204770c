/* Which thread counts where. */
#ifndef PM_THREADS_H
#define PM_THREADS_H

#include "core.h"

/* Make ready, once. Returns NULL, or why it cannot be done. */
const char *pm_threads_prepare(void);

/* Find totals for a thread that has none. */
void pm_thread_join(struct pm_thread *self);

/* The sums of all threads, living and ended. */
int64_t pm_threads_allocated(int ledger);
int64_t pm_threads_allocations(int ledger);

/* Bytes that threads have not told a window yet, and how often any of them has told it something; false while one does. */
bool pm_threads_unsettled(int ledger, uint32_t serial, int64_t *bytes, uint64_t *moves);

/* The calling thread's own totals, or NULL if it has to share them. */
struct pm_totals *pm_threads_own(void);

/* A window over one thread alone opens, or is over; the thread may have ended by then. */
void pm_threads_own_begin(struct pm_totals *totals);
void pm_threads_own_end(struct pm_totals *totals);

/* In the child of a fork: the calling thread is the only one left, and no window is open. */
void pm_threads_forked(void);

#endif
