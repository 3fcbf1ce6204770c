/* The C core without an interpreter: built with AddressSanitizer and UndefinedBehaviorSanitizer (make sanitize), and
 * run under valgrind (make valgrind). Frames come from a stand-in; everything else is the engine's own code.
 *
 * The hooks are called directly, as the import tables would: under a sanitizer nothing may be patched. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/pytest_memory/engines/native/frames.h"
#include "../../src/pytest_memory/engines/native/hooks.h"
#include "../../src/pytest_memory/engines/native/intervals.h"
#include "../../src/pytest_memory/engines/native/ledger.h"
#include "../../src/pytest_memory/engines/native/locks.h"
#include "../../src/pytest_memory/engines/native/patch.h"
#include "../../src/pytest_memory/engines/native/shares.h"
#include "../../src/pytest_memory/engines/native/sites.h"
#include "../../src/pytest_memory/engines/native/threads.h"
#include "../../src/pytest_memory/engines/native/windows.h"

static int failures;

#define EXPECT(left, right)                                                                                            \
    do {                                                                                                               \
        long long a_ = (long long)(left), b_ = (long long)(right);                                                     \
        if (a_ != b_) {                                                                                                \
            failures++;                                                                                                \
            printf("%s:%d: %s is %lld, not %lld\n", __func__, __LINE__, #left, a_, b_);                                \
        }                                                                                                              \
    } while (0)

/* --- the stand-in for the interpreter --- */

static _Thread_local int where;  /* the function that a thread pretends to be in */
static _Thread_local int32_t odd; /* 1 for the second of the two calls on each line */
static char code_objects[64];
static size_t pretended_depth = 3;

const void *pm_frames_outside(int callers) {
    (void)callers;
    return NULL;
}

size_t pm_frames_walk(struct pm_frame *frames, size_t room, const void *outside) {
    (void)outside;
    size_t depth = pretended_depth < room ? pretended_depth : room;
    for (size_t i = 0; i < depth; i++) {
        int function = (where + (int)i) % 64;
        frames[i] = (struct pm_frame){&code_objects[function], &code_objects[function], function, (int32_t)(i * 2) + odd};
    }
    return depth;
}

int32_t pm_frames_line(const struct pm_frame *frame) { return frame->first_line + frame->instruction / 2 * 2; }

size_t pm_frames_filename(const void *code, char *buffer, size_t room) {
    return (size_t)snprintf(buffer, room, "file%d.py", (int)((const char *)code - code_objects));
}

size_t pm_frames_name(const void *code, char *buffer, size_t room) {
    return (size_t)snprintf(buffer, room, "function%d", (int)((const char *)code - code_objects));
}

const char *pm_frames_table(const void *code, size_t *length) {
    (void)code;
    *length = sizeof "a table";
    return "a table";
}

/* --- help --- */

static struct pm_window *open_window(int ledger, bool sites, bool every) {
    const char *reason;
    struct pm_request request = {.ledger = ledger, .sites = sites, .every = every, .seed = 42};
    struct pm_window *window = pm_window_open(&request, &reason);
    if (!window) printf("refused: %s\n", reason), failures++;
    return window;
}

static int64_t sum_at_peak(struct pm_window *window) {
    int64_t total = 0;
    struct pm_site_reading reading;
    uint32_t known = pm_sites_known(&pm_ledgers[PM_MALLOC]);
    for (uint32_t site = 0; site < known; site++) {
        if (pm_sites_read(&pm_ledgers[PM_MALLOC], window, site, &reading)) total += reading.bytes;
    }
    return total;
}

static void close_window(struct pm_window *window, struct pm_reading *reading) {
    pm_window_close(PM_MALLOC, window, reading);
    if (window->tallies && window->every) EXPECT(sum_at_peak(window), reading->peak);
    pm_sites_end(&pm_ledgers[PM_MALLOC], window);
}

