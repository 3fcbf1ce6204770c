/* A library that allocates by a script and keeps its own books: what the engine says is held against them.
 * Built by the tests with -fno-builtin, so that the compiler leaves every call in. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct books {
    long long peak, allocated, allocations, retained;
};

static void came(struct books *books, size_t size) {
    books->allocated += (long long)size;
    books->allocations++;
    books->retained += (long long)size;
    if (books->retained > books->peak) books->peak = books->retained;
}

static void went(struct books *books, size_t size) { books->retained -= (long long)size; }

/* Every function of the family once, with failures. Leaves 100 + 4096 bytes behind in `kept`. */
int family(struct books *books, void **kept) {
    memset(books, 0, sizeof *books);
    char *a = malloc(1000);
    came(books, 1000);
    char *b = calloc(30, 100);
    came(books, 3000);
    a = realloc(a, 50000); /* up */
    went(books, 1000), came(books, 50000);
    a = realloc(a, 300); /* down */
    went(books, 50000), came(books, 300);
    if (realloc(a, PTRDIFF_MAX)) return 1; /* fails: the block stays what it was */
    if (malloc(PTRDIFF_MAX)) return 2;
    if (calloc(SIZE_MAX / 2, 3)) return 3;
    b = reallocarray(b, 40, 200);
    went(books, 3000), came(books, 8000);
    if (reallocarray(b, SIZE_MAX / 2, 3)) return 4;
    void *c;
    if (posix_memalign(&c, 64, 700)) return 5;
    came(books, 700);
    void *d = aligned_alloc(128, 1280), *e = memalign(256, 999), *f = valloc(4096), *g = malloc(0);
    came(books, 1280), came(books, 999), came(books, 4096), came(books, 0);
    free(NULL);
    free(c), went(books, 700);
    void *h = realloc(NULL, 100); /* malloc by another name */
    came(books, 100);
    free(d), went(books, 1280);
    free(e), went(books, 999);
    free(b), went(books, 8000);
    free(g);
    free(a), went(books, 300);
    kept[0] = h, kept[1] = f;
    return 0;
}

/* In glibc, realloc to nothing frees. */
int realloc_to_nothing(struct books *books) {
    memset(books, 0, sizeof *books);
    void *a = malloc(5000);
    came(books, 5000);
    void *volatile nothing = realloc(a, 0);
    went(books, 5000);
    books->allocations += nothing != NULL;
    if (nothing) free(nothing);
    return 0;
}

#define PAGE 4096ul

