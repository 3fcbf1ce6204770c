/* Call stacks: which are known, and what each has live in each window. */
#ifndef PM_SITES_H
#define PM_SITES_H

#include "ledger.h"

/* Give a window tallies, emptying the site table if no other window uses it. Returns NULL, or why it cannot. */
const char *pm_sites_begin(struct pm_ledger *ledger, struct pm_window *window, int outside);
/* When the window is closed. */
void pm_sites_end(struct pm_ledger *ledger, struct pm_window *window);

/* The block's call stack is recorded. */
void pm_sites_allocated(struct pm_ledger *ledger, struct pm_thread *self, void *block, size_t size, bool exact);
void pm_sites_freed(struct pm_ledger *ledger, struct pm_thread *self, uint32_t entry, size_t size, uint32_t mark);

/* Is this block to be a sample? */
bool pm_sample_due(struct pm_ledger *ledger, struct pm_thread *self, size_t size);

/* The calling thread draws from the start, as the window says that has just opened. */
void pm_sample_anew(struct pm_ledger *ledger, struct pm_thread *self);

/* No window asks for samples. */
void pm_sample_never(struct pm_ledger *ledger, struct pm_thread *self);

struct pm_site_reading {
    uint32_t site;
    int64_t bytes; /* live at the peak */
    int64_t exact; /* of these, not estimated */
    int64_t count;
    int64_t leaked_bytes; /* live now */
    int64_t leaked_count;
};

/* Number of sites known; their readings are asked for by number. False if the site has nothing in this window. */
uint32_t pm_sites_known(struct pm_ledger *ledger);
bool pm_sites_read(struct pm_ledger *ledger, struct pm_window *window, uint32_t site,
                   struct pm_site_reading *reading);

/* For mappings, under the ledger's lock: change the tallies of the windows that a mapping belongs to. */
void pm_sites_tally_bytes(struct pm_ledger *ledger, uint32_t epoch, bool owner, uint32_t mark, int64_t bytes, int calls);

/* For mappings, under the ledger's lock: the mark of the calling thread's stack; 0 where no window wants it. */
uint32_t pm_sites_mark(struct pm_ledger *ledger);

/* In the child of a fork: no window has tallies. */
void pm_sites_abandon(void);

/* The table of sites is not whole: the next window that wants one gets another. */
void pm_sites_forget(int ledger);

struct pm_stacks;

/* The stacks behind the numbers; NULL before the first window that wanted them. */
struct pm_stacks *pm_sites_stacks(int ledger);

size_t pm_sites_resident(struct pm_ledger *ledger);

#endif
