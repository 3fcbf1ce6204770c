/* Opening and closing windows. The caller holds the interpreter's lock, so that no two do it at once. */
#ifndef PM_WINDOWS_H
#define PM_WINDOWS_H

#include "ledger.h"

struct pm_request {
    int ledger;
    bool sites;
    bool every;
    bool thread_only;
    bool coarse; /* few samples are enough */
    int outside; /* as pm_frames_outside counts it; the outermost window with call stacks decides for those inside it */
    uint64_t seed;
};

struct pm_reading {
    int64_t peak;
    int64_t allocated;
    int64_t allocations;
    int64_t retained;
    uint64_t lost;
};

/* Returns the window, or NULL with the reason why there is none. */
struct pm_window *pm_window_open(const struct pm_request *request, const char **reason);

/* Take the window's last reading and off its ledger; its tallies stand until the ledger's next window opens. */
void pm_window_close(int ledger, struct pm_window *window, struct pm_reading *reading);

/* Windows open on a ledger. */
int pm_windows_depth(int ledger);

/* Nothing counts any more: the interpreter ends. Or, in the child of a fork: it has no window. */
void pm_windows_abandon(void);

#endif
