#define _GNU_SOURCE
#include "patch.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "real.h"

#if defined(__x86_64__)
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOB_DAT = R_X86_64_GLOB_DAT, ABSOLUTE = R_X86_64_64 };
#elif defined(__aarch64__)
enum { JUMP_SLOT = R_AARCH64_JUMP_SLOT, GLOB_DAT = R_AARCH64_GLOB_DAT, ABSOLUTE = R_AARCH64_ABS64 };
#else
#error "the native engine knows x86-64 and aarch64"
#endif

const char pm_unsettled[] = "other threads were loading libraries all the while";

enum { OBJECT_SLOTS = 1 << 14, CANARIES = 16 };

/* One loaded object: what its dynamic section says. */
struct object {
    uintptr_t base;
    const ElfW(Phdr) *headers;
    size_t header_count;
    const ElfW(Sym) *symbols;
    const char *names;
    const ElfW(Rela) *tables[2];
    size_t counts[2], relative;
    uintptr_t sealed_begin, sealed_end; /* read-only after relocation */
    bool guarded;                       /* the C library or the interpreter: canaries are taken from it */
    bool open;                          /* sealed pages are writable now */
    bool failed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t *handled; /* a hash set of the addresses of dynamic sections */
static size_t handled_count;
static unsigned long long seen_adds, seen_subs;
static _Atomic unsigned long long settled_adds; /* what was loaded by then is complete */
static _Atomic bool expecting;
static uintptr_t own_address, interpreter_address, library_address;
static bool failed;
static bool foreign; /* the interpreter or the C library calls somebody else's malloc or free */

static struct {
    void *_Atomic *slot;
    void *hook;
} canaries[CANARIES];
static size_t canary_count;

static bool is_handled(uintptr_t dynamic) {
    size_t slot = (dynamic >> 4) * 0x9e3779b97f4a7c15u % OBJECT_SLOTS;
    for (; handled[slot]; slot = (slot + 1) % OBJECT_SLOTS) {
        if (handled[slot] == dynamic) return true;
    }
    if (handled_count < OBJECT_SLOTS / 2) { /* beyond, objects are looked at again each time */
        handled[slot] = dynamic;
        handled_count++;
    }
    return false;
}

static void forget_handled(void) {
    memset(handled, 0, OBJECT_SLOTS * sizeof *handled);
    handled_count = 0;
}

static bool contains(const struct object *object, uintptr_t address) {
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        uintptr_t begin = object->base + header->p_vaddr;
        if (header->p_type == PT_LOAD && address >= begin && address < begin + header->p_memsz) return true;
    }
    return false;
}

/* glibc relocates the addresses in the dynamic section, musl does not. */
static uintptr_t resolved(const struct object *object, ElfW(Addr) address) {
    return address < object->base ? object->base + address : address;
}

static bool read_dynamic(struct object *object, const ElfW(Dyn) *entry) {
    size_t sizes[2] = {0, 0};
    bool rela = true;
    for (; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB: object->symbols = (const void *)resolved(object, entry->d_un.d_ptr); break;
        case DT_STRTAB: object->names = (const void *)resolved(object, entry->d_un.d_ptr); break;
        case DT_RELA: object->tables[0] = (const void *)resolved(object, entry->d_un.d_ptr); break;
        case DT_RELASZ: sizes[0] = entry->d_un.d_val; break;
        case DT_RELACOUNT: object->relative = entry->d_un.d_val; break;
        case DT_JMPREL: object->tables[1] = (const void *)resolved(object, entry->d_un.d_ptr); break;
        case DT_PLTRELSZ: sizes[1] = entry->d_un.d_val; break;
        case DT_PLTREL: rela = entry->d_un.d_val == DT_RELA; break;
        default: break;
        }
    }
    for (int i = 0; i < 2; i++) object->counts[i] = object->tables[i] ? sizes[i] / sizeof(ElfW(Rela)) : 0;
    if (!rela) object->counts[1] = 0;
    return object->symbols && object->names;
}

static struct pm_function *function_named(const char *name) {
    if (!strchr("mfcrpavd", name[0])) return NULL;
    for (int i = 0; i < PM_FUNCTION_COUNT; i++) {
        if (pm_functions[i].original && strcmp(pm_functions[i].name, name) == 0) return &pm_functions[i];
    }
    return NULL;
}

