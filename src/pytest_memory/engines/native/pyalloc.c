#include "interpreter.h"

#include "pyalloc.h"

#include "ledger.h"

enum { DOMAINS = 2, GENERATIONS = 64 };

static const PyMemAllocatorDomain domains[DOMAINS] = {PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};

/* Each time we hook we remember anew what we stand on. Somebody may have kept our functions together with an older
 * context and call them later from beneath us: they must then reach what they reached before, not ourselves. */
static PyMemAllocatorEx below[DOMAINS][GENERATIONS];
static int generation[DOMAINS];

static PM_THREAD_LOCAL bool probed;

/* Interpreters with a lock of their own read the allocators while we change them, one word at a time: they may find
 * our function with the context of the one before, or the other way round. The interpreter's own allocators have NULL
 * there and never look at it: then what lies beneath is the latest of that kind, the same in both domains. */
static PyMemAllocatorEx plain;

static const PyMemAllocatorEx *beneath(void *context) { return context ? context : &plain; }

/* Those with a context (tracemalloc's, and the debug hooks) would take ours for theirs, and ours may not be called with
 * theirs. So nobody may be there to read them half changed. */
static bool exchangeable(const PyMemAllocatorEx *allocator) { return !allocator->ctx || !pm_interpreters_beside(); }

/* One instruction, where the compiler would make two and a register more. */
static inline void enter_python(struct pm_thread *self) {
#ifdef __x86_64__
    __asm__ volatile("orq $1, %0" : "+m"(self->standing) : : "cc");
#else
    self->standing |= PM_IN_PYTHON;
#endif
}

static inline bool counting(uint32_t state, const struct pm_thread *self) {
    return pm_state_of(state, PM_PYTHON) & PM_OPEN && !(self->standing & PM_IN_PYTHON) && !pm_nested(self);
}

/* Each hook has a short way, for the window and the blocks of which ledger.h speaks, and a long one. The long ones are
 * not inlined: a short way that ends in a call needs fewer registers kept than one that goes on after it. */

static inline struct pm_window *quick_window(void *context, const struct pm_thread *self) {
    return PM_LIKELY(context) || !PM_OWN_LOCKS ? pm_quick_window(PM_PYTHON, self) : NULL;
}

static PM_NOINLINE void *account(void *block, size_t size) {
    if (block) pm_ledger_allocated(PM_PYTHON, pm_state_of(pm_load_state(), PM_PYTHON), &pm_self, block, size);
    return block;
}

/* The window that quick_window() gave before a call of the allocator: where interpreters share one lock, nobody opens or
 * closes one meanwhile. Or it is nobody's by now, in the child of a signal handler that forked: there no block is an
 * ordinary one. */
static inline struct pm_window *quick_window_again(const struct pm_thread *self) {
    if (PM_OWN_LOCKS) return pm_quick_window(PM_PYTHON, self);
    return atomic_load_explicit(&pm_simple[PM_PYTHON], memory_order_acquire);
}

/* Back from the allocator: what was known before is asked for anew, which takes less than to keep it. */
static inline void *account_quickly(void *block, size_t size) {
    struct pm_thread *self = pm_self_again();
    self->standing &= ~PM_IN_PYTHON;
    struct pm_window *window = quick_window_again(self);
    bool quick = (!PM_OWN_LOCKS || window) && pm_quick_add(PM_PYTHON, window, self, block, size);
    return PM_LIKELY(quick) ? block : account(block, size);
}

static PM_NOINLINE void *long_malloc(void *context, size_t size) {
    const PyMemAllocatorEx *next = beneath(context);
    struct pm_thread *self = &pm_self;
    if (!counting(pm_load_state(), self)) {
        if (pm_nested(self)) probed = true;
        return next->malloc(next->ctx, size);
    }
    self->standing |= PM_IN_PYTHON;
    void *block = next->malloc(next->ctx, size);
    self->standing &= ~PM_IN_PYTHON;
    return account(block, size);
}

