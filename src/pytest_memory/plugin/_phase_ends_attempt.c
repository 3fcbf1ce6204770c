/* The attempt at a test, and what is planned of it, as phase_ends.py says them. */
#include "_phase_ends.h"

static PyTypeObject *planned_type, *attempt_type;

#define NAMES(X) X(collect) X(judged) X(location) X(name) X(nodeid) X(own_markers) X(resident) X(sampled)
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

static bool read_windows(struct planned *self) {
    for (int i = 0; i < PHASES; i++) {
        PyObject *window = window_of(self, i);
        self->has_window[i] = window != Py_None;
        if (!self->has_window[i]) continue;
        self->asks_anything = true;
        if (!read_flag(window, name_sampled, &self->sampled[i])) return false;
        if (!read_flag(window, name_collect, &self->collects[i])) return false;
    }
    return true;
}

static PyObject *planned_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"plan", "windows", NULL};
    PyObject *plan, *windows;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO!", names, &plan, &PyTuple_Type, &windows)) return NULL;
    if (PyTuple_GET_SIZE(windows) != PHASES) return PyErr_Format(PyExc_ValueError, "a test has %d phases", PHASES);
    struct planned *self = (struct planned *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->held[PLANNED_PLAN] = Py_NewRef(plan);
    self->held[PLANNED_WINDOWS] = Py_NewRef(windows);
    bool whole = read_flag(plan, name_resident, &self->resident) && read_flag(plan, name_judged, &self->judged);
    self->asks_anything = self->resident || self->judged;
    if (!whole || !read_windows(self)) Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMemberDef planned_members[] = {
    {"plan", T_OBJECT, SLOT(planned, PLANNED_PLAN), READONLY, "What is asked."},
    {"windows", T_OBJECT, SLOT(planned, PLANNED_WINDOWS), READONLY, "The heap window of each phase, or None."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot planned_slots[] = {
    {Py_tp_new, planned_new},
    {Py_tp_dealloc, planned_dealloc},
    {Py_tp_traverse, planned_traverse},
    {Py_tp_clear, planned_clear},
    {Py_tp_members, planned_members},
    {Py_tp_doc, "Planned(plan, windows): see phase_ends.py."},
    {0, NULL},
};

static PyType_Spec planned_spec = {
    .name = "pytest_memory.plugin._phase_ends.Planned",
    .basicsize = sizeof(struct planned),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = planned_slots,
};

Py_ssize_t pm_count_markers(struct attempt *self) {
    PyObject *own = PyObject_GetItem(self->held[ATTEMPT_ATTRIBUTES], name_own_markers);
    Py_ssize_t count = own ? PyObject_Size(own) : -1;
    Py_XDECREF(own);
    return count;
}

int pm_has_marker(PyObject *attributes, PyObject *names) {
    PyObject *own = PyObject_GetItem(attributes, name_own_markers);
    if (!own) return -1;
    int found = PyList_Check(own) ? 0 : 1; /* what looks into it in Python may know what it is */
    for (Py_ssize_t i = 0; !found && i < PyList_GET_SIZE(own); i++) {
        PyObject *marker = Py_NewRef(PyList_GET_ITEM(own, i)), *name = PyObject_GetAttr(marker, name_name);
        found = name ? PySequence_Contains(names, name) : -1;
        Py_XDECREF(name);
        Py_DECREF(marker);
    }
    Py_DECREF(own);
    return found;
}

/* It is there already if anybody has asked for it, as pytest has when a test begins. */
static PyObject *location_of(PyObject *item, PyObject *attributes) {
    PyObject *location = PyDict_Check(attributes) ? PyDict_GetItemWithError(attributes, name_location) : NULL;
    if (location) return Py_NewRef(location);
    return PyErr_Occurred() ? NULL : PyObject_GetAttr(item, name_location);
}

struct attempt *pm_new_attempt(PyObject *item) {
    struct attempt *self = (struct attempt *)attempt_type->tp_alloc(attempt_type, 0);
    if (!self) return NULL;
    PyObject **held = self->held;
    held[ATTEMPT_ITEM] = Py_NewRef(item);
    if (!(held[ATTEMPT_ATTRIBUTES] = PyObject_GenericGetDict(item, NULL)) ||
        !(held[ATTEMPT_NODEID] = PyObject_GetAttr(item, name_nodeid)) ||
        !(held[ATTEMPT_LOCATION] = location_of(item, held[ATTEMPT_ATTRIBUTES])) ||
        !(held[ATTEMPT_FINISHED] = PyDict_New())) {
        Py_CLEAR(self);
    }
    return self;
}

static PyObject *attempt_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    (void)type; /* it has no subclass */
    static char *names[] = {"item", NULL};
    PyObject *item;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O", names, &item)) return NULL;
    return (PyObject *)pm_new_attempt(item);
}

bool pm_follow(struct attempt *self, PyObject *planned) {
    Py_INCREF(planned); /* to count the markers asks Python */
    Py_ssize_t markers = pm_count_markers(self);
    if (markers < 0) {
        Py_DECREF(planned);
        return false;
    }
    self->markers = markers;
    Py_XSETREF(self->held[ATTEMPT_PLANNED], planned);
    return true;
}

static PyObject *attempt_follow(PyObject *object, PyObject *planned) {
    if (!Py_IS_TYPE(planned, planned_type)) {
        return PyErr_Format(PyExc_TypeError, "a Planned is needed, not %.100s", Py_TYPE(planned)->tp_name);
    }
    return pm_follow((struct attempt *)object, planned) ? Py_NewRef(Py_None) : NULL;
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
    {Py_tp_new, attempt_new},
    {Py_tp_dealloc, attempt_dealloc},
    {Py_tp_traverse, attempt_traverse},
    {Py_tp_clear, attempt_clear},
    {Py_tp_methods, attempt_methods},
    {Py_tp_members, attempt_members},
    {Py_tp_getset, attempt_attributes},
    {Py_tp_doc, "Attempt(item): see phase_ends.py."},
    {0, NULL},
};

static PyType_Spec attempt_spec = {
    .name = "pytest_memory.plugin._phase_ends.Attempt",
    .basicsize = sizeof(struct attempt),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = attempt_slots,
};

bool pm_is_attempt(PyObject *object) {
    if (Py_IS_TYPE(object, attempt_type)) return true;
    PyErr_Format(PyExc_TypeError, "an Attempt is needed, not %.100s", Py_TYPE(object)->tp_name);
    return false;
}

bool pm_has_plan(PyObject *object) {
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
