#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

void *pm_reserve(size_t bytes) {
    int saved = errno;
    void *begin = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) begin = NULL;
    if (begin) {
        /* A huge page for the first byte touched would cost 2 MiB where 4 KiB do. */
        madvise(begin, bytes, MADV_NOHUGEPAGE);
        madvise(begin, bytes, MADV_DONTDUMP);
    }
    errno = saved;
    return begin;
}

size_t pm_resident(const void *begin, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), total = 0;
    unsigned char present[4096];
    for (size_t offset = 0; offset < bytes; offset += sizeof present * page) {
        size_t left = bytes - offset;
        size_t span = left < sizeof present * page ? left : sizeof present * page;
        if (mincore((char *)begin + offset, span, present) != 0) continue;
        for (size_t i = 0; i < (span + page - 1) / page; i++) total += (size_t)(present[i] & 1) * page;
    }
    return total;
}

uintptr_t pm_page_end(uintptr_t address) {
    uintptr_t beyond = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    return (address + beyond) & ~beyond;
}