/* Mappings given back in pieces, across each other's borders, moved, and mapped over. Leaves 2 pages at `kept`. */
int mappings(struct books *books, void **kept) {
    memset(books, 0, sizeof *books);
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *a = mmap(NULL, 10 * PAGE, protection, flags, -1, 0);
    came(books, 10 * PAGE);
    munmap(a + 3 * PAGE, 4 * PAGE); /* out of the middle */
    went(books, 4 * PAGE);
    munmap(a + 3 * PAGE, 2 * PAGE); /* nothing is there */
    char *b = mmap(NULL, 5000, protection, flags, -1, 0); /* counts what was asked for */
    came(books, 5000);
    munmap(b, 5000), went(books, 5000);
    munmap(a, 3 * PAGE), went(books, 3 * PAGE);
    char *c = mmap(NULL, 8 * PAGE, protection, flags, -1, 0);
    came(books, 8 * PAGE);
    c = mremap(c, 8 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
    went(books, 8 * PAGE), came(books, 300 * PAGE);
    c = mremap(c, 300 * PAGE, 6 * PAGE, 0);
    went(books, 300 * PAGE), came(books, 6 * PAGE);
    if (mremap(c, 6 * PAGE, SIZE_MAX / 4, 0) != MAP_FAILED) return 1;
    mmap(c + 2 * PAGE, 2 * PAGE, protection, flags | MAP_FIXED, -1, 0); /* over the middle */
    went(books, 2 * PAGE), came(books, 2 * PAGE);
    munmap(c + PAGE, 3 * PAGE), went(books, 3 * PAGE); /* parts of two */
    if (munmap(c + 1, PAGE) == 0) return 2;
    munmap(c, PAGE), went(books, PAGE);
    munmap(c + 4 * PAGE, 2 * PAGE), went(books, 2 * PAGE);
    char *d = mmap64(NULL, 2 * PAGE, protection, flags, -1, 0);
    came(books, 2 * PAGE);
    munmap(a + 7 * PAGE, 3 * PAGE), went(books, 3 * PAGE);
    kept[0] = d;
    return 0;
}

/* Address space that is reserved, opened in part, closed and given back: as memory that is open, or as all that is mapped. */
static int reserve(struct books *books, int mapped) {
    size_t begin = mapped ? 1000 * PAGE : 0, open = mapped ? 0 : 1;
    memset(books, 0, sizeof *books);
    char *a = mmap(NULL, 1000 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin) came(books, begin);
    if (mprotect(a + 3 * PAGE, 50 * PAGE, PROT_READ | PROT_WRITE)) return 1;
    if (open) came(books, 50 * PAGE);
    memset(a + 3 * PAGE, 1, 50 * PAGE);
    if (mprotect(a + 3 * PAGE, 20 * PAGE, PROT_NONE)) return 2;
    if (open) went(books, 20 * PAGE);
    munmap(a, 1000 * PAGE);
    went(books, mapped ? begin : 30 * PAGE);
    return 0;
}

int reserve_open(struct books *books) { return reserve(books, 0); }

int reserve_mapped(struct books *books) { return reserve(books, 1); }

void unmap(void *address, size_t size) { munmap(address, size); }

static uint64_t draw(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

enum { SLOTS = 1024 };

/* A random walk over a table of blocks: sizes from 0 to 300 KB, mostly small. */
void wander(struct books *books, uint64_t seed, int steps, void **slots, uint32_t *sizes) {
    uint64_t state = seed * 2654435761u + 1;
    for (int step = 0; step < steps; step++) {
        uint64_t dice = draw(&state);
        uint32_t at = (dice >> 8) % SLOTS, size = (dice >> 32) % (dice % 97 == 0 ? 300000 : dice % 7 == 0 ? 5000 : 300);
        if (!slots[at]) {
            slots[at] = dice % 3 == 0 ? calloc(1, size) : malloc(size);
            came(books, sizes[at] = size);
        } else if (dice % 4 == 0) {
            slots[at] = realloc(slots[at], size + 1);
            went(books, sizes[at]), came(books, sizes[at] = size + 1);
        } else {
            free(slots[at]), went(books, sizes[at]);
            slots[at] = NULL;
        }
    }
}

struct worker {
    pthread_t thread;
    pthread_barrier_t *barrier;
    struct books books;
    uint64_t seed;
    int steps;
    size_t top;
    void *slots[SLOTS];
    uint32_t sizes[SLOTS];
};

static struct worker workers[8];

static void *work(void *argument) {
    struct worker *self = argument;
    wander(&self->books, self->seed, self->steps, self->slots, self->sizes);
    pthread_barrier_wait(self->barrier);
    /* Higher than all before, and all at once: when the last thread comes to the next barrier, each is at its peak. */
    void *block = malloc(self->top);
    came(&self->books, self->top);
    pthread_barrier_wait(self->barrier);
    free(block), went(&self->books, self->top);
    for (int i = 0; i < SLOTS / 2; i++) {
        if (!self->slots[i]) continue;
        free(self->slots[i]), went(&self->books, self->sizes[i]);
        self->slots[i] = NULL;
    }
    return NULL;
}

/* Eight threads, then half of what they left is freed by this one. */
int threads(struct books *books, int steps) {
    pthread_barrier_t barrier;
    memset(books, 0, sizeof *books);
    memset(workers, 0, sizeof workers);
    pthread_barrier_init(&barrier, NULL, 8);
    for (int i = 0; i < 8; i++) {
        workers[i].barrier = &barrier, workers[i].seed = (uint64_t)i + 1, workers[i].steps = steps;
        workers[i].top = 100000000 + (size_t)i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) return 1;
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(workers[i].thread, NULL);
        struct books *one = &workers[i].books;
        books->allocated += one->allocated, books->allocations += one->allocations;
        books->retained += one->retained, books->peak += one->peak;
    }
    for (int i = 0; i < 8; i++) {
        for (int k = SLOTS / 2; k < SLOTS * 3 / 4; k++) {
            if (!workers[i].slots[k]) continue;
            free(workers[i].slots[k]), went(books, workers[i].sizes[k]);
            workers[i].slots[k] = NULL;
        }
    }
    return 0;
}

void clean_up(void) {
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < SLOTS; k++) free(workers[i].slots[k]), workers[i].slots[k] = NULL;
    }
}

void *hold(size_t size) { return malloc(size); }

void release(void *block) { free(block); }

/* A signal handler that allocates, which is forbidden and happens. Inside malloc it would wait for malloc's own lock,
 * engine or not; so it acts only where it has interrupted code between two addresses: the engine's. */
static volatile uintptr_t disturbed_begin, disturbed_end;
static volatile long disturbances;

static void disturb_once(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    const ucontext_t *at = context;
#if defined(__aarch64__)
    uintptr_t counter = (uintptr_t)at->uc_mcontext.pc;
#else
    uintptr_t counter = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#endif
    if (counter < disturbed_begin || counter >= disturbed_end) return;
    disturbances++;
    void *block = malloc(3000);
    block = realloc(block, 5000);
    free(block);
}

void disturb(uintptr_t begin, uintptr_t end) {
    struct sigaction action = {.sa_sigaction = disturb_once, .sa_flags = SA_SIGINFO | SA_RESTART};
    disturbed_begin = begin, disturbed_end = end;
    sigaction(SIGALRM, &action, NULL);
}

long disturbed(void) { return disturbances; }