static void *hook_malloc(void *context, size_t size) {
    struct pm_thread *self = &pm_self;
    const PyMemAllocatorEx *next = context;
    if (PM_UNLIKELY(!quick_window(context, self))) return long_malloc(context, size);
    enter_python(self);
    return account_quickly(next->malloc(next->ctx, size), size);
}

static PM_NOINLINE void *long_calloc(void *context, size_t count, size_t size) {
    const PyMemAllocatorEx *next = beneath(context);
    struct pm_thread *self = &pm_self;
    if (!counting(pm_load_state(), self)) return next->calloc(next->ctx, count, size);
    self->standing |= PM_IN_PYTHON;
    void *block = next->calloc(next->ctx, count, size);
    self->standing &= ~PM_IN_PYTHON;
    return account(block, count * size);
}

static void *hook_calloc(void *context, size_t count, size_t size) {
    struct pm_thread *self = &pm_self;
    const PyMemAllocatorEx *next = context;
    if (PM_UNLIKELY(!quick_window(context, self))) return long_calloc(context, count, size);
    enter_python(self);
    return account_quickly(next->calloc(next->ctx, count, size), count * size);
}

static PM_NOINLINE void *long_realloc(void *context, void *old, size_t size) {
    const PyMemAllocatorEx *next = beneath(context);
    struct pm_thread *self = &pm_self;
    if (!counting(pm_load_state(), self)) return next->realloc(next->ctx, old, size);
    struct pm_before before = {0, 0, 0};
    if (old) before = pm_ledger_lift(PM_PYTHON, old);
    self->standing |= PM_IN_PYTHON;
    void *block = next->realloc(next->ctx, old, size);
    self->standing &= ~PM_IN_PYTHON;
    if (PM_UNLIKELY(!block)) {
        if (old) pm_ledger_restore(PM_PYTHON, old, before);
        return NULL;
    }
    pm_ledger_freed(PM_PYTHON, self, before);
    return account(block, size);
}

static void *hook_realloc(void *context, void *old, size_t size) {
    struct pm_thread *self = &pm_self;
    const PyMemAllocatorEx *next = context;
    struct pm_window *window = quick_window(context, self);
    struct pm_found found;
    if (PM_UNLIKELY(!window || !pm_quick_find(PM_PYTHON, window, old, &found))) return long_realloc(context, old, size);
    pm_quick_lift(found);
    self->standing |= PM_IN_PYTHON;
    void *block = next->realloc(next->ctx, old, size);
    if (PM_UNLIKELY(!block)) {
        self->standing &= ~PM_IN_PYTHON;
        if (found.cell) pm_cell_set(found.cell, (uint32_t)(window->stamp | found.size));
        return NULL;
    }
    pm_quick_drop(window, found);
    return account_quickly(block, size);
}

static PM_NOINLINE void long_free(void *context, void *block) {
    const PyMemAllocatorEx *next = beneath(context);
    struct pm_thread *self = &pm_self;
    if (block && counting(pm_load_state(), self)) pm_ledger_freed(PM_PYTHON, self, pm_ledger_lift(PM_PYTHON, block));
    next->free(next->ctx, block);
}

static void hook_free(void *context, void *block) {
    const PyMemAllocatorEx *next = context;
    struct pm_window *window = quick_window(context, &pm_self);
    struct pm_found found;
    if (PM_UNLIKELY(!window || !pm_quick_find(PM_PYTHON, window, block, &found))) {
        long_free(context, block);
        return;
    }
    void (*release)(void *, void *) = next->free; /* before what changes memory, so that it need not be looked for after */
    pm_quick_lift(found);
    pm_quick_drop(window, found);
    release(next->ctx, block);
}

static bool is_ours(const PyMemAllocatorEx *allocator) { return allocator->malloc == hook_malloc; }

/* Whoever stands on top passes a small request on, or keeps it to himself. */
static bool reaches_us(PyMemAllocatorDomain domain) {
    pm_self.standing += PM_NESTED;
    probed = false;
    if (domain == PYMEM_DOMAIN_OBJ) {
        PyObject_Free(PyObject_Malloc(1));
    } else {
        PyMem_Free(PyMem_Malloc(1));
    }
    pm_self.standing -= PM_NESTED;
    return probed;
}

