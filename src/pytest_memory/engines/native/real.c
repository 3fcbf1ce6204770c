#define _GNU_SOURCE
#include "real.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "hooks.h"

struct pm_real pm_real;

struct pm_function pm_functions[PM_FUNCTION_COUNT] = {
#define PM_ENTRY(name, result, parameters) {#name, (void *)pm_hook_##name, NULL, NULL},
    PM_FUNCTIONS(PM_ENTRY)
#undef PM_ENTRY
};

#if defined(__aarch64__)
#define OLDEST_GLIBC "GLIBC_2.17"
#else
#define OLDEST_GLIBC "GLIBC_2.2.5"
#endif

static const char *sanitizer(void) {
    static const char *const marks[][2] = {
        {"__asan_init", "the process runs under AddressSanitizer, which owns the allocators"},
        {"__tsan_init", "the process runs under ThreadSanitizer, which owns the allocators"},
        {"__msan_init", "the process runs under MemorySanitizer, which owns the allocators"},
        {"__lsan_init", "the process runs under LeakSanitizer, which owns the allocators"},
        {"__hwasan_init", "the process runs under HWAddressSanitizer, which owns the allocators"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (dlsym(RTLD_DEFAULT, marks[i][0])) return marks[i][1];
    }
    return NULL;
}

/* Is a function the C library's own? */
static bool in_c_library(void *function) {
    Dl_info info;
    if (!function || !dladdr(function, &info) || !info.dli_fname) return false;
    const char *slash = strrchr(info.dli_fname, '/');
    const char *name = slash ? slash + 1 : info.dli_fname;
    return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-", 5) == 0 || strncmp(name, "ld-musl-", 8) == 0 ||
           strncmp(name, "libc.musl-", 10) == 0;
}

const char *pm_real_resolve(void) {
    const char *reason = sanitizer();
    if (reason) return reason;
    for (int i = 0; i < PM_FUNCTION_COUNT; i++) {
        struct pm_function *function = &pm_functions[i];
        function->original = dlsym(RTLD_DEFAULT, function->name);
#ifdef __GLIBC__
        function->older = dlvsym(RTLD_DEFAULT, function->name, OLDEST_GLIBC);
#endif
    }
#define PM_STORE(name, result, parameters)                                                                             \
    memcpy(&pm_real.name, &pm_functions[PM_NUMBER_##name].original, sizeof(void *));
    PM_FUNCTIONS(PM_STORE)
#undef PM_STORE
    static const int own[] = {PM_NUMBER_malloc, PM_NUMBER_free, PM_NUMBER_calloc, PM_NUMBER_realloc, PM_NUMBER_mmap};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (!in_c_library(pm_functions[own[i]].original)) {
            return "another allocator stands in for the C library's (LD_PRELOAD, or linked into the interpreter)";
        }
    }
    if (!pm_real.mremap || !pm_real.munmap || !pm_real.dlopen || !pm_real.posix_memalign) {
        return "the C library lacks a function that the engine needs";
    }
    return NULL;
}