static uint64_t draw(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

/* --- the tests --- */

enum { SLOTS = 500 };

static void walk(uint64_t seed, int steps, void **slots, size_t *sizes, struct pm_reading *books) {
    uint64_t state = seed;
    for (int i = 0; i < steps; i++) {
        uint64_t dice = draw(&state);
        size_t at = dice / 1000 % SLOTS, size = dice / 7 % (dice % 50 ? 700 : 2000000);
        where = (int)(dice % 40);
        if (slots[at] && dice % 3 == 0) {
            slots[at] = pm_hook_realloc(slots[at], size + 1);
            books->retained += (int64_t)(size + 1) - (int64_t)sizes[at];
            sizes[at] = size + 1;
        } else if (slots[at]) {
            pm_hook_free(slots[at]);
            books->retained -= (int64_t)sizes[at];
            slots[at] = NULL;
            continue;
        } else {
            slots[at] = dice % 5 ? pm_hook_malloc(size) : pm_hook_calloc(size, 1);
            books->retained += (int64_t)size;
            sizes[at] = size;
        }
        books->allocations++;
        books->allocated += (int64_t)sizes[at];
        if (books->retained > books->peak) books->peak = books->retained;
    }
}

static void test_walks(void) {
    for (int detail = 0; detail < 3; detail++) {
        void *slots[SLOTS] = {0};
        size_t sizes[SLOTS] = {0};
        struct pm_reading books = {0}, reading;
        struct pm_window *window = open_window(PM_MALLOC, detail > 0, detail > 1);
        walk(7 + (uint64_t)detail, 20000, slots, sizes, &books);
        close_window(window, &reading);
        EXPECT(reading.peak, books.peak);
        EXPECT(reading.allocated, books.allocated);
        EXPECT(reading.allocations, books.allocations);
        EXPECT(reading.retained, books.retained);
        for (int i = 0; i < SLOTS; i++) pm_hook_free(slots[i]);
    }
}

static void test_sizes_at_the_edges(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, false, false);
    size_t sizes[] = {0, 1, 32766, 32767, 32768, 65535, 65536, (size_t)5 << 30}, total = 0;
    void *blocks[8];
    for (int i = 0; i < 8; i++) blocks[i] = pm_hook_malloc(sizes[i]), total += blocks[i] ? sizes[i] : 0;
    for (int i = 0; i < 8; i++) pm_hook_free(blocks[i]);
    close_window(window, &reading);
    EXPECT(reading.peak, total);
    EXPECT(reading.retained, 0);
}

static void test_epochs_wrap(void) {
    struct pm_reading reading;
    void *old = NULL;
    for (int i = 0; i < 100000; i++) {
        struct pm_window *window = open_window(PM_MALLOC, false, false);
        pm_hook_free(old); /* of the window before, or of one thousands ago */
        void *block = pm_hook_malloc(100);
        pm_window_close(PM_MALLOC, window, &reading);
        EXPECT(reading.peak, 100);
        EXPECT(reading.retained, 100);
        if (i % 777 == 0) {
            old = block;
        } else {
            old = NULL;
            pm_hook_free(block);
        }
    }
    pm_hook_free(old);
}

static void test_mappings_in_pieces(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, true, true);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = pm_hook_mmap(NULL, 300 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < 300; i += 2) pm_hook_munmap(pages + i * page, page); /* 150 pieces are left */
    EXPECT(pm_ledgers[PM_MALLOC].intervals.count, 150);
    pm_hook_munmap(pages, 200 * page);
    EXPECT(pm_ledgers[PM_MALLOC].intervals.count, 50);
    void *shared = pm_hook_mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *moved = pm_hook_mremap(shared, page, 9 * page, MREMAP_MAYMOVE);
    EXPECT(moved != MAP_FAILED, 1);
    pm_hook_munmap(moved, 9 * page);
    close_window(window, &reading);
    EXPECT(reading.peak, 300 * page);
    EXPECT(reading.retained, 50 * page);
    pm_hook_munmap(pages, 300 * page);
}

