#include "stacks.h"

#include <string.h>

#include "frames.h"
#include "memory.h"

enum {
    STACK_SLOTS = PM_STACKS * 2,
    FRAMES = 1 << 22,
    CODES = 1 << 17,
    CODE_SLOTS = CODES * 2,
    TEXT = 1 << 25,
    LONGEST_TEXT = 4096,
    SPOTS = 1 << 15,
};

struct stack {
    uint64_t hash;
    uint32_t begin; /* in the frames */
    uint32_t depth;
    uint32_t slot;
};

/* Its file name, its name and, unless it is long, its table of lines stand in the text, one behind the other. */
struct code {
    struct pm_frame frame; /* only what identifies the code object */
    uint32_t slot;
    uint32_t clearing; /* the last one after which it was seen */
    uint32_t begin, filename_length, name_length, table_length;
    uint64_t table_hash; /* of one that does not stand there */
};

/* Where in a code object a frame stood. Python finds the line of an instruction by walking through the table of all of
 * them, and most frames of a stack are those of the stack before it, or of the test before. */
struct spot {
    uint32_t flush; /* how often the code objects had been forgotten */
    uint32_t code;
    int32_t instruction;
    int32_t line;
};

/* Room is reserved for the largest tables at once; pages cost nothing until they are used. */
struct pm_stacks {
    uint32_t count, frames_used, codes_used, text_used;
    uint32_t clearings, flushes;
    const void *outside;
    struct pm_frame scratch[PM_STACK_DEPTH];
    struct stack stacks[PM_STACKS];
    uint32_t stack_slots[STACK_SLOTS];
    struct pm_frame frames[FRAMES];
    struct pm_place places[FRAMES];
    struct code codes[CODES];
    uint32_t code_slots[CODE_SLOTS];
    struct spot spots[SPOTS];
    char text[TEXT];
};

struct pm_stacks *pm_stacks_make(void) {
    struct pm_stacks *stacks = pm_reserve(sizeof *stacks);
    if (!stacks) return NULL;
    stacks->count = 1; /* PM_STACK_NONE */
    stacks->clearings = stacks->flushes = 1;
    return stacks;
}

/* Code objects outlive a window, mostly, so their records do too, until the tables are half full. */
static void forget_codes(struct pm_stacks *stacks) {
    for (uint32_t i = 0; i < stacks->codes_used; i++) stacks->code_slots[stacks->codes[i].slot] = 0;
    stacks->codes_used = stacks->text_used = 0;
    if (++stacks->flushes == 0) { /* it wrapped: spots of long ago would look like new ones */
        memset(stacks->spots, 0, sizeof stacks->spots);
        stacks->flushes = 1;
    }
}

void pm_stacks_clear(struct pm_stacks *stacks, const void *outside) {
    stacks->outside = outside;
    for (uint32_t i = 1; i < stacks->count; i++) stacks->stack_slots[stacks->stacks[i].slot] = 0;
    stacks->count = 1;
    stacks->frames_used = 0;
    if (++stacks->clearings == 0 || stacks->codes_used > CODES / 2 || stacks->text_used > TEXT / 2) {
        forget_codes(stacks);
    }
}

/* The finaliser of MurmurHash3 (public domain), folding in one word at a time. */
static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0xff51afd7ed558ccdu;
    return hash ^ hash >> 32;
}

static uint64_t hash_frames(const struct pm_frame *frames, size_t depth) {
    uint64_t hash = depth;
    for (size_t i = 0; i < depth; i++) {
        hash = mix(hash, (uint64_t)(uintptr_t)frames[i].code ^ (uint64_t)(uint32_t)frames[i].instruction << 48);
        hash = mix(hash, (uint64_t)(uintptr_t)frames[i].name + (uint64_t)(uint32_t)frames[i].first_line);
    }
    return hash;
}

static bool same_code(const struct pm_frame *a, const struct pm_frame *b) {
    return a->code == b->code && a->name == b->name && a->first_line == b->first_line;
}

