/* The engine as a whole, as its Python face sees it. */
#ifndef PM_ENGINE_H
#define PM_ENGINE_H

#include "windows.h"

/* Find the originals and patch everything, once in a process. NULL, or why it cannot be done. Here and for a window the
 * reason may be pm_unsettled. */
const char *pm_engine_install(const void *interpreter);

/* An open window and what must still be true when it closes. */
struct pm_session {
    struct pm_request request;
    struct pm_window *window;
    uint32_t serial;
    uint64_t breaks;
    uint64_t forks;
};

const char *pm_engine_open(struct pm_session *session);

/* NULL, or why the reading is worth nothing. The tallies stand until pm_engine_release. */
const char *pm_engine_close(struct pm_session *session, struct pm_reading *reading);
void pm_engine_release(struct pm_session *session);

/* Take the Python allocators' hooks out, if no window needs them: also done when the last one closes. */
void pm_engine_aside(void);

/* Stop counting for good: the interpreter ends. Nothing is unpatched, since threads may be inside the hooks. */
void pm_engine_shutdown(void);

#endif
