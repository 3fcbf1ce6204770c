/* What call stacks have of a window, as a reader is told: by the lines that they stand for. Two calls on one line are
 * two stacks to the tables, and one to a reader. */
#ifndef PM_SHARES_H
#define PM_SHARES_H

#include "sites.h"
#include "stacks.h"

struct pm_share {
    int64_t bytes, count;
    uint32_t stack; /* one of those that have this share; PM_STACK_NONE for all that found no room */
    size_t depth;
    const struct pm_place *places;
};

/* Of the stacks live at the peak, estimates scaled so that all add up to it.
 *
 * The peak is known to the byte, and so are the blocks that were captured for themselves. Samples share what is left in
 * the ratio of their weights: a ratio estimator (Cochran, Sampling Techniques, chapter 6), whose sum has no error.
 *
 * Returns how many shares there are, at most as many as readings; the largest is the first. */
size_t pm_shares_at_peak(const struct pm_stacks *stacks, const struct pm_site_reading *readings, size_t count, int64_t peak,
                         struct pm_share *shares);

/* Of the stacks with something live at the end. */
size_t pm_shares_leaked(const struct pm_stacks *stacks, const struct pm_site_reading *readings, size_t count,
                        struct pm_share *shares);

#endif
