#include "engine.h"

#include "locks.h"
#include "patch.h"
#include "pyalloc.h"
#include "real.h"
#include "sites.h"
#include "threads.h"

static const char held[] = "another tool holds the allocation hooks";
static bool installed, ended;
static uint64_t forks;
static uint64_t breaks[PM_LEDGERS]; /* how often hooks were found replaced under an open window */

/* The child has the parent's tables, but no window: what it allocates is not the parent's. It may open its own. */
static void after_fork_in_child(void) {
    atomic_store(pm_tables_whole, false); /* if the kernel did not see to it: nobody waits for a lock of the parent's */
    forks++;
    pm_patch_forked();
    pm_windows_abandon();
    pm_threads_forked();
    pm_sites_abandon();
    pm_locks_forked();
}

/* A fork that calls no handlers, such as a signal handler's, is noticed at the next window's end or beginning. */
static void notice_fork(void) {
    if (!atomic_load_explicit(pm_tables_whole, memory_order_relaxed)) after_fork_in_child();
}

const char *pm_engine_install(const void *interpreter) {
    if (ended) return "the interpreter is ending";
    if (installed) return NULL;
    const char *reason = pm_real_resolve();
    if (!reason) reason = pm_locks_prepare();
    if (!reason) reason = pm_threads_prepare();
    if (!reason) reason = pm_patch_install(interpreter);
    if (reason) return reason;
    if (pthread_atfork(NULL, NULL, after_fork_in_child) != 0) return "fork cannot be watched";
    installed = true;
    return NULL;
}

static void note_break(int which) {
    if (pm_windows_depth(which)) breaks[which]++;
}

/* Somebody may have put his own hooks in the place of ours, or restored the originals over them. NULL, or why they are not
 * in place. */
static const char *put_in_place(void) {
    if (!pm_patch_refresh(false)) return pm_unsettled;
    if (pm_patch_intact()) return NULL;
    for (int which = 0; which < PM_LEDGERS; which++) note_break(which);
    if (!pm_patch_refresh(true)) return pm_unsettled;
    return pm_patch_intact() ? NULL : held;
}

static const char *place_python_hooks(void) {
    if (pm_windows_depth(PM_PYTHON) && pm_pyalloc_intact()) return NULL;
    note_break(PM_PYTHON);
    const char *reason = pm_pyalloc_hook();
    if (reason) return reason;
    return pm_pyalloc_intact() ? NULL : held;
}

const char *pm_engine_open(struct pm_session *session) {
    if (ended) return "the interpreter is ending";
    notice_fork();
    const char *reason = put_in_place();
    if (!reason && session->request.ledger == PM_PYTHON) reason = place_python_hooks();
    if (reason) return reason;
    session->window = pm_window_open(&session->request, &reason);
    if (session->window) {
        session->serial = session->window->serial;
        session->breaks = breaks[session->request.ledger];
        session->forks = forks;
    }
    return reason;
}

const char *pm_engine_close(struct pm_session *session, struct pm_reading *reading) {
    int which = session->request.ledger;
    notice_fork();
    if (session->forks != forks) return "the process was forked inside the window";
    if (!session->window->used || session->window->serial != session->serial) return "the interpreter is ending";
    pm_window_close(which, session->window, reading);
    bool intact = pm_patch_intact() && (which != PM_PYTHON || pm_pyalloc_intact());
    pm_engine_aside(); /* between windows most of what pytest itself does goes by */
    if (!intact) note_break(which);
    if (!intact || session->breaks != breaks[which]) return "another tool replaced the allocation hooks";
    if (reading->lost) return "the engine had no memory left for its own tables";
    return NULL;
}

void pm_engine_release(struct pm_session *session) {
    if (session->forks == forks && session->window) pm_sites_end(&pm_ledgers[session->request.ledger], session->window);
}

void pm_engine_aside(void) {
    if (!pm_windows_depth(PM_PYTHON)) pm_pyalloc_unhook();
}

void pm_engine_shutdown(void) {
    ended = true;
    pm_windows_abandon();
}