static bool in_place(PyMemAllocatorDomain domain) {
    PyMemAllocatorEx current;
    PyMem_GetAllocator(domain, &current);
    return is_ours(&current) || reaches_us(domain);
}

bool pm_pyalloc_intact(void) {
    for (int i = 0; i < DOMAINS; i++) {
        if (!in_place(domains[i])) return false;
    }
    return true;
}

static bool same(const PyMemAllocatorEx *a, const PyMemAllocatorEx *b) {
    return a->ctx == b->ctx && a->malloc == b->malloc && a->calloc == b->calloc && a->realloc == b->realloc &&
           a->free == b->free;
}

/* Where to remember what we stand on: the same place as ever, if it is the same. Past the last generation the place
 * is used again, which can hurt only who has kept our functions through sixty-odd others. */
static PyMemAllocatorEx *remember(int domain, const PyMemAllocatorEx *current) {
    PyMemAllocatorEx *latest = &below[domain][generation[domain] % GENERATIONS];
    if (same(latest, current)) return latest;
    if (latest->malloc) latest = &below[domain][++generation[domain] % GENERATIONS];
    *latest = *current;
    return latest;
}

/* The interpreter asks its arena allocator for pymalloc's arenas and, from 3.11 on, for the chunks on which it keeps
 * frames: a call a little deeper than any before would count 16 KiB. Neither is an object, so neither counts among
 * them. Only the function is replaced: a reader that meets the change half done finds a context that fits both. */
static PyObjectArenaAllocator arenas;

static void *hook_arena(void *context, size_t size) {
    (void)context;
    struct pm_thread *self = &pm_self;
    bool outermost = !(self->standing & PM_IN_PYTHON);
    self->standing |= PM_IN_PYTHON;
    void *arena = arenas.alloc(arenas.ctx, size);
    if (outermost) self->standing &= ~PM_IN_PYTHON;
    return arena;
}

/* Once and for good: it is called so rarely that nobody's timings feel it. */
static void hook_arenas(void) {
    if (arenas.alloc) return;
    PyObject_GetArenaAllocator(&arenas);
    PyObjectArenaAllocator hook = {arenas.ctx, hook_arena, arenas.free};
    PyObject_SetArenaAllocator(&hook);
}

/* Whether we took ourselves off a domain, and nobody has put anything there since: then we are not beneath it. */
static bool resting[DOMAINS];

static bool undisturbed(int domain, const PyMemAllocatorEx *current) {
    return resting[domain] && same(current, &below[domain][generation[domain] % GENERATIONS]);
}

const char *pm_pyalloc_hook(void) {
    static const char under_others[] =
        "other interpreters run in this process, and its allocators cannot be exchanged under them";
    PyMemAllocatorEx current[DOMAINS];
    bool missing[DOMAINS];
    hook_arenas();
    for (int i = 0; i < DOMAINS; i++) { /* before any is changed: both are, or neither */
        PyMem_GetAllocator(domains[i], &current[i]);
        missing[i] = undisturbed(i, &current[i]) || !in_place(domains[i]);
        if (!missing[i]) continue;
        if (!exchangeable(&current[i])) return under_others;
        if (!current[i].ctx) plain = current[i];
    }
    for (int i = 0; i < DOMAINS; i++) {
        if (!missing[i]) continue;
        PyMemAllocatorEx hook = {NULL, hook_malloc, hook_calloc, hook_realloc, hook_free};
        resting[i] = false;
        hook.ctx = remember(i, &current[i]);
        atomic_thread_fence(memory_order_release);
        PyMem_SetAllocator(domains[i], &hook);
    }
    return NULL;
}

void pm_pyalloc_unhook(void) {
    for (int i = 0; i < DOMAINS; i++) {
        PyMemAllocatorEx current;
        PyMem_GetAllocator(domains[i], &current);
        resting[i] = is_ours(&current) && exchangeable(current.ctx);
        if (resting[i]) PyMem_SetAllocator(domains[i], current.ctx);
    }
}
