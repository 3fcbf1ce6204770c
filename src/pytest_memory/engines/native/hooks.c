/* Each hook does three things: ask whether a window is open, call the original, account.
 *
 * The C library's allocators do not call each other through the import tables, or where they do (reallocarray, and on
 * musl calloc and the aligned family) the inner call is marked as nested and does not count a second time. */
#define _GNU_SOURCE
#include "hooks.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "intervals.h"
#include "ledger.h"
#include "locks.h"
#include "patch.h"
#include "sites.h"

static inline struct pm_thread *myself(void) { return &pm_self; }

/* The ledgers that count an event of the malloc family in this thread now. */
static inline uint32_t listening(uint32_t state, const struct pm_thread *self) {
    if (PM_UNLIKELY(pm_nested(self))) return 0;
    if (self->standing & PM_IN_PYTHON) return state & ((1u << PM_STATE_BITS) - 1);
    return state;
}

/* As in pyalloc.c, the short ways of ledger.h are inlined and the long ones are not. */
static PM_NOINLINE void account(int which, uint32_t state, void *block, size_t size) {
    uint32_t bits = pm_state_of(listening(state, &pm_self), which);
    if (block && bits & PM_OPEN) pm_ledger_allocated(which, bits, &pm_self, block, size);
}

static PM_NOINLINE void strike_off(int which, uint32_t state, void *block) {
    uint32_t bits = pm_state_of(listening(state, &pm_self), which);
    if (block && bits & PM_OPEN) pm_ledger_freed(which, &pm_self, pm_ledger_lift(which, block));
}

static inline void allocated_for(int which, uint32_t state, struct pm_thread *self, void *block, size_t size) {
    if (!(pm_state_of(state, which) & PM_OPEN)) return;
    struct pm_window *window = pm_quick_window(which, self);
    if (PM_UNLIKELY(!window || !pm_quick_add(which, window, self, block, size))) account(which, state, block, size);
}

static inline void freed_for(int which, uint32_t state, struct pm_thread *self, void *block) {
    if (!(pm_state_of(state, which) & PM_OPEN)) return;
    struct pm_window *window = pm_quick_window(which, self);
    struct pm_found found;
    if (PM_LIKELY(window && pm_quick_find(which, window, block, &found))) {
        pm_quick_lift(found);
        pm_quick_drop(window, found);
    } else {
        strike_off(which, state, block);
    }
}

static inline void allocated(uint32_t state, void *block, size_t size) {
    allocated_for(PM_MALLOC, state, myself(), block, size);
    allocated_for(PM_PYTHON, state, myself(), block, size);
}

static inline void freed(uint32_t state, void *block) {
    freed_for(PM_MALLOC, state, myself(), block);
    freed_for(PM_PYTHON, state, myself(), block);
}

/* The two that are called most cost next to nothing while no window is open: what counts is a function of its own. */
static PM_NOINLINE void *malloc_and_count(size_t size) {
    uint32_t state = pm_load_state();
    void *block = pm_real.malloc(size);
    allocated(state, block, size);
    return block;
}

void *pm_hook_malloc(size_t size) { return PM_LIKELY(!pm_load_state()) ? pm_real.malloc(size) : malloc_and_count(size); }

static PM_NOINLINE void count_and_free(void *block) {
    freed(pm_load_state(), block);
    pm_real.free(block);
}

void pm_hook_free(void *block) {
    if (PM_LIKELY(!pm_load_state())) {
        pm_real.free(block);
    } else {
        count_and_free(block);
    }
}

void pm_hook_cfree(void *block) {
    uint32_t state = pm_load_state();
    if (PM_UNLIKELY(state)) freed(state, block);
    pm_real.cfree(block);
}

void pm_hook_free_sized(void *block, size_t size) {
    uint32_t state = pm_load_state();
    if (PM_UNLIKELY(state)) freed(state, block);
    pm_real.free_sized(block, size);
}

void pm_hook_free_aligned_sized(void *block, size_t alignment, size_t size) {
    uint32_t state = pm_load_state();
    if (PM_UNLIKELY(state)) freed(state, block);
    pm_real.free_aligned_sized(block, alignment, size);
}

void *pm_hook_calloc(size_t count, size_t size) {
    uint32_t state = pm_load_state();
    if (PM_LIKELY(!state)) return pm_real.calloc(count, size);
    struct pm_thread *self = myself();
    self->standing += PM_NESTED;
    void *block = pm_real.calloc(count, size);
    self->standing -= PM_NESTED;
    allocated(state, block, count * size); /* did not overflow: it succeeded */
    return block;
}

