/*
 * The clock of a controlled process: code and data that the launcher writes behind the vDSO of every
 * program that starts. Freestanding, position-independent, x86_64.
 *
 * `ci/clock-shim` builds shim_x86_64.bin from it; verifier/clock/vdso.py knows the offsets.
 *
 *   0    the configuration, filled in for each process
 *   352  the stub: where the program begins instead of at its own entry
 *   ...  the three functions, whose offsets stand in the configuration until it is filled in
 *
 * The clock page holds two words: the time shown is the real time plus `offset_ns`, but never less
 * than `floor_ns`. Each word is written whole, so a reader sees the time before or after a change,
 * or one between the two; nobody waits for a writer, not even for one that was killed half-way.
 */

typedef long s64;
typedef unsigned long u64;

struct page {
    s64 floor_ns;
    s64 offset_ns;
    u64 magic;
};

struct timespec {
    s64 sec, nsec;
};

struct timeval {
    s64 sec, usec;
};

struct configuration {
    const volatile struct page *page;                   /* where the stub maps the page */
    void *entry;                                        /* where the program itself begins */
    int (*clock_gettime)(int, struct timespec *);       /* the vDSO's own */
    int (*gettimeofday)(struct timeval *, void *);
    struct page copy;                                   /* for a process that cannot open the page */
    char path[296];                                     /* of the page; ends with a zero byte */
};

_Static_assert(sizeof(struct configuration) == 352, "vdso.py says so");

extern const struct configuration configuration __attribute__((visibility("hidden")));

enum { REALTIME = 0, REALTIME_COARSE = 5, TAI = 11, BILLION = 1000000000 };

/*
 * The stub. All registers are zero here but the stack pointer, which must stay as it is. It maps the
 * page and goes on to the program. What cannot open the page (a chroot) gets a copy: the right time,
 * which runs on but no longer follows the controller. What cannot even map that stops at a
 * breakpoint, and the launcher kills it.
 */
__asm__(
    ".section .text.configuration, \"ax\"\n"
    ".globl configuration\n"
    ".hidden configuration\n"
    "configuration:\n"
    "    .quad 0, 0\n"
    "    .quad shim_clock_gettime - configuration\n"
    "    .quad shim_gettimeofday - configuration\n"
    "    .quad shim_time - configuration\n"
    "    .zero 352 - 40\n"
    "stub:\n"
    "    mov $-100, %edi\n"                             /* AT_FDCWD */
    "    lea configuration+56(%rip), %rsi\n"
    "    mov $0x80000, %edx\n"                          /* O_RDONLY | O_CLOEXEC */
    "    xor %r10d, %r10d\n"
    "    mov $257, %eax\n"                              /* openat */
    "    syscall\n"
    "    test %rax, %rax\n"
    "    js copy\n"
    "    mov %rax, %r8\n"
    "    mov $1, %edx\n"                                /* PROT_READ */
    "    mov $0x100001, %r10d\n"                        /* MAP_SHARED | MAP_FIXED_NOREPLACE */
    "    call map\n"
    "    mov %r8, %rdi\n"
    "    mov $3, %eax\n"                                /* close */
    "    syscall\n"
    "    jmp begin\n"
    "copy:\n"
    "    mov $3, %edx\n"                                /* PROT_READ | PROT_WRITE */
    "    mov $0x100022, %r10d\n"                        /* PRIVATE | ANONYMOUS | FIXED_NOREPLACE */
    "    mov $-1, %r8\n"
    "    call map\n"
    "    lea configuration+32(%rip), %rsi\n"
    "    mov %rax, %rdi\n"
    "    mov $3, %ecx\n"
    "    rep movsq\n"
    "begin:\n"
    "    mov configuration+8(%rip), %r11\n"
    "    xor %eax, %eax\n"
    "    xor %ecx, %ecx\n"
    "    xor %edx, %edx\n"                              /* no function for the program's exit */
    "    xor %esi, %esi\n"
    "    xor %edi, %edi\n"
    "    xor %r8d, %r8d\n"
    "    xor %r9d, %r9d\n"
    "    xor %r10d, %r10d\n"
    "    jmp *%r11\n"
    "map:\n"
    "    mov configuration(%rip), %rdi\n"
    "    mov $4096, %esi\n"
    "    xor %r9d, %r9d\n"
    "    mov $9, %eax\n"                                /* mmap */
    "    syscall\n"
    "    cmp %rax, configuration(%rip)\n"
    "    jne failed\n"
    "    ret\n"
    "failed:\n"
    "    int3\n"
    "    jmp failed\n"
    ".text\n");

static s64 shown_ns(const struct timespec *real)
{
    const volatile struct page *page = configuration.page;
    s64 now_ns = real->sec * BILLION + real->nsec + page->offset_ns;
    s64 floor_ns = page->floor_ns;
    return now_ns < floor_ns ? floor_ns : now_ns;
}

static void split(s64 ns, struct timespec *at)
{
    at->sec = ns / BILLION;
    at->nsec = ns % BILLION;
    if (at->nsec < 0) {
        at->nsec += BILLION;
        at->sec -= 1;
    }
}

int shim_clock_gettime(int id, struct timespec *at)
{
    /* The coarse clock lags by a tick: under a clock just set it would still show the second before. */
    int status = configuration.clock_gettime(id == REALTIME_COARSE ? REALTIME : id, at);
    if (status == 0 && (id == REALTIME || id == REALTIME_COARSE || id == TAI))
        split(shown_ns(at), at);
    return status;
}

int shim_gettimeofday(struct timeval *at, void *zone)
{
    struct timespec now;
    if (zone)
        configuration.gettimeofday(0, zone);
    if (at && shim_clock_gettime(REALTIME, &now) == 0) {
        at->sec = now.sec;
        at->usec = now.nsec / 1000;
    }
    return 0;
}

s64 shim_time(s64 *at)
{
    struct timespec now;
    shim_clock_gettime(REALTIME, &now);
    if (at)
        *at = now.sec;
    return now.sec;
}
