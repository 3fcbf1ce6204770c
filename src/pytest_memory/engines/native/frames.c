#include "interpreter.h"

#include "frames.h"

#include <string.h>

size_t pm_frames_walk(struct pm_frame *frames, size_t room, const void *outside) {
    size_t count = 0;
    PyThreadState *thread = PyGILState_GetThisThreadState(); /* this thread's, whether or not it holds the lock */
    if (!thread) return 0;
    for (pm_python_frame *frame = pm_top_frame(thread); frame && count < room; frame = pm_frame_back(frame)) {
        if (frame == outside && count) break;
        PyCodeObject *code = pm_frame_code(frame);
        /* A frame that is being cleared may hold a code object whose own end has begun. */
        if (!code || Py_REFCNT(code) <= 0) continue;
        frames[count].code = code;
        frames[count].name = pm_code_name(code);
        frames[count].first_line = code->co_firstlineno;
        frames[count].instruction = pm_frame_lasti(frame);
        count++;
        if (frame == outside) break;
    }
    return count;
}

const void *pm_frames_outside(int callers) {
    PyThreadState *thread = PyGILState_GetThisThreadState();
    pm_python_frame *frame = thread && callers > 0 ? pm_top_frame(thread) : NULL;
    for (; frame; frame = pm_frame_back(frame)) {
        if (pm_frame_code(frame) && callers-- == 0) return frame;
    }
    return NULL;
}

int32_t pm_frames_line(const struct pm_frame *frame) {
    int line = pm_code_line((PyCodeObject *)frame->code, frame->instruction);
    return line > 0 ? line : frame->first_line;
}

/* PyUnicode_AsUTF8 would allocate, and keep, a copy. */
static size_t copy_text(PyObject *text, char *buffer, size_t room) {
    if (!text || !PyUnicode_Check(text)) return 0;
    size_t used = 0;
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        size_t whole = (size_t)length <= room ? (size_t)length : room;
        memcpy(buffer, data, whole);
        return whole;
    }
    for (Py_ssize_t i = 0; i < length && used + 4 <= room; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c < 0x80) {
            buffer[used++] = (char)c;
        } else if (c < 0x800) {
            buffer[used++] = (char)(0xc0 | c >> 6);
            buffer[used++] = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            buffer[used++] = (char)(0xe0 | c >> 12);
            buffer[used++] = (char)(0x80 | (c >> 6 & 0x3f));
            buffer[used++] = (char)(0x80 | (c & 0x3f));
        } else {
            buffer[used++] = (char)(0xf0 | c >> 18);
            buffer[used++] = (char)(0x80 | (c >> 12 & 0x3f));
            buffer[used++] = (char)(0x80 | (c >> 6 & 0x3f));
            buffer[used++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return used;
}

size_t pm_frames_filename(const void *code, char *buffer, size_t room) {
    return copy_text(((const PyCodeObject *)code)->co_filename, buffer, room);
}

size_t pm_frames_name(const void *code, char *buffer, size_t room) {
    return copy_text(pm_code_name((PyCodeObject *)code), buffer, room);
}

const char *pm_frames_table(const void *code, size_t *length) {
    PyObject *table = ((const PyCodeObject *)code)->co_linetable;
    bool known = table && PyBytes_Check(table);
    *length = known ? (size_t)PyBytes_GET_SIZE(table) : 0;
    return known ? PyBytes_AS_STRING(table) : "";
}