/* Address space that nobody may access counts once it is opened, as far as it is, and for malloc granularity at once. */
static void test_reserved_address_space(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int which = 0; which < PM_LEDGERS; which++) {
        struct pm_reading reading;
        bool objects = which == PM_PYTHON;
        struct pm_window *window = open_window(which, true, true);
        char *pages = pm_hook_mmap(NULL, 100 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(pm_window_live(window), objects ? 0 : 100 * page);
        pm_hook_mprotect(pages + 10 * page, 20 * page, PROT_READ | PROT_WRITE); /* 10 to 30 */
        pm_hook_mprotect(pages + 20 * page, 20 * page, PROT_READ);              /* 10 to 40: half of it is open */
        EXPECT(pm_window_live(window), (objects ? 30 : 100) * page);
        pm_hook_mprotect(pages + 15 * page, 10 * page, PROT_NONE);
        pm_hook_mprotect(pages + 60 * page, 10 * page, PROT_NONE); /* is closed */
        EXPECT(pm_window_live(window), (objects ? 20 : 100) * page);
        EXPECT(pm_hook_mprotect(pages, page, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), -1); /* not both */
        pm_hook_mmap(pages, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        pm_hook_munmap(pages + 35 * page, 55 * page);
        EXPECT(pm_window_live(window), (objects ? 5 + 10 + 1 : 100 - 55) * page);
        void *moved = pm_hook_mremap(pages + 90 * page, 10 * page, 40 * page, MREMAP_MAYMOVE); /* and stays closed */
        EXPECT(moved != MAP_FAILED, 1);
        EXPECT(pm_window_live(window), (objects ? 16 : 100 - 55 - 10 + 40) * page);
        pm_hook_munmap(moved, 40 * page);
        pm_hook_munmap(pages, 100 * page);
        pm_window_close(which, window, &reading);
        pm_sites_end(&pm_ledgers[which], window);
        EXPECT(reading.retained, 0);
        EXPECT(reading.peak, (objects ? 30 : 100) * page);
        EXPECT(reading.allocated, (objects ? 20 + 10 + 1 : 100 + 1 + 40) * page);
        EXPECT(reading.allocations, 3);
    }
}

/* The kernel takes whole pages, whatever length it is asked for. */
static void test_a_part_of_a_page_is_given_back_whole(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, true, true);
    char *pages = pm_hook_mmap(NULL, 5 * page - 100, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pm_hook_munmap(pages, 2 * page - 1000);
    EXPECT(pm_window_live(window), 3 * page - 100);
    pm_hook_munmap(pages + 2 * page, 3 * page - 100);
    close_window(window, &reading);
    EXPECT(reading.retained, 0);
    EXPECT(reading.allocated, 5 * page - 100);
}

/* Whoever tells tallies of a change while a window closes finds them, or no longer finds the window. */
static void *allocate_until(void *stop) {
    while (!atomic_load((atomic_bool *)stop)) pm_hook_free(pm_hook_malloc(64));
    return NULL;
}

static void test_windows_close_under_threads_that_allocate(void) {
#ifdef __SANITIZE_THREAD__ /* a thread that is overtaken by so many windows that its own is used again reads another's */
    enum { THREADS = 6, WINDOWS = PM_WINDOWS / 2 };
#else
    enum { THREADS = 6, WINDOWS = 5000 };
#endif
    pthread_t threads[THREADS];
    atomic_bool stop = false;
    struct pm_reading reading;
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, allocate_until, &stop);
    for (int i = 0; i < WINDOWS; i++) {
        struct pm_window *window = open_window(PM_MALLOC, true, true);
        pm_window_close(PM_MALLOC, window, &reading);
        EXPECT(sum_at_peak(window), reading.peak);
        pm_sites_end(&pm_ledgers[PM_MALLOC], window);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void test_more_stacks_than_there_is_room_for(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, true, true);
    pretended_depth = PM_STACK_DEPTH;
    for (int i = 0; i < 12000; i++) { /* 12,000 stacks of more than 320 frames are more than 2^22 frames hold */
        where = i;
        pretended_depth = PM_STACK_DEPTH - (size_t)(i / 64) % 400;
        pm_hook_free(pm_hook_malloc(10));
    }
    where = 63;
    void *kept = pm_hook_malloc(1000);
    pretended_depth = 3;
    struct pm_site_reading others; /* what found no room is counted together */
    EXPECT(pm_sites_read(&pm_ledgers[PM_MALLOC], window, PM_STACK_NONE, &others), 1);
    EXPECT(others.leaked_bytes, 1000);
    close_window(window, &reading);
    EXPECT(reading.retained, 1000);
    EXPECT(reading.allocations, 12001);
    pm_hook_free(kept);
}

struct job {
    pthread_t thread;
    struct pm_reading books;
    void *slots[SLOTS];
    size_t sizes[SLOTS];
    uint64_t seed;
};

static void *work(void *argument) {
    struct job *job = argument;
    walk(job->seed, 5000, job->slots, job->sizes, &job->books);
    return NULL;
}

static void test_threads(void) {
    static struct job jobs[8];
    for (int detail = 0; detail < 3; detail++) {
        struct pm_reading reading, books = {0};
        memset(jobs, 0, sizeof jobs);
        struct pm_window *window = open_window(PM_MALLOC, detail > 0, detail > 1);
        for (int i = 0; i < 8; i++) {
            jobs[i].seed = (uint64_t)i + 11;
            pthread_create(&jobs[i].thread, NULL, work, &jobs[i]);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(jobs[i].thread, NULL);
            books.allocated += jobs[i].books.allocated, books.allocations += jobs[i].books.allocations;
            books.retained += jobs[i].books.retained;
        }
        close_window(window, &reading);
        EXPECT(reading.allocated, books.allocated);
        EXPECT(reading.allocations, books.allocations);
        EXPECT(reading.retained, books.retained);
        for (int i = 0; i < 8; i++) {
            for (int k = 0; k < SLOTS; k++) pm_hook_free(jobs[i].slots[k]);
        }
    }
}

struct crowd {
    struct pm_window *window;
    bool moment; /* do others come in between many times in a moment, or over a while? */
    int64_t told;
    void *blocks[100];
};

static struct pm_unsettled *come_in_between(struct crowd *crowd, int times) {
    for (int i = 0; i < times; i++) {
        void *block = pm_hook_malloc(10);
        atomic_fetch_add(&crowd->window->live_elsewhere, i % 2 ? 100 : -100);
        pm_hook_free(block);
        atomic_fetch_add(&crowd->window->live_elsewhere, i % 2 ? -100 : 100);
    }
    return &pm_self.totals->unsettled[PM_MALLOC];
}

static void *crowd(void *argument) {
    struct crowd *crowd = argument;
    struct pm_unsettled *mine = come_in_between(crowd, 20);
    mine->since = crowd->moment ? INT64_MAX : 0;
    EXPECT(mine->crowd >= 38, 1);
    come_in_between(crowd, 20);
    for (int i = 0; i < 100; i++) crowd->blocks[i] = pm_hook_malloc(100);
    crowd->told = pm_window_live(crowd->window);
    pm_hook_free(pm_hook_malloc(20000)); /* more than a thread may keep; and nobody came in between since the last time */
    EXPECT(mine->crowd, 0);
    return NULL;
}

/* What a thread keeps to itself while many others count at the same moment. */
static void test_a_thread_in_a_crowd(void) {
    for (int moment = 0; moment < 2; moment++) {
        struct pm_reading reading;
        struct crowd one = {.moment = moment};
        pthread_t thread;
        one.window = open_window(PM_MALLOC, false, false);
        pthread_create(&thread, NULL, crowd, &one);
        pthread_join(thread, NULL);
        EXPECT(one.told, moment ? 0 : 10000);
        close_window(one.window, &reading);
        EXPECT(reading.peak, 30000);
        EXPECT(reading.retained, 10000);
        EXPECT(reading.allocations, 141);
        for (int i = 0; i < 100; i++) pm_hook_free(one.blocks[i]);
    }
}

/* A window of another thread's: what this one does counts elsewhere. */
static struct pm_window *open_window_of_another(void) {
    static struct pm_totals other = {.index = UINT32_MAX};
    struct pm_window *window = open_window(PM_MALLOC, false, false);
    pm_window_house(window, &other);
    return window;
}

/* The window is told the rest at its end. */
static void test_a_crowd_settles_at_the_end(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window_of_another();
    struct pm_totals *mine = pm_self.totals;
    void *first = pm_hook_malloc(10);
    mine->unsettled[PM_MALLOC].crowd = INT32_MAX;
    void *second = pm_hook_malloc(100);
    EXPECT(pm_window_live(window), 10);
    pm_hook_free(first);
    close_window(window, &reading);
    EXPECT(reading.retained, 100);
    pm_hook_free(second);
}

/* Who has given back more than it kept may not let the window believe that there is less to come than there is. */
static void test_a_crowd_never_tells_too_much(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window_of_another();
    struct pm_totals *mine = pm_self.totals;
    void *elsewhere = pm_hook_malloc(15000);
    mine->unsettled[PM_MALLOC].crowd = INT32_MAX;
    pm_hook_free(elsewhere);
    pm_window_house(window, mine);
    void *at_home = pm_hook_malloc(15000);
    EXPECT(pm_window_live(window) <= 15000, 1);
    pm_hook_free(at_home);
    close_window(window, &reading);
    EXPECT(reading.peak, 15000);
    EXPECT(reading.retained, 0);
}

/* Whoever closes a window waits for what is on its way to it, and not for ever. */
static void test_what_is_on_its_way_is_waited_for(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window_of_another();
    struct pm_totals *mine = pm_self.totals;
    void *block = pm_hook_malloc(100);
    int64_t bytes;
    uint64_t moves;
    EXPECT(pm_threads_unsettled(PM_MALLOC, window->serial, &bytes, &moves), 1);
    EXPECT(moves % 2, 0);
    atomic_fetch_add(&mine->unsettled[PM_MALLOC].moves, 1);
    EXPECT(pm_threads_unsettled(PM_MALLOC, window->serial, &bytes, &moves), 0);
    close_window(window, &reading);
    EXPECT(reading.retained, 100);
    atomic_fetch_add(&mine->unsettled[PM_MALLOC].moves, 1);
    pm_hook_free(block);
}

#ifndef __SANITIZE_THREAD__ /* windows are opened under the eyes of other threads, which it cannot follow */
static atomic_bool enough;

static void *come_and_go(void *crowded) {
    while (!atomic_load(&enough)) {
        void *block = pm_hook_malloc(8000);
        if (crowded && pm_self.totals) pm_self.totals->unsettled[PM_MALLOC].crowd = INT32_MAX;
        pm_hook_free(block);
    }
    return NULL;
}

/* Each block that comes and goes while windows open and close is seen whole or not at all. */
static void test_windows_open_and_close_while_others_allocate(void) {
    for (int crowded = 0; crowded < 2; crowded++) {
        pthread_t threads[2];
        atomic_store(&enough, false);
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, come_and_go, crowded ? &enough : NULL);
        for (int i = 0; i < 3000; i++) {
            struct pm_reading reading;
            struct pm_window *window = open_window(PM_MALLOC, false, false);
            for (volatile int wait = 0; wait < 1000; wait++) continue;
            close_window(window, &reading);
            EXPECT(0 <= reading.retained && reading.retained <= 16000, 1);
        }
        atomic_store(&enough, true);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    }
}
#endif

