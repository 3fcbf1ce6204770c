/* The attempt at a test, and what is planned of it, as bounds.py says them. */
#include "_bounds.h"

static PyTypeObject *planned_type, *attempt_type;

#define NAMES(X) X(collect) X(judged) X(location) X(nodeid) X(own_markers) X(resident) X(sampled) X(__dict__)
NAMES(DECLARE)

COLLECTED(planned, PLANNED_HELD)
COLLECTED(attempt, ATTEMPT_HELD)

static bool read_flag(PyObject *object, PyObject *name, bool *flag) {
    PyObject *value = PyObject_GetAttr(object, name);
    int truth = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    *flag = truth > 0;
    return truth >= 0;
}

static int planned_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"plan", "windows", NULL};
    struct planned *self = (struct planned *)object;
    PyObject *plan, *windows;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO!", names, &plan, &PyTuple_Type, &windows)) return -1;
    if (PyTuple_GET_SIZE(windows) != PHASES) {
        PyErr_Format(PyExc_ValueError, "a test has %d phases", PHASES);
        return -1;
    }
    Py_XSETREF(self->held[PLANNED_PLAN], Py_NewRef(plan));
    Py_XSETREF(self->held[PLANNED_WINDOWS], Py_NewRef(windows));
    if (!read_flag(plan, name_resident, &self->resident) || !read_flag(plan, name_judged, &self->judged)) return -1;
    self->anything = self->resident || self->judged;
    for (int i = 0; i < PHASES; i++) {
        PyObject *window = window_of(self, i);
        self->there[i] = window != Py_None;
        if (!self->there[i]) continue;
        self->anything = true;
        if (!read_flag(window, name_sampled, &self->sampled[i])) return -1;
        if (!read_flag(window, name_collect, &self->collects[i])) return -1;
    }
    return 0;
}

static PyMemberDef planned_members[] = {
    {"plan", T_OBJECT, SLOT(planned, PLANNED_PLAN), READONLY, "What is asked."},
    {"windows", T_OBJECT, SLOT(planned, PLANNED_WINDOWS), READONLY, "The heap window of each phase, or None."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot planned_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, planned_init},
    {Py_tp_dealloc, planned_dealloc},
    {Py_tp_traverse, planned_traverse},
    {Py_tp_clear, planned_clear},
    {Py_tp_members, planned_members},
    {Py_tp_doc, "Planned(plan, windows): see bounds.py."},
    {0, NULL},
};

static PyType_Spec planned_spec = {
    .name = "pytest_memory.plugin._bounds.Planned",
    .basicsize = sizeof(struct planned),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = planned_slots,
};

/* An attempt. */

Py_ssize_t pm_count_markers(const struct attempt *self) {
    PyObject *own = PyObject_GetItem(self->held[ATTEMPT_ATTRIBUTES], name_own_markers);
    Py_ssize_t count = own ? PyObject_Size(own) : -1;
    Py_XDECREF(own);
    return count;
}

static int attempt_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"item", NULL};
    struct attempt *self = (struct attempt *)object;
    PyObject *item;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O", names, &item)) return -1;
    clear_held(self->held, ATTEMPT_HELD);
    self->held[ATTEMPT_ITEM] = Py_NewRef(item);
    if (!(self->held[ATTEMPT_ATTRIBUTES] = PyObject_GetAttr(item, name___dict__))) return -1;
    if (!(self->held[ATTEMPT_NODEID] = PyObject_GetAttr(item, name_nodeid))) return -1;
    if (!(self->held[ATTEMPT_LOCATION] = PyObject_GetAttr(item, name_location))) return -1;
    if (!(self->held[ATTEMPT_FINISHED] = PyDict_New())) return -1;
    return 0;
}

static PyObject *attempt_follow(PyObject *object, PyObject *planned) {
    struct attempt *self = (struct attempt *)object;
    if (!self->held[ATTEMPT_ATTRIBUTES]) {
        PyErr_SetString(PyExc_RuntimeError, "the attempt was never made");
        return NULL;
    }
    if (!Py_IS_TYPE(planned, planned_type)) {
        PyErr_SetString(PyExc_TypeError, "an attempt follows what is planned");
        return NULL;
    }
    Py_ssize_t markers = pm_count_markers(self);
    if (markers < 0) return NULL;
    self->markers = markers;
    Py_XSETREF(self->held[ATTEMPT_PLANNED], Py_NewRef(planned));
    Py_RETURN_NONE;
}

static PyObject *attempt_plan(PyObject *object, void *unused) {
    (void)unused;
    struct planned *planned = planned_of((struct attempt *)object);
    return Py_NewRef(planned ? planned->held[PLANNED_PLAN] : Py_None);
}

static PyMethodDef attempt_methods[] = {
    {"follow", attempt_follow, METH_O, "follow(planned) -> None"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef attempt_members[] = {
    {"item", T_OBJECT, SLOT(attempt, ATTEMPT_ITEM), READONLY, "The test."},
    {"nodeid", T_OBJECT, SLOT(attempt, ATTEMPT_NODEID), READONLY, "Its node id."},
    {"location", T_OBJECT, SLOT(attempt, ATTEMPT_LOCATION), READONLY, "Where it is."},
    {"reading", T_OBJECT, SLOT(attempt, ATTEMPT_READING), READONLY, "What the heap window of the phase said."},
    {"window", T_OBJECT, SLOT(attempt, ATTEMPT_WINDOW), READONLY, "That window, while it is open."},
    {"finished", T_OBJECT, SLOT(attempt, ATTEMPT_FINISHED), 0, "Phases that have no report yet."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef attempt_attributes[] = {
    {"plan", attempt_plan, NULL, "What is asked of the test.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot attempt_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, attempt_init},
    {Py_tp_dealloc, attempt_dealloc},
    {Py_tp_traverse, attempt_traverse},
    {Py_tp_clear, attempt_clear},
    {Py_tp_methods, attempt_methods},
    {Py_tp_members, attempt_members},
    {Py_tp_getset, attempt_attributes},
    {Py_tp_doc, "Attempt(item): see bounds.py."},
    {0, NULL},
};

static PyType_Spec attempt_spec = {
    .name = "pytest_memory.plugin._bounds.Attempt",
    .basicsize = sizeof(struct attempt),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = attempt_slots,
};

bool pm_is_attempt(PyObject *object) {
    if (Py_IS_TYPE(object, attempt_type)) return true;
    PyErr_Format(PyExc_TypeError, "an Attempt is needed, not %.100s", Py_TYPE(object)->tp_name);
    return false;
}

bool pm_is_planned(PyObject *object) {
    if (!pm_is_attempt(object)) return false;
    if (planned_of((struct attempt *)object)) return true;
    PyErr_SetString(PyExc_RuntimeError, "the attempt follows no plan");
    return false;
}

int pm_offer_attempt(PyObject *module) {
    NAMES(INTERN)
    if (!planned_type && !(planned_type = (PyTypeObject *)PyType_FromSpec(&planned_spec))) return -1;
    if (!attempt_type && !(attempt_type = (PyTypeObject *)PyType_FromSpec(&attempt_spec))) return -1;
    if (pm_offer_type(module, "Planned", Py_NewRef((PyObject *)planned_type)) < 0) return -1;
    return pm_offer_type(module, "Attempt", Py_NewRef((PyObject *)attempt_type));
}
