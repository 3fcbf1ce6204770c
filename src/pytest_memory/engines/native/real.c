#define _GNU_SOURCE
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "hooks.h"

struct pm_real pm_real;

struct pm_function pm_functions[PM_FUNCTION_COUNT] = {
#define PM_ENTRY(name, result, parameters) {#name, (void *)pm_hook_##name, NULL, NULL, NULL},
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

/* The C library itself. A search from the top may end at somebody who stands in for it. */
static void *c_library(void) {
#ifdef __GLIBC__
    return dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
#else
    Dl_info info;
    if (!dladdr((void *)__errno_location, &info)) return NULL;
    return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
#endif
}

/* Is this address the stub through which an executable calls a function of another object? Its symbol is undefined
 * there, and yet has an address. */
static bool is_stub(void *address) {
#ifdef __GLIBC__
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx == SHN_UNDEF;
#else
    (void)address;
    return false;
#endif
}

static const char *resolve(void *library, struct pm_function *function) {
    function->original = dlsym(library, function->name);
#ifdef __GLIBC__
    function->older = dlvsym(library, function->name, OLDEST_GLIBC);
#endif
    void *found = dlsym(RTLD_DEFAULT, function->name);
    if (!found || found == function->original || found == function->older) return NULL;
    if (!is_stub(found)) return "another allocator stands in for the C library's (LD_PRELOAD, or linked in)";
    function->stand_in = found;
    return NULL;
}

const char *pm_real_resolve(void) {
    const char *reason = sanitizer();
    void *library = c_library();
    if (!library) reason = "the C library cannot be found";
    for (int i = 0; i < PM_FUNCTION_COUNT && !reason; i++) reason = resolve(library, &pm_functions[i]);
    if (reason) return reason;
#define PM_STORE(name, result, parameters)                                                                             \
    memcpy(&pm_real.name, &pm_functions[PM_NUMBER_##name].original, sizeof(void *));
    PM_FUNCTIONS(PM_STORE)
#undef PM_STORE
    if (!pm_real.malloc || !pm_real.free || !pm_real.calloc || !pm_real.realloc || !pm_real.mmap || !pm_real.mremap ||
        !pm_real.munmap || !pm_real.mprotect || !pm_real.dlopen || !pm_real.posix_memalign) {
        return "the C library lacks a function that the engine needs";
    }
    return NULL;
}