static void test_errno_survives(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, true, true);
    errno = 77;
    pm_hook_free(pm_hook_malloc(10));
    EXPECT(errno, 77);
    close_window(window, &reading);
}

/* A size that did not fit lies in the cells behind its block's. The block goes while nobody looks, smaller ones begin in
 * its place while nobody looks, and go inside a window: they are older than it, whatever lies in their cells. */
static void test_leftovers_of_a_size_are_no_blocks(void) {
    static char place[256] __attribute__((aligned(16)));
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, true, false);
    struct pm_thread *self = &pm_self;
    pm_ledger_enter(&pm_ledgers[PM_MALLOC], self, place, (size_t)0x7fffffff << 17 | 0x1ffff, 0);
    close_window(window, &reading);
    window = open_window(PM_MALLOC, true, false);
    for (int i = 1; i < 16; i++) pm_ledger_freed(PM_MALLOC, self, pm_ledger_lift(PM_MALLOC, place + 16 * i));
    EXPECT(pm_window_live(window), 0);
    pm_ledger_lift(PM_MALLOC, place);
    close_window(window, &reading);
    EXPECT(reading.retained, 0);
}

/* Low in the address space, where a program that was linked to a fixed place has its heap, a block may lie under the first
 * leaf. NULL would too. */
static void test_none_is_no_block(void) {
    struct pm_thread *self = &pm_self;
    char *low = (char *)0x10000;
    EXPECT(pm_shadow_make(&pm_ledgers[PM_MALLOC].blocks, (uintptr_t)low) != NULL, 1);
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, false, false);
    pm_ledger_allocated(PM_MALLOC, pm_state_of(pm_load_state(), PM_MALLOC), self, low, 16); /* gives the thread room */
    EXPECT(pm_quick_add(PM_MALLOC, window, self, low + 16, 32), 1);
    EXPECT(pm_quick_add(PM_MALLOC, window, self, NULL, 64), 0);
    struct pm_found found;
    EXPECT(pm_quick_find(PM_MALLOC, window, low + 16, &found) && found.size == 32, 1);
    EXPECT(pm_quick_find(PM_MALLOC, window, NULL, &found) && !found.cell, 1);
    close_window(window, &reading);
    EXPECT(reading.allocated, 48);
    EXPECT(reading.allocations, 2);
}

