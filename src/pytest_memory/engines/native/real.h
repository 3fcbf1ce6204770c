/* The functions that are hooked, as they were before. Resolved before anything is patched. */
#ifndef PM_REAL_H
#define PM_REAL_H

#include "core.h"

#include <sys/mman.h>
#include <sys/types.h>

#undef mmap64 /* musl before 1.2.4 has a macro of that name, and a symbol too */

/* name, return type, parameters */
#define PM_FUNCTIONS(X)                                                                                                \
    X(malloc, void *, (size_t))                                                                                        \
    X(free, void, (void *))                                                                                            \
    X(cfree, void, (void *))                                                                                           \
    X(free_sized, void, (void *, size_t))                                                                              \
    X(free_aligned_sized, void, (void *, size_t, size_t))                                                              \
    X(calloc, void *, (size_t, size_t))                                                                                \
    X(realloc, void *, (void *, size_t))                                                                               \
    X(reallocarray, void *, (void *, size_t, size_t))                                                                  \
    X(posix_memalign, int, (void **, size_t, size_t))                                                                  \
    X(aligned_alloc, void *, (size_t, size_t))                                                                         \
    X(memalign, void *, (size_t, size_t))                                                                              \
    X(valloc, void *, (size_t))                                                                                        \
    X(pvalloc, void *, (size_t))                                                                                       \
    X(mmap, void *, (void *, size_t, int, int, int, off_t))                                                            \
    X(mmap64, void *, (void *, size_t, int, int, int, off_t))                                                          \
    X(mremap, void *, (void *, size_t, size_t, int, ...))                                                              \
    X(munmap, int, (void *, size_t))                                                                                   \
    X(mprotect, int, (void *, size_t, int))                                                                            \
    X(dlopen, void *, (const char *, int))

struct pm_real {
#define PM_MEMBER(name, result, parameters) result(*name) parameters;
    PM_FUNCTIONS(PM_MEMBER)
#undef PM_MEMBER
};

extern PM_HIDDEN struct pm_real pm_real;

/* One function to be hooked. */
struct pm_function {
    const char *name;
    void *hook;
    void *original; /* NULL where the C library does not have it */
    void *older;    /* under the oldest symbol version, for binaries linked against that */
    void *stand_in; /* an executable at a fixed address may lend its own import stub as the function's address */
};

enum {
#define PM_NUMBER(name, result, parameters) PM_NUMBER_##name,
    PM_FUNCTIONS(PM_NUMBER)
#undef PM_NUMBER
    PM_FUNCTION_COUNT
};

extern struct pm_function pm_functions[PM_FUNCTION_COUNT];

/* Find the originals. Returns NULL, or why the process is not one to be hooked. */
const char *pm_real_resolve(void);

#endif