static uint64_t hash_bytes(const char *table, size_t length) {
    uint64_t hash = length, word;
    for (; length >= sizeof word; length -= sizeof word, table += sizeof word) {
        memcpy(&word, table, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, table, length);
    return mix(hash, word);
}

/* Write down what a code object says of itself, behind all other text. */
static void describe(struct pm_stacks *stacks, struct code *code, const void *object) {
    code->clearing = stacks->clearings;
    code->begin = stacks->text_used;
    char *text = stacks->text + code->begin;
    code->filename_length = (uint32_t)pm_frames_filename(object, text, LONGEST_TEXT);
    text += code->filename_length;
    code->name_length = (uint32_t)pm_frames_name(object, text, LONGEST_TEXT);
    text += code->name_length;
    size_t length;
    const char *table = pm_frames_table(object, &length);
    bool kept = length <= LONGEST_TEXT; /* to compare bytes takes a tenth of what a hash takes */
    code->table_length = kept ? (uint32_t)length : 0;
    code->table_hash = kept ? 0 : hash_bytes(table, length);
    memcpy(text, table, code->table_length);
}

static uint32_t text_length(const struct code *code) {
    return code->filename_length + code->name_length + code->table_length;
}

static bool same_description(const struct pm_stacks *stacks, const struct code *a, const struct code *b) {
    return a->filename_length == b->filename_length && a->name_length == b->name_length &&
           a->table_length == b->table_length && a->table_hash == b->table_hash &&
           memcmp(stacks->text + a->begin, stacks->text + b->begin, text_length(a)) == 0;
}

/* The record that a frame's code object had when it was last seen, or NULL; and the slot that has it or is to have it. */
static struct code *known_code(struct pm_stacks *stacks, const struct pm_frame *frame, uint32_t *slot) {
    uint64_t hash = mix(mix(1, (uint64_t)(uintptr_t)frame->code), (uint64_t)(uintptr_t)frame->name);
    for (*slot = (uint32_t)(hash % CODE_SLOTS); stacks->code_slots[*slot]; *slot = (*slot + 1) % CODE_SLOTS) {
        struct code *code = &stacks->codes[stacks->code_slots[*slot] - 1];
        if (same_code(&code->frame, frame)) return code;
    }
    return NULL;
}

/* The record of a frame's code object, made if need be; false if there is no room. What was seen before the tables were
 * cleared may have gone since, and something else may have come to its address: it has to say the same as it did. */
static bool find_code(struct pm_stacks *stacks, const struct pm_frame *frame, uint32_t *number) {
    uint32_t slot;
    struct code *known = known_code(stacks, frame, &slot);
    if (!known || known->clearing != stacks->clearings) {
        if (stacks->codes_used == CODES || stacks->text_used + 3 * LONGEST_TEXT > TEXT) return false;
        struct code *code = &stacks->codes[stacks->codes_used];
        describe(stacks, code, frame->code);
        if (known && same_description(stacks, known, code)) {
            known->clearing = stacks->clearings;
        } else {
            code->frame = *frame;
            code->slot = slot;
            stacks->text_used += text_length(code);
            stacks->code_slots[slot] = ++stacks->codes_used;
        }
    }
    *number = stacks->code_slots[slot] - 1;
    return true;
}

static int32_t find_line(struct pm_stacks *stacks, const struct pm_frame *frame, uint32_t code) {
    struct spot *spot = &stacks->spots[mix(mix(1, code), (uint32_t)frame->instruction) % SPOTS];
    if (spot->flush != stacks->flushes || spot->code != code || spot->instruction != frame->instruction) {
        *spot = (struct spot){stacks->flushes, code, frame->instruction, pm_frames_line(frame)};
    }
    return spot->line;
}

static uint32_t add_stack(struct pm_stacks *stacks, uint64_t hash, uint32_t slot, size_t depth) {
    uint32_t begin = stacks->frames_used;
    if (stacks->count == PM_STACKS || begin + depth > FRAMES) return PM_STACK_NONE;
    for (size_t i = 0; i < depth; i++) {
        struct pm_place *place = &stacks->places[begin + i];
        if (!find_code(stacks, &stacks->scratch[i], &place->code)) return PM_STACK_NONE;
        place->line = find_line(stacks, &stacks->scratch[i], place->code);
    }
    memcpy(&stacks->frames[begin], stacks->scratch, depth * sizeof(struct pm_frame));
    stacks->frames_used += (uint32_t)depth;
    uint32_t number = stacks->count++;
    stacks->stacks[number] = (struct stack){hash, begin, (uint32_t)depth, slot};
    stacks->stack_slots[slot] = number;
    return number;
}

uint32_t pm_stacks_find(struct pm_stacks *stacks) {
    size_t depth = pm_frames_walk(stacks->scratch, PM_STACK_DEPTH, stacks->outside);
    uint64_t hash = hash_frames(stacks->scratch, depth);
    uint32_t slot = (uint32_t)(hash % STACK_SLOTS);
    for (; stacks->stack_slots[slot]; slot = (slot + 1) % STACK_SLOTS) {
        const struct stack *stack = &stacks->stacks[stacks->stack_slots[slot]];
        if (stack->hash == hash && stack->depth == depth &&
            memcmp(&stacks->frames[stack->begin], stacks->scratch, depth * sizeof(struct pm_frame)) == 0) {
            return stacks->stack_slots[slot];
        }
    }
    return add_stack(stacks, hash, slot, depth);
}

uint32_t pm_stacks_count(const struct pm_stacks *stacks) { return stacks->count; }

size_t pm_stacks_places(const struct pm_stacks *stacks, uint32_t stack, const struct pm_place **places) {
    *places = &stacks->places[stacks->stacks[stack].begin];
    return stacks->stacks[stack].depth;
}

bool pm_stacks_code(const struct pm_stacks *stacks, uint32_t number, struct pm_text *filename, struct pm_text *name) {
    if (number >= stacks->codes_used) return false;
    const struct code *code = &stacks->codes[number];
    const char *text = stacks->text + code->begin;
    *filename = (struct pm_text){text, code->filename_length};
    *name = (struct pm_text){text + code->filename_length, code->name_length};
    return true;
}

uint32_t pm_stacks_generation(const struct pm_stacks *stacks) { return stacks->flushes; }

size_t pm_stacks_resident(const struct pm_stacks *stacks) { return pm_resident(stacks, sizeof *stacks); }