static void *join_where_a_handler_has_joined(void *unused) {
    pm_thread_join(&pm_self);
    pm_self.totals = NULL; /* as the interrupted one saw it */
    pm_thread_join(&pm_self);
    EXPECT(pm_self.standing == pm_standing_of(pm_self.totals), 1);
    return unused;
}

/* A signal handler may allocate when the thread that it interrupts is about to find its totals. */
static void test_a_thread_that_joins_twice(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, join_where_a_handler_has_joined, NULL);
    pthread_join(thread, NULL);
}

/* A signal handler that allocates between the two steps of a short way may take more room than there was. */
static void test_no_room_is_not_endless_room(void) {
    struct pm_reading reading;
    struct pm_window *window = open_window(PM_MALLOC, false, false);
    pm_hook_free(pm_hook_malloc(10));
    atomic_store(&pm_self.sampler[PM_MALLOC].room, -5);
    pm_hook_free(pm_hook_malloc(1000000));
    atomic_store(&pm_self.sampler[PM_MALLOC].room, -5);
    pm_hook_free(pm_hook_malloc(0));
    close_window(window, &reading);
    EXPECT(reading.retained, 0);
    EXPECT(reading.peak, 1000000);
    EXPECT(reading.allocated, 1000010);
}

static void *calloc_where_a_handler_forks(size_t count, size_t size) {
    pm_threads_forked();
    return calloc(count, size);
}