/* Sealed pages are opened once per object, and sealed again when it is done. */
static bool unseal(struct object *object, bool open) {
    if (object->open == open || object->sealed_begin >= object->sealed_end) return true;
    if (mprotect((void *)object->sealed_begin, object->sealed_end - object->sealed_begin,
                 open ? PROT_READ | PROT_WRITE : PROT_READ) != 0) {
        return false;
    }
    object->open = open;
    return true;
}

static bool is_telling(const struct pm_function *function) {
    return function->hook == pm_functions[PM_NUMBER_malloc].hook || function->hook == pm_functions[PM_NUMBER_free].hook;
}

static void guard(const struct pm_function *function, void *_Atomic *slot) {
    if (!is_telling(function) || canary_count == CANARIES) return;
    for (size_t i = 0; i < canary_count; i++) {
        if (canaries[i].slot == slot) return;
    }
    canaries[canary_count].slot = slot;
    canaries[canary_count++].hook = function->hook;
}

/* Only what is bound to the original is patched, or what is going to be: a lazy slot still points into its own object.
 * An object that brings its own allocator along keeps it. */
static void patch_slot(struct object *object, const struct pm_function *function, const ElfW(Sym) *symbol,
                       unsigned type, void *_Atomic *slot) {
    void *value = atomic_load_explicit(slot, memory_order_relaxed);
    bool lazy = type == JUMP_SLOT && symbol->st_shndx == SHN_UNDEF && contains(object, (uintptr_t)value);
    bool ours = value == function->hook;
    bool original = value == function->original || value == function->older || value == function->stand_in;
    if (!value || (!ours && !original && !lazy)) {
        if (value && object->guarded && is_telling(function)) foreign = true;
        return;
    }
    if (!ours) {
        uintptr_t address = (uintptr_t)slot;
        bool sealed = address >= object->sealed_begin && address < object->sealed_end;
        if (sealed && !unseal(object, true)) {
            object->failed = true;
            return;
        }
        atomic_store_explicit(slot, function->hook, memory_order_relaxed);
    }
    if (object->guarded) guard(function, slot);
}

static void patch_table(struct object *object, const ElfW(Rela) *table, size_t begin, size_t count) {
    for (size_t i = begin; i < count; i++) {
        unsigned type = (unsigned)ELF64_R_TYPE(table[i].r_info);
        if (type != (unsigned)JUMP_SLOT && type != (unsigned)GLOB_DAT && type != (unsigned)ABSOLUTE) continue;
        if (type == (unsigned)ABSOLUTE && table[i].r_addend) continue;
        const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(table[i].r_info)];
        const struct pm_function *function = function_named(object->names + symbol->st_name);
        if (function) patch_slot(object, function, symbol, type, (void *_Atomic *)(object->base + table[i].r_offset));
    }
}

static void patch_object(struct object *object) {
    patch_table(object, object->tables[0], object->relative, object->counts[0]);
    patch_table(object, object->tables[1], 0, object->counts[1]);
    if (!unseal(object, false)) object->failed = true;
    if (object->failed && object->guarded) failed = true;
}

/* The loader calls malloc before and while others are relocated; on musl it is the C library as well. */
static bool is_loader(const struct object *object, const char *path) {
    const char *slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, "ld-linux", 8) == 0 && !contains(object, library_address);
}

struct counters {
    unsigned long long adds, subs;
};

static struct counters counters_of(const struct dl_phdr_info *info, size_t size) {
    if (size < offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) return (struct counters){0, 0};
    return (struct counters){info->dlpi_adds, info->dlpi_subs};
}

static int read_counters(struct dl_phdr_info *info, size_t size, void *result) {
    *(struct counters *)result = counters_of(info, size);
    return 1;
}

