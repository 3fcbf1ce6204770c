/* Words that one thread alone changes and others may read. A change is one instruction, so that a signal handler which
 * interrupts that thread and changes the same word comes before it or after it; a locked instruction would cost more
 * than all else that a hook does. Where such an instruction is not known here, an atomic one takes its place. */
#ifndef PM_LONE_H
#define PM_LONE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* By the thread that changes it: for that thread it is a word like any other. */
static inline int64_t pm_lone_get(const _Atomic int64_t *word) { return *(const int64_t *)(const void *)word; }

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

static inline void pm_lone_add(_Atomic int64_t *word, int64_t delta) {
    __asm__ volatile("addq %1, %0" : "+m"(*word) : "er"(delta) : "cc");
}

static inline void pm_lone_subtract(_Atomic int64_t *word, int64_t delta) {
    __asm__ volatile("subq %1, %0" : "+m"(*word) : "er"(delta) : "cc");
}

static inline void pm_lone_raise(_Atomic int64_t *word, int64_t value) {
    int64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (__builtin_expect(value > seen, 0)) {
        bool done;
        __asm__ volatile("cmpxchgq %3, %1" : "=@ccz"(done), "+m"(*word), "+a"(seen) : "r"(value));
        if (done) break;
    }
}

#else

static inline void pm_lone_add(_Atomic int64_t *word, int64_t delta) {
    atomic_fetch_add_explicit(word, delta, memory_order_relaxed);
}

static inline void pm_lone_subtract(_Atomic int64_t *word, int64_t delta) {
    atomic_fetch_sub_explicit(word, delta, memory_order_relaxed);
}

static inline void pm_lone_raise(_Atomic int64_t *word, int64_t value) {
    int64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (value > seen &&
           !atomic_compare_exchange_weak_explicit(word, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

#endif

#endif
