/* What the two ends of a phase have in hand: the attempt at the test that runs, and what is planned of it. */
#ifndef PM_ENDS_H
#define PM_ENDS_H

#include "../extension.h"

#include <stdbool.h>
#include <stddef.h>
#include <structmember.h>

enum { SETUP = 0, CALL = 1, TEARDOWN = 2, PHASES = 3 };

/* What is asked of a test, and the windows that it takes; shared by all of which the same is asked. */
enum { PLANNED_PLAN, PLANNED_WINDOWS, PLANNED_HELD };

struct planned {
    PyObject_HEAD
    PyObject *held[PLANNED_HELD];
    bool resident, judged, asks_anything;
    bool has_window[PHASES], sampled[PHASES], collects[PHASES];
};

enum {
    ATTEMPT_ITEM,
    ATTEMPT_ATTRIBUTES,
    ATTEMPT_NODEID,
    ATTEMPT_LOCATION,
    ATTEMPT_PLANNED,
    ATTEMPT_RESIDENT, /* the open window over resident memory */
    ATTEMPT_START,    /* resident bytes when the setup began */
    ATTEMPT_READING,
    ATTEMPT_WINDOW,
    ATTEMPT_FINISHED,
    ATTEMPT_HELD,
};

struct attempt {
    PyObject_HEAD
    PyObject *held[ATTEMPT_HELD];
    Py_ssize_t markers; /* how many the test had when its plan was made */
    double began;
};

/* Add Planned and Attempt to the module. */
int pm_offer_attempt(PyObject *module);

/* Whether an object is an attempt; TypeError is set if not. */
bool pm_is_attempt(PyObject *object);

/* Whether it is, and follows a plan; TypeError or RuntimeError is set if not. */
bool pm_has_plan(PyObject *object);

/* A new one; NULL with an exception set. */
struct attempt *pm_new_attempt(PyObject *item);

/* A Planned is what its markers ask for, as many as there are by now; false with an exception set. */
bool pm_follow(struct attempt *attempt, PyObject *planned);

/* Whether a node with these attributes has a marker of one of these names itself; -1 with an exception set. */
int pm_has_marker(PyObject *attributes, PyObject *names);

/* How many markers a test has by now; -1 with an exception set. Asks Python: whoever calls has a reference. */
Py_ssize_t pm_count_markers(struct attempt *attempt);

static inline struct planned *planned_of(const struct attempt *self) {
    return (struct planned *)self->held[ATTEMPT_PLANNED];
}

static inline PyObject *window_of(const struct planned *self, int phase) {
    return PyTuple_GET_ITEM(self->held[PLANNED_WINDOWS], phase);
}

static inline bool is_there(PyObject *object) { return object && object != Py_None; }

/* The parts that every type here has in common: what it holds stands in one array. */

#define SLOT(type, name) (offsetof(struct type, held) + (name) * sizeof(PyObject *))

static inline int visit_held(PyObject *object, PyObject **held, int count, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    for (int i = 0; i < count; i++) Py_VISIT(held[i]);
    return 0;
}

static inline int clear_held(PyObject **held, int count) {
    for (int i = 0; i < count; i++) Py_CLEAR(held[i]);
    return 0;
}

#define COLLECTED(type, count)                                                                                         \
    static int type##_traverse(PyObject *object, visitproc visit, void *arg) {                                         \
        return visit_held(object, ((struct type *)object)->held, count, visit, arg);                                   \
    }                                                                                                                  \
    static int type##_clear(PyObject *object) { return clear_held(((struct type *)object)->held, count); }             \
    static void type##_dealloc(PyObject *object) {                                                                     \
        PyObject_GC_UnTrack(object);                                                                                   \
        type##_clear(object);                                                                                          \
        PyTypeObject *kind = Py_TYPE(object);                                                                          \
        kind->tp_free(object);                                                                                         \
        Py_DECREF(kind);                                                                                               \
    }

/* Names, interned: a text made anew would be looked up anew in every class each time. */
#define DECLARE(name) static PyObject *name_##name;
#define INTERN(name) if (!name_##name && !(name_##name = PyUnicode_InternFromString(#name))) return -1;

#endif