/* Account for a realloc that the original has done or failed to do. glibc's realloc(p, 0) frees and returns NULL. */
static void *reallocated(uint32_t state, struct pm_thread *self, void *old, struct pm_before before[PM_LEDGERS],
                         void *block, size_t size) {
#ifdef __GLIBC__
    bool failed = !block && (!old || size);
#else
    bool failed = !block;
#endif
    for (int which = 0; which < PM_LEDGERS; which++) {
        if (!(pm_state_of(state, which) & PM_OPEN)) continue;
        if (failed) {
            pm_ledger_restore(which, old, before[which]);
            continue;
        }
        pm_ledger_freed(which, self, before[which]);
        if (block) allocated_for(which, state, self, block, size);
    }
    return block;
}

static void lift(uint32_t state, void *block, struct pm_before before[PM_LEDGERS]) {
    for (int which = 0; which < PM_LEDGERS; which++) {
        before[which] = (struct pm_before){0, 0, 0};
        if (block && pm_state_of(state, which) & PM_OPEN) before[which] = pm_ledger_lift(which, block);
    }
}

void *pm_hook_realloc(void *old, size_t size) {
    uint32_t state = pm_load_state();
    if (PM_LIKELY(!state)) return pm_real.realloc(old, size);
    struct pm_thread *self = myself();
    if (!(state = listening(state, self))) return pm_real.realloc(old, size);
    struct pm_before before[PM_LEDGERS];
    lift(state, old, before);
    self->standing += PM_NESTED;
    void *block = pm_real.realloc(old, size);
    self->standing -= PM_NESTED;
    return reallocated(state, self, old, before, block, size);
}

void *pm_hook_reallocarray(void *old, size_t count, size_t size) {
    uint32_t state = pm_load_state();
    struct pm_thread *self = myself();
    if (PM_LIKELY(!state) || !(state = listening(state, self))) return pm_real.reallocarray(old, count, size);
    struct pm_before before[PM_LEDGERS];
    lift(state, old, before);
    self->standing += PM_NESTED;
    void *block = pm_real.reallocarray(old, count, size);
    self->standing -= PM_NESTED;
    return reallocated(state, self, old, before, block, block ? count * size : (count && size));
}

#define PM_ALIGNED(call, bytes)                                                                                        \
    uint32_t state = pm_load_state();                                                                                  \
    if (PM_LIKELY(!state)) return call;                                                                                \
    struct pm_thread *self = myself();                                                                                 \
    self->standing += PM_NESTED;                                                                                       \
    void *block = call;                                                                                                \
    self->standing -= PM_NESTED;                                                                                       \
    allocated(state, block, bytes);                                                             \
    return block

void *pm_hook_aligned_alloc(size_t alignment, size_t size) { PM_ALIGNED(pm_real.aligned_alloc(alignment, size), size); }
void *pm_hook_memalign(size_t alignment, size_t size) { PM_ALIGNED(pm_real.memalign(alignment, size), size); }
void *pm_hook_valloc(size_t size) { PM_ALIGNED(pm_real.valloc(size), size); }
void *pm_hook_pvalloc(size_t size) { PM_ALIGNED(pm_real.pvalloc(size), size); }

int pm_hook_posix_memalign(void **result, size_t alignment, size_t size) {
    uint32_t state = pm_load_state();
    if (PM_LIKELY(!state)) return pm_real.posix_memalign(result, alignment, size);
    struct pm_thread *self = myself();
    self->standing += PM_NESTED;
    int error = pm_real.posix_memalign(result, alignment, size);
    self->standing -= PM_NESTED;
    if (!error) allocated(state, *result, size);
    return error;
}

/* Mappings. The lock spans the system call: otherwise another thread could be given, and record, an address that this
 * one has not yet struck off. A signal handler that interrupts us here goes uncounted. */
enum { ALL_LEDGERS = (1 << PM_STATE_BITS * PM_LEDGERS) - 1 };

static uint32_t begin_mapping(struct pm_thread *self, uint32_t ledgers) {
    uint32_t state = pm_load_state();
    if (PM_LIKELY(!state) || !pm_may_lock(self)) return 0;
    state = listening(state, self) & ledgers;
    for (int which = 0; which < PM_LEDGERS; which++) {
        if (pm_state_of(state, which) & PM_OPEN) pm_lock(&pm_ledgers[which], self);
    }
    return state;
}

/* See intervals.h. */
static bool is_reserved(int which, int protection) { return which == PM_PYTHON && protection == PROT_NONE; }

