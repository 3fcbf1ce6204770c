#include "shadow.h"

#include <sys/mman.h>

#include "memory.h"

/* A few more cells than a leaf has, for the size of a block that begins in its last granules. */
enum { CELLS_BYTES = (PM_LEAF_CELLS + PM_SIZE_CELLS) * sizeof(uint32_t) };
static const size_t leaf_bytes = PM_LEAF_HEAD + CELLS_BYTES;

uint32_t *pm_shadow_grow(struct pm_shadow *shadow, uintptr_t address) {
    uintptr_t root = pm_shadow_root(address);
    struct pm_leaf *leaf = root < PM_ROOT_SIZE ? pm_reserve(leaf_bytes) : NULL, *none = NULL;
    if (!leaf) return NULL;
    leaf->begin = (root << PM_LEAF_BITS) + PM_GRANULE;
    atomic_store_explicit(&shadow->grown[root / PM_GROUP], true, memory_order_relaxed);
    if (!atomic_compare_exchange_strong(&shadow->leaves[root], &none, leaf)) munmap(leaf, leaf_bytes);
    return pm_shadow_cell(shadow, address);
}

/* The first leaf at a place or after it; moves the place behind it. NULL at the end. */
static struct pm_leaf *next_leaf(struct pm_shadow *shadow, size_t *root) {
    while (*root < PM_ROOT_SIZE) {
        if (!atomic_load_explicit(&shadow->grown[*root / PM_GROUP], memory_order_relaxed)) {
            *root = (*root / PM_GROUP + 1) * PM_GROUP;
            continue;
        }
        struct pm_leaf *leaf = atomic_load_explicit(&shadow->leaves[(*root)++], memory_order_acquire);
        if (leaf) return leaf;
    }
    return NULL;
}

void pm_shadow_drop(struct pm_shadow *shadow) {
    size_t root = 0;
    for (struct pm_leaf *leaf; (leaf = next_leaf(shadow, &root));) madvise(pm_leaf_cells(leaf), CELLS_BYTES, MADV_DONTNEED);
}

size_t pm_shadow_resident(struct pm_shadow *shadow) {
    size_t root = 0, total = 0;
    for (struct pm_leaf *leaf; (leaf = next_leaf(shadow, &root));) total += pm_resident(leaf, leaf_bytes);
    return total;
}
