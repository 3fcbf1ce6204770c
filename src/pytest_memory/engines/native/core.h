/* The words in which the files of the engine speak: threads, windows, ledgers.
 *
 * There are two ledgers, one per granularity. Each counts on its own, with its own shadow table and its own stack
 * of windows, so that a window that counts Python objects may stand inside one that counts mallocs, or the other
 * way round, and both are exact. A ledger without an open window costs its hooks one load and one branch.
 */
#ifndef PM_CORE_H
#define PM_CORE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PM_LIKELY(x) __builtin_expect(!!(x), 1)
#define PM_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PM_NOINLINE __attribute__((noinline))
#define PM_HIDDEN __attribute__((visibility("hidden"))) /* of a variable: it is read without asking where it is */

/* musl cannot load a library with initial-exec thread-locals, and its __tls_get_addr never allocates; glibc's may. */
#ifdef __GLIBC__
#define PM_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else
#define PM_THREAD_LOCAL __thread
#endif

enum { PM_MALLOC, PM_PYTHON, PM_LEDGERS };

/* Bits of pm_state, shifted by PM_STATE_BITS for each ledger: what its hooks have to do. */
enum { PM_OPEN = 1, PM_SAMPLE = 2, PM_EVERY = 4, PM_STATE_BITS = 3 };

/* Read by every hook; 0 when no window is open. */
extern PM_HIDDEN _Atomic uint32_t pm_state;

static inline uint32_t pm_load_state(void) { return atomic_load_explicit(&pm_state, memory_order_relaxed); }

static inline uint32_t pm_state_of(uint32_t state, int ledger) { return state >> (PM_STATE_BITS * ledger); }

/* What a thread has not told a window yet, and why; see ledger.c. */
struct pm_unsettled {
    _Atomic int64_t bytes;
    _Atomic uint32_t serial; /* of that window; another's is over */
    _Atomic uint32_t moves;  /* odd while bytes are on their way from here to the window */
    int32_t crowd;           /* how often others came in between of late */
    int64_t left;            /* what it left behind when it settled last */
    int64_t since;           /* when others had come in between often, in nanoseconds */
};

/* Running sums, never reset; a window is the difference of two readings. One per living thread, handed on to the
 * next thread when its own ends, so that no sum is ever lost. */
struct pm_totals {
    _Atomic int64_t allocated[PM_LEDGERS];
    _Atomic int64_t allocations[PM_LEDGERS];
    struct pm_unsettled unsettled[PM_LEDGERS];
    _Atomic uint32_t owner; /* windows open over this thread alone */
    _Atomic bool taken;     /* by a thread */
    _Atomic bool left;      /* that thread has ended, and nobody has given them back yet */
    uint32_t index;
    bool shared; /* several threads add to it: those that came when none was free, or that are about to end */
} __attribute__((aligned(64)));

struct pm_sampler {
    _Atomic int64_t room; /* bytes until a block is looked at closer: at most PM_SIZE_MASK, so that large blocks always are */
    int64_t beyond;       /* bytes from there to the next sample; endless where nobody samples */
    uint64_t random;      /* state of the generator */
    uint32_t serial;      /* of the window that seeded it */
    bool coarse;          /* that window wants few samples */
};

/* What a thread is inside of, and above it the index of its totals, in one word: whether a window and an ordinary block
 * are its own business takes a hook one comparison. Nesting and muting are counted. */
#define PM_IN_PYTHON ((uint64_t)1)   /* inside a Python allocator: what it calls counts for malloc granularity alone */
#define PM_NESTED ((uint64_t)1 << 8) /* inside a call of ours, or of an allocator whose own calls do not count again */
#define PM_MUTED ((uint64_t)1 << 16) /* building an answer: its objects are the engine's, not the program's */
#define PM_MUTES (PM_MUTED * UINT8_MAX)
#define PM_INSIDE (((uint64_t)1 << 32) - 1) /* any of these */

struct pm_thread {
    uint64_t standing;
    struct pm_totals *totals;
    uint32_t locked; /* holds a ledger's lock: a signal handler that allocates must not take it again */
    struct pm_sampler sampler[PM_LEDGERS];
};

extern PM_HIDDEN PM_THREAD_LOCAL struct pm_thread pm_self;

/* The same, asked for anew behind a call. The compiler would keep in a register where it found pm_self before, and for
 * that store and restore the register in every hook. */
static inline struct pm_thread *pm_self_again(void) {
#if defined(__x86_64__) && defined(__LP64__) && defined(__GLIBC__)
    struct pm_thread *self;
    __asm__ volatile("movq %%fs:0, %0\n\taddq pm_self@gottpoff(%%rip), %0" : "=r"(self) : : "cc");
    return self;
#else
    return &pm_self;
#endif
}

static inline bool pm_nested(const struct pm_thread *self) { return (uint8_t)(self->standing / PM_NESTED); }

static inline bool pm_muted(const struct pm_thread *self) { return (uint8_t)(self->standing / PM_MUTED); }

/* Of a thread that is inside of nothing. Totals that are shared have the first index and are nobody's own. */
static inline uint64_t pm_standing_of(const struct pm_totals *totals) { return (uint64_t)totals->index << 32; }

#define PM_NOBODY UINT64_MAX

struct pm_tally;
struct pm_leaf;

/* What is live is the sum of two words, one for the thread that opened the window and one for all others. The first
 * needs no locked instruction. That thread looks for a new peak where one can end, before it takes away, and not each
 * time that it adds; the others look at both. So a peak is missed only where no order between two threads makes it one,
 * or where several of the others allocate at the same moment (ledger.c).
 *
 * In lines of the processor's cache of their own: what the one thread writes, what the others write, what all read. */
struct pm_window {
    _Atomic int64_t live;
    _Atomic int64_t peak;
    _Atomic int64_t allocated_alone; /* by that thread while no other window was open: not in its totals */
    _Atomic int64_t allocations_alone;
    struct pm_leaf *leaf, *leaf_before; /* where that thread found a block last, and where before that it found another */

    _Atomic int64_t live_elsewhere __attribute__((aligned(64)));
    _Atomic int64_t peak_elsewhere;

    struct pm_totals *home __attribute__((aligned(64))); /* those of the thread that opened it; NULL if it shares them */
    uint64_t home_standing;                              /* of that thread, inside of nothing; PM_NOBODY if it shares them */
    _Atomic(struct pm_window *) outer;
    uint32_t start; /* the first epoch whose blocks belong to it */
    uint64_t stamp; /* the same, as it stands in the cells; wide enough to be taken from one without a conversion */
    bool thread_only;
    bool wants_sites;
    bool every;
    bool used;
    uint32_t level;  /* of its tallies */
    uint32_t serial; /* tells one use of this slot from the next */
    struct pm_totals *own;
    struct pm_tally *tallies;
    uint64_t lost;     /* the ledger's losses when it opened */
    int64_t allocated; /* the sums when it opened */
    int64_t allocations;
} __attribute__((aligned(64)));

enum { PM_WINDOWS = 128, PM_DEPTH = 32, PM_EPOCHS = 1 << 15 };

#endif
