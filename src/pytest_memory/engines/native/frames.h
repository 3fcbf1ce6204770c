/* Walk the calling thread's Python frames, without allocating and without taking references. */
#ifndef PM_FRAMES_H
#define PM_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "stacks.h"

/* Fill in up to `room` frames, most recent first; 0 in a thread that runs no Python. */
size_t pm_frames_walk(struct pm_frame *frames, size_t room);

/* The line of a frame just walked. */
int32_t pm_frames_line(const struct pm_frame *frame);

/* Copy a code object's file name or qualified name as UTF-8, at most `room` bytes. Returns the length. */
size_t pm_frames_filename(const void *code, char *buffer, size_t room);
size_t pm_frames_name(const void *code, char *buffer, size_t room);

#endif