/* The child of a signal handler that forks inside an allocator goes on inside it, and counts once it is out of there. */
static void test_forked_inside_an_allocator(void) {
    struct pm_reading reading;
    pm_hook_free(pm_hook_malloc(10));
    uint64_t before = pm_self.standing;
    struct pm_window *window = open_window(PM_MALLOC, false, false);
    pm_real.calloc = calloc_where_a_handler_forks;
    pm_hook_free(pm_hook_calloc(1, 100));
    pm_real.calloc = calloc;
    EXPECT(pm_self.standing == before, 1);
    pm_hook_free(pm_hook_malloc(10));
    close_window(window, &reading);
    EXPECT(reading.allocated, 110);
}

static uintptr_t next_address;

static void *malloc_at_an_address(size_t size) {
    (void)size;
    return (void *)next_address; /* nobody looks into the block */
}

static void free_nothing(void *block) { (void)block; }

/* A leaf of the shadow table reaches from one granule behind a multiple of its size to the next multiple, which has a cell
 * of its own: blocks at all these edges, by turns from more leaves than a window remembers, are told apart. And NULL, a
 * failure, is no block. */
static void test_blocks_at_the_edges_of_leaves(void) {
    const uintptr_t leaf = (uintptr_t)1 << PM_LEAF_BITS;
    const uintptr_t addresses[] = {16,       32,       leaf - 16,     leaf,         leaf + 16,    2 * leaf - 16, 2 * leaf,
                                   leaf + 32, 7 * leaf, 7 * leaf + 16, 100 * leaf + 16, 100 * leaf, 48,            7 * leaf + 32};
    enum { BLOCKS = sizeof addresses / sizeof *addresses };
    struct pm_reading reading;
    pm_real.malloc = malloc_at_an_address, pm_real.free = free_nothing;
    struct pm_window *window = open_window(PM_MALLOC, false, false);
    for (size_t i = 0; i < BLOCKS; i++) {
        next_address = addresses[i];
        pm_hook_malloc((size_t)100 << i);
    }
    next_address = 0;
    pm_hook_malloc(1000);
    pm_hook_free(NULL);
    for (size_t i = 0; i < BLOCKS; i += 2) pm_hook_free((void *)addresses[i]);
    for (size_t i = 0; i < BLOCKS; i += 2) pm_hook_free((void *)addresses[i]); /* unknown by now */
    close_window(window, &reading);
    int64_t all = 0, left = 0;
    for (size_t i = 0; i < BLOCKS; i++) all += (int64_t)100 << i, left += i % 2 ? (int64_t)100 << i : 0;
    EXPECT(reading.peak, all);
    EXPECT(reading.allocated, all);
    EXPECT(reading.allocations, BLOCKS);
    EXPECT(reading.retained, left);
    for (size_t i = 0; i < BLOCKS; i++) pm_hook_free((void *)addresses[i]);
    pm_real.malloc = malloc, pm_real.free = free;
}

