/* What other people's libraries do: handlers around forks, threads that load, signals. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile sink;
static volatile int running, stop;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t threads[2];

void fork_often(int times) {
    while (times--) {
        pid_t child = fork();
        if (!child) _exit(0);
        waitpid(child, NULL, 0);
    }
}

/* As OpenBLAS does: a worker that is ended, and waited for, when somebody forks. */
static void *work(void *unused) {
    sink = malloc(100);
    pthread_mutex_lock(&mutex);
    running = 1;
    pthread_cond_broadcast(&changed);
    while (!stop) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void end_worker(void) {
    if (!running) return;
    pthread_mutex_lock(&mutex);
    stop = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    pthread_join(threads[0], NULL);
    running = 0;
}

void end_a_worker_before_forks(void) { pthread_atfork(end_worker, NULL, NULL); }

void start_worker(void) {
    stop = 0;
    pthread_create(&threads[0], NULL, work, NULL);
    pthread_mutex_lock(&mutex);
    while (!running) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* A lock that is held over forks, and under which another thread allocates. */
static void lock(void) { pthread_mutex_lock(&mutex); }
static void unlock(void) { pthread_mutex_unlock(&mutex); }

void lock_around_forks(void) { pthread_atfork(lock, unlock, unlock); }

static void *allocate_under_lock(void *unused) {
    while (!stop) {
        lock();
        free(sink = malloc(100000));
        unlock();
    }
    return NULL;
}

void fork_beside_a_lock(int times) {
    stop = 0;
    pthread_create(&threads[0], NULL, allocate_under_lock, NULL);
    fork_often(times);
    stop = 1;
    pthread_join(threads[0], NULL);
}

/* A handler that allocates, in a thread that never has. */
static void allocate(void) { sink = malloc(10); }

void allocate_before_forks(void) { pthread_atfork(allocate, NULL, NULL); }

static void *fork_once(void *unused) {
    fork_often(1);
    return NULL;
}

void fork_in_a_new_thread(void) {
    pthread_create(&threads[0], NULL, fork_once, NULL);
    pthread_join(threads[0], NULL);
}

/* Threads whose first deed is a mapping. */
static void *map(void *unused) {
    munmap(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
    return NULL;
}

static void *spawn(void *unused) {
    while (!stop) {
        pthread_t thread;
        if (!pthread_create(&thread, NULL, map, NULL)) pthread_join(thread, NULL);
    }
    return NULL;
}

void fork_beside_new_threads(int times) {
    stop = 0;
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, spawn, NULL);
    fork_often(times);
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

/* Threads that do nothing but allocate. */
static void *churn(void *unused) {
    while (!stop) free(sink = malloc(64));
    return NULL;
}

void start_allocating(void) {
    stop = 0;
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, churn, NULL);
}

void finish_allocating(void) {
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

/* A signal handler that forks, whatever it interrupts. */
static volatile int forks_left;

static void fork_now(int signal) {
    if (forks_left-- > 0) fork_often(1);
}

void map_under_signals(int times) {
    struct sigaction action = {.sa_handler = fork_now, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    forks_left = times;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while (forks_left > 0) map(NULL);
    setitimer(ITIMER_REAL, &never, NULL);
}

void *map_much(void) { return mmap(NULL, 100 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

/* A thread that loads a library, without Python's lock. */
static void *load(void *path) { return dlopen(path, RTLD_NOW); }

void start_loading(char *path) { pthread_create(&threads[0], NULL, load, path); }

void *finish_loading(void) {
    void *library = NULL;
    pthread_join(threads[0], &library);
    return library;
}