static void map(int which, struct pm_thread *self, void *begin, size_t size, bool reserved) {
    if (pm_muted(self)) {
        pm_intervals_remove(&pm_ledgers[which], (uintptr_t)begin, size);
    } else if (reserved) {
        pm_intervals_reserve(&pm_ledgers[which], (uintptr_t)begin, size);
    } else {
        pm_count(self, which, size);
        pm_intervals_add(&pm_ledgers[which], self, (uintptr_t)begin, size);
    }
}

static void end_mapping(uint32_t state, struct pm_thread *self) {
    for (int which = PM_LEDGERS - 1; which >= 0; which--) {
        if (pm_state_of(state, which) & PM_OPEN) pm_unlock(&pm_ledgers[which], self);
    }
}

void *pm_hook_mmap(void *hint, size_t size, int protection, int flags, int file, off_t offset) {
    struct pm_thread *self = myself();
    uint32_t state = begin_mapping(self, ALL_LEDGERS);
    void *begin = pm_real.mmap(hint, size, protection, flags, file, offset);
    if (!state) return begin;
    for (int which = 0; which < PM_LEDGERS && begin != MAP_FAILED; which++) {
        if (pm_state_of(state, which) & PM_OPEN) map(which, self, begin, size, is_reserved(which, protection));
    }
    end_mapping(state, self);
    return begin;
}

/* off_t and off64_t are the same on every platform that the engine runs on. */
void *pm_hook_mmap64(void *hint, size_t size, int protection, int flags, int file, off_t offset) {
    return pm_hook_mmap(hint, size, protection, flags, file, offset);
}

int pm_hook_munmap(void *begin, size_t size) {
    struct pm_thread *self = myself();
    uint32_t state = begin_mapping(self, ALL_LEDGERS);
    int error = pm_real.munmap(begin, size);
    if (!state) return error;
    for (int which = 0; which < PM_LEDGERS && !error; which++) {
        if (pm_state_of(state, which) & PM_OPEN) pm_intervals_remove(&pm_ledgers[which], (uintptr_t)begin, size);
    }
    end_mapping(state, self);
    return error;
}

void *pm_hook_mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    struct pm_thread *self = myself();
    void *target = NULL;
    if (flags & MREMAP_FIXED) {
        va_list rest;
        va_start(rest, flags);
        target = va_arg(rest, void *);
        va_end(rest);
    }
    uint32_t state = begin_mapping(self, ALL_LEDGERS);
    void *begin = pm_real.mremap(old, old_size, size, flags, target);
    if (!state) return begin;
    for (int which = 0; which < PM_LEDGERS && begin != MAP_FAILED; which++) {
        if (!(pm_state_of(state, which) & PM_OPEN)) continue;
        bool reserved = pm_intervals_reserved(&pm_ledgers[which], (uintptr_t)old);
        pm_intervals_remove(&pm_ledgers[which], (uintptr_t)old, old_size);
        map(which, self, begin, size, reserved);
    }
    end_mapping(state, self);
    return begin;
}

int pm_hook_mprotect(void *begin, size_t size, int protection) {
    struct pm_thread *self = myself();
    uint32_t state = begin_mapping(self, (uint32_t)PM_OPEN << (PM_STATE_BITS * PM_PYTHON));
    int error = pm_real.mprotect(begin, size, protection);
    if (!state) return error;
    if (!error && !pm_muted(self)) {
        pm_intervals_protect(&pm_ledgers[PM_PYTHON], self, (uintptr_t)begin, size, is_reserved(PM_PYTHON, protection));
    }
    end_mapping(state, self);
    return error;
}

/* A path that the loader searches for is searched for on behalf of the caller, which it knows by the return address:
 * such a call must be left by a jump. What it loads is patched when the next window opens. */
void *pm_hook_dlopen(const char *path, int flags) {
    pm_patch_expect();
    if (!path || !strchr(path, '/') || strchr(path, '$')) return pm_real.dlopen(path, flags);
    void *library = NULL;
#ifdef RTLD_DEEPBIND /* musl has none */
    /* Where a library is looked for its own names first, free() may be its own. A slot that is bound later does not say so. */
    if (flags & RTLD_DEEPBIND && flags & RTLD_LAZY) library = pm_real.dlopen(path, (flags & ~RTLD_LAZY) | RTLD_NOW);
#endif
    if (!library) library = pm_real.dlopen(path, flags);
    if (pm_load_state()) pm_patch_again();
    return library;
}