static int visit(struct dl_phdr_info *info, size_t size, void *expected) {
    if (counters_of(info, size).adds != ((struct counters *)expected)->adds) return 1;
    struct object object = {.base = info->dlpi_addr, .headers = info->dlpi_phdr, .header_count = info->dlpi_phnum};
    const ElfW(Dyn) *dynamic = NULL;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < object.header_count; i++) {
        const ElfW(Phdr) *header = &object.headers[i];
        uintptr_t begin = object.base + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC) dynamic = (const void *)begin;
        if (header->p_type == PT_GNU_RELRO) {
            object.sealed_begin = begin & ~(page - 1);
            object.sealed_end = (begin + header->p_memsz) & ~(page - 1);
        }
    }
    if (!dynamic || is_handled((uintptr_t)dynamic)) return 0;
    const char *path = info->dlpi_name ? info->dlpi_name : "";
    if (strstr(path, "vdso") || is_loader(&object, path) || contains(&object, own_address)) return 0;
    object.guarded = contains(&object, interpreter_address) || contains(&object, library_address);
    if (read_dynamic(&object, dynamic)) patch_object(&object);
    return 0;
}

/* The loader tells of objects that another thread is about to relocate. Their slots are not filled yet, and to seal what
 * it still writes to would end the process. It holds one lock from before it tells of an object until it is complete, and
 * dladdr() takes the same for a moment. Unlike others that do, it leaves alone what dlerror() says. */
void pm_patch_settle(void) {
    struct counters now = {0, 0};
    Dl_info unused;
    dl_iterate_phdr(read_counters, &now);
    dladdr((void *)&pm_patch_settle, &unused);
    atomic_store(&settled_adds, now.adds);
}

bool pm_patch_refresh(bool thorough) {
    int saved = errno;
    struct counters now = {0, 0};
    dl_iterate_phdr(read_counters, &now);
    bool expected = atomic_load_explicit(&expecting, memory_order_relaxed);
    if (!thorough && !expected && now.adds == seen_adds && now.subs == seen_subs) return true;
    if (now.adds != atomic_load(&settled_adds)) return false;
    /* A constructor that loads a library may come here while another thread is here: it is served later. */
    atomic_store_explicit(&expecting, false, memory_order_relaxed);
    if (pthread_mutex_trylock(&lock) != 0) {
        pm_patch_expect();
        errno = saved;
        return true;
    }
    if (thorough || now.subs != seen_subs) forget_handled();
    bool complete = dl_iterate_phdr(visit, &now) == 0;
    if (complete) {
        seen_adds = now.adds;
        seen_subs = now.subs;
    } else {
        pm_patch_expect();
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return complete;
}

void pm_patch_expect(void) { atomic_store_explicit(&expecting, true, memory_order_relaxed); }

void pm_patch_again(void) {
    for (int tries = 0; tries < PM_PATIENCE && !pm_patch_refresh(false); tries++) pm_patch_settle();
}

bool pm_patch_intact(void) {
    for (size_t i = 0; i < canary_count; i++) {
        if (atomic_load_explicit(canaries[i].slot, memory_order_relaxed) != canaries[i].hook) return false;
    }
    return true;
}

const char *pm_patch_install(const void *interpreter) {
    own_address = (uintptr_t)&pm_patch_install;
    interpreter_address = (uintptr_t)interpreter;
    library_address = (uintptr_t)pm_functions[PM_NUMBER_malloc].original;
    if (!handled && !(handled = pm_reserve(OBJECT_SLOTS * sizeof *handled))) return "there is no memory for its tables";
    if (!pm_patch_refresh(true)) return pm_unsettled;
    if (failed) return "the import tables cannot be made writable";
    if (canary_count < 2 && foreign) return "another tool holds the allocation hooks";
    if (canary_count < 2) return "the interpreter does not reach malloc and free through an import table";
    return NULL;
}

struct listing {
    void (*each)(const char *path, void *context);
    void *context;
};

static int list_object(struct dl_phdr_info *info, size_t size, void *argument) {
    (void)size;
    struct listing *listing = argument;
    if (info->dlpi_name && info->dlpi_name[0]) listing->each(info->dlpi_name, listing->context);
    return 0;
}

void pm_patch_objects(void (*each)(const char *path, void *context), void *context) {
    struct listing listing = {each, context};
    dl_iterate_phdr(list_object, &listing);
}

void pm_patch_forked(void) {
    if (pthread_mutex_trylock(&lock) == 0) {
        pthread_mutex_unlock(&lock);
        return;
    }
    pthread_mutex_init(&lock, NULL);
    forget_handled(); /* another thread was about to change it */
    pm_patch_expect();
}