static uint32_t stack_at(struct pm_stacks *stacks, int function, int32_t call) {
    where = function;
    odd = call;
    uint32_t stack = pm_stacks_find(stacks);
    where = odd = 0;
    return stack;
}

struct shared {
    struct pm_site_reading readings[2];
    int64_t peak;
    size_t count;
    struct {
        int64_t bytes, count;
    } expected[2];
};

/* Exact blocks stay as they are, and samples share the rest of a peak that is known to the byte. */
static void test_samples_are_scaled_to_the_peak(void) {
    struct pm_stacks *stacks = pm_stacks_make();
    uint32_t one = stack_at(stacks, 1, 0), two = stack_at(stacks, 2, 0);
    const struct shared cases[] = {
        {{{one, 50, 0, 5, 0, 0}, {two, 30, 0, 3, 0, 0}}, 160, 2, {{100, 10}, {60, 6}}},
        {{{one, 700, 700, 1, 0, 0}, {two, 50, 0, 5, 0, 0}}, 800, 2, {{700, 1}, {100, 10}}},
        {{{one, 60, 40, 4, 0, 0}, {two, 0, 0, 0, 0, 0}}, 50, 1, {{50, 3}, {0, 0}}},       /* a stack of both kinds */
        {{{one, 700, 700, 7, 0, 0}, {two, 0, 0, 2, 0, 0}}, 700, 2, {{700, 7}, {0, 2}}},   /* nothing is estimated */
        {{{one, 700, 700, 1, 0, 0}, {two, 50, 0, 5, 0, 0}}, 690, 2, {{700, 1}, {0, 1}}},  /* threads between two counts */
        {{{one, 0, 0, 0, 9, 1}, {two, 0, 0, 0, 0, 0}}, 0, 0, {{0, 0}, {0, 0}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pm_share shares[2] = {{0}};
        EXPECT(pm_shares_at_peak(stacks, cases[i].readings, 2, cases[i].peak, shares), cases[i].count);
        for (size_t j = 0; j < cases[i].count; j++) {
            EXPECT(shares[j].bytes, cases[i].expected[j].bytes);
            EXPECT(shares[j].count, cases[i].expected[j].count);
        }
    }
}

/* Two calls on one line are one place; what found no room is a place of its own, and so is a stack without frames. */
static void test_shares_are_told_by_place(void) {
    struct pm_stacks *stacks = pm_stacks_make();
    uint32_t first = stack_at(stacks, 1, 0), again = stack_at(stacks, 1, 1), other = stack_at(stacks, 5, 0);
    pretended_depth = 0;
    uint32_t empty = stack_at(stacks, 9, 0);
    pretended_depth = 3;
    EXPECT(first != again, 1);
    struct pm_site_reading readings[] = {{first, 0, 0, 0, 10, 1}, {other, 0, 0, 0, 25, 2}, {again, 0, 0, 0, 20, 3},
                                         {PM_STACK_NONE, 0, 0, 0, 7, 1}, {empty, 0, 0, 0, 7, 2}, {first, 5, 5, 1, 0, 0}};
    struct pm_share shares[6] = {{0}};
    EXPECT(pm_shares_leaked(stacks, readings, 6, shares), 4);
    EXPECT(shares[0].bytes, 30);
    EXPECT(shares[0].count, 4);
    EXPECT(shares[0].depth, 3);
    EXPECT(shares[0].stack, again); /* the larger of the two */
    EXPECT(shares[1].stack, other);
    EXPECT(shares[2].stack, empty);
    EXPECT(shares[2].depth, 0);
    EXPECT(shares[3].stack, PM_STACK_NONE);
}

int main(void) {
    for (int i = 0; i < PM_FUNCTION_COUNT; i++) pm_functions[i].original = NULL;
    pm_real.malloc = malloc, pm_real.free = free, pm_real.calloc = calloc, pm_real.realloc = realloc;
    pm_real.mmap = mmap, pm_real.munmap = munmap, pm_real.mremap = mremap;
    pm_real.mprotect = mprotect;
    if (pm_locks_prepare() || pm_threads_prepare()) return 2;
    test_walks();
    test_sizes_at_the_edges();
    test_leftovers_of_a_size_are_no_blocks();
    test_none_is_no_block();
    test_epochs_wrap();
    test_mappings_in_pieces();
    test_reserved_address_space();
    test_a_part_of_a_page_is_given_back_whole();
    test_windows_close_under_threads_that_allocate();
    test_more_stacks_than_there_is_room_for();
    test_threads();
    test_a_thread_in_a_crowd();
    test_a_crowd_settles_at_the_end();
    test_a_crowd_never_tells_too_much();
    test_what_is_on_its_way_is_waited_for();
#ifndef __SANITIZE_THREAD__
    test_windows_open_and_close_while_others_allocate();
#endif
    test_errno_survives();
    test_a_thread_that_joins_twice();
    test_no_room_is_not_endless_room();
    test_forked_inside_an_allocator();
    test_blocks_at_the_edges_of_leaves();
    test_samples_are_scaled_to_the_peak();
    test_shares_are_told_by_place();
    printf("%d failed\n", failures);
    return failures != 0;
}
