/* The engine's own memory: reserved from the kernel, never from the allocators it watches. */
#ifndef PM_MEMORY_H
#define PM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed address space whose pages cost nothing until they are touched; NULL if there is none. Keeps errno. */
void *pm_reserve(size_t bytes);

/* Bytes of it that are in memory. Slow. */
size_t pm_resident(const void *begin, size_t bytes);

/* The end of the page that ends behind an address, or at it: the kernel gives back whole ones. */
uintptr_t pm_page_end(uintptr_t address);

#endif
