/* The shadow table: what is known of each block, found from its address without a search.
 *
 * One 4-byte cell per 16 bytes of address space: epoch (15 bits), owner (1), site known (1), size (15). A size that
 * does not fit stands, 15 bits each, in the cells of the block's next four granules, which such a block always has.
 * Such a cell has no epoch, so that a block which begins there later, and which nobody saw begin, is old.
 * Two levels: a root of pointers to leaves, each over 256 MiB of addresses. Pages of a leaf that nobody has touched
 * cost nothing. The first begins one granule above address 0, so that no block at all lies under no leaf.
 *
 * The epoch tells whether a block is older than a window. So the table need not be emptied between windows, and the
 * hooks need not run between them: what they leave behind is old.
 */
#ifndef PM_SHADOW_H
#define PM_SHADOW_H

#include "core.h"

#if defined(__aarch64__)
#define PM_ADDRESS_BITS 48
#else
#define PM_ADDRESS_BITS 47
#endif
#define PM_LEAF_BITS 28
#define PM_GRANULE_BITS 4
#define PM_GRANULE ((uintptr_t)1 << PM_GRANULE_BITS)
#define PM_ROOT_SIZE (1u << (PM_ADDRESS_BITS - PM_LEAF_BITS))
#define PM_LEAF_MASK ((1u << PM_LEAF_BITS) - 1)
#define PM_LEAF_CELLS (1u << (PM_LEAF_BITS - PM_GRANULE_BITS))

#define PM_SIZE_BITS 15
#define PM_SIZE_MASK ((1u << PM_SIZE_BITS) - 1)
#define PM_SIZE_CELLS 4 /* for 60 bits */
#define PM_SITE_BIT 0x8000u
#define PM_OWNER_BIT 0x10000u
#define PM_EPOCH_SHIFT 17

/* Most of the root is empty: whether there is a leaf at all is noted for each group of so many places. */
#define PM_GROUP 1024

/* Its cells begin so many bytes further on, on a page of their own however large pages are: all of them can be given back,
 * and the leaf still knows its place. */
#define PM_LEAF_HEAD 65536

struct pm_leaf {
    uintptr_t begin; /* the lowest address that lies under it */
};

static inline uint32_t *pm_leaf_cells(struct pm_leaf *leaf) { return (uint32_t *)(void *)((char *)leaf + PM_LEAF_HEAD); }

struct pm_shadow {
    _Atomic(struct pm_leaf *) leaves[PM_ROOT_SIZE];
    _Atomic bool grown[PM_ROOT_SIZE / PM_GROUP];
};

/* Make the leaf of an address; NULL if there is no memory for it, or the address lies outside the table. */
uint32_t *pm_shadow_grow(struct pm_shadow *shadow, uintptr_t address);

/* Forget everything, and give the pages back. No hook may be running. */
void pm_shadow_drop(struct pm_shadow *shadow);

/* Bytes of the table that are in memory. Slow. */
size_t pm_shadow_resident(struct pm_shadow *shadow);

static inline uintptr_t pm_shadow_root(uintptr_t address) { return (address - PM_GRANULE) >> PM_LEAF_BITS; }

/* The leaf of an address, or NULL. */
static inline struct pm_leaf *pm_shadow_leaf(struct pm_shadow *shadow, uintptr_t address) {
    uintptr_t root = pm_shadow_root(address);
    if (PM_UNLIKELY(root >= PM_ROOT_SIZE)) return NULL;
    return atomic_load_explicit(&shadow->leaves[root], memory_order_acquire);
}

/* Of an address so far behind the first that lies under the leaf. */
static inline uint32_t *pm_leaf_cell(struct pm_leaf *leaf, uintptr_t offset) {
    return pm_leaf_cells(leaf) + (offset >> PM_GRANULE_BITS);
}

/* The cell of an address, or NULL. */
static inline uint32_t *pm_shadow_cell(struct pm_shadow *shadow, uintptr_t address) {
    struct pm_leaf *leaf = pm_shadow_leaf(shadow, address);
    return PM_LIKELY(leaf) ? pm_leaf_cell(leaf, address - leaf->begin) : NULL;
}

static inline uint32_t *pm_shadow_make(struct pm_shadow *shadow, uintptr_t address) {
    uint32_t *cell = pm_shadow_cell(shadow, address);
    return PM_LIKELY(cell) ? cell : pm_shadow_grow(shadow, address);
}

/* The cells of a block have one writer at a time, as the block itself has; relaxed atomics keep it defined. */
static inline uint32_t pm_cell_get(const uint32_t *cell) { return __atomic_load_n(cell, __ATOMIC_RELAXED); }

static inline void pm_cell_set(uint32_t *cell, uint32_t value) { __atomic_store_n(cell, value, __ATOMIC_RELAXED); }

static inline void pm_shadow_put(uint32_t *cell, size_t size, uint32_t epoch, uint32_t bits) {
    uint32_t small = (uint32_t)size;
    if (PM_UNLIKELY(size >= PM_SIZE_MASK)) {
        small = PM_SIZE_MASK;
        for (int i = 0; i < PM_SIZE_CELLS; i++) {
            pm_cell_set(cell + 1 + i, (uint32_t)(size >> i * PM_SIZE_BITS) & PM_SIZE_MASK);
        }
    }
    pm_cell_set(cell, epoch << PM_EPOCH_SHIFT | bits | small);
}

static inline size_t pm_shadow_size(const uint32_t *cell, uint32_t entry) {
    uint32_t small = entry & PM_SIZE_MASK;
    if (PM_LIKELY(small != PM_SIZE_MASK)) return small;
    size_t size = 0;
    for (int i = 0; i < PM_SIZE_CELLS; i++) size |= (size_t)pm_cell_get(cell + 1 + i) << i * PM_SIZE_BITS;
    return size;
}

static inline uint32_t pm_entry_epoch(uint32_t entry) { return entry >> PM_EPOCH_SHIFT; }

#endif
