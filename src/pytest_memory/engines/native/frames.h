/* Walk the calling thread's Python frames, without allocating and without taking references. */
#ifndef PM_FRAMES_H
#define PM_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "stacks.h"

/* Fill in up to `room` frames, most recent first; 0 in a thread that runs no Python. A frame that is `outside` and those
 * that called it are left out, but for the most recent frame of all. */
size_t pm_frames_walk(struct pm_frame *frames, size_t room, const void *outside);

/* What is outside for the code that a caller of the running frame is about to call: with 1 its caller, with 2 the caller
 * of that, and NULL with 0. It can be told from other frames for as long as it runs. */
const void *pm_frames_outside(int callers);

/* The line of a frame just walked. */
int32_t pm_frames_line(const struct pm_frame *frame);

/* Copy a code object's file name or qualified name as UTF-8, at most `room` bytes. Returns the length. */
size_t pm_frames_filename(const void *code, char *buffer, size_t room);
size_t pm_frames_name(const void *code, char *buffer, size_t room);

/* The table by which its instructions have lines. */
const char *pm_frames_table(const void *code, size_t *length);

#endif
