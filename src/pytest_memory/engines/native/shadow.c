#include "shadow.h"

#include <sys/mman.h>

#include "memory.h"

/* A few more cells than a leaf has, for the size of a block that begins in its last granules. */
static const size_t leaf_bytes = ((size_t)PM_LEAF_CELLS + PM_SIZE_CELLS) * sizeof(uint32_t);

uint32_t *pm_shadow_grow(struct pm_shadow *shadow, uintptr_t address) {
    uintptr_t root = address >> PM_LEAF_BITS;
    uint32_t *leaf = root < PM_ROOT_SIZE ? pm_reserve(leaf_bytes) : NULL, *none = NULL;
    if (!leaf) return NULL;
    if (!atomic_compare_exchange_strong(&shadow->leaves[root], &none, leaf)) munmap(leaf, leaf_bytes);
    return pm_shadow_cell(shadow, address);
}

void pm_shadow_drop(struct pm_shadow *shadow) {
    for (size_t root = 0; root < PM_ROOT_SIZE; root++) {
        uint32_t *leaf = atomic_load_explicit(&shadow->leaves[root], memory_order_acquire);
        if (leaf) madvise(leaf, leaf_bytes, MADV_DONTNEED);
    }
}

size_t pm_shadow_resident(struct pm_shadow *shadow) {
    size_t total = 0;
    for (size_t root = 0; root < PM_ROOT_SIZE; root++) {
        uint32_t *leaf = atomic_load_explicit(&shadow->leaves[root], memory_order_acquire);
        if (leaf) total += pm_resident(leaf, leaf_bytes);
    }
    return total;
}
