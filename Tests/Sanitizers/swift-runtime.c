// Tells ThreadSanitizer what it cannot see of Swift's own library, preloaded into the process under test.
//
// Swift's Mutex takes a lock that is contended in the language's library, which the sanitizer does not watch: by waiting
// for it a little, and then by a system call. It gives such a lock back by a system call too. The sanitizer sees only the
// program's own atomic operations on the lock's word, and would take what follows for a race. So it does when a
// continuation was resumed before its task came to wait for it. Here each of these ways says what it means; nothing
// else is hidden.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"

static long (*real_call)(long, ...);
static void (*acquire)(void *);
static void (*release)(void *);
static void *(*current_task)(void);
static void (*real_resume)(void *);
static void (*real_throwing_resume)(void *);
__attribute__((used)) void *martlet_lock_slow;
__attribute__((used)) void *martlet_await;

__attribute__((used)) void martlet_acquired(void *lock) {
    if (acquire) acquire(lock);
}

__attribute__((used)) void martlet_awaits(void) {
    if (acquire && current_task) acquire(current_task());
}

__attribute__((constructor)) static void find(void) {
    real_call = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    martlet_lock_slow = dlsym(RTLD_NEXT, LOCK_SLOW);
    martlet_await = dlsym(RTLD_NEXT, "swift_continuation_await");
    real_resume = (void (*)(void *))dlsym(RTLD_NEXT, "swift_continuation_resume");
    real_throwing_resume = (void (*)(void *))dlsym(RTLD_NEXT, "swift_continuation_throwingResume");
    current_task = (void *(*)(void))dlsym(RTLD_DEFAULT, "swift_task_getCurrent");
    acquire = (void (*)(void *))dlsym(RTLD_DEFAULT, "__tsan_acquire");
    release = (void (*)(void *))dlsym(RTLD_DEFAULT, "__tsan_release");
}

long syscall(long number, long a, long b, long c, long d, long e, long f) {
    if (!real_call) find();
    if (number == SYS_futex && (b & FUTEX_CMD_MASK) == FUTEX_UNLOCK_PI && release) release((void *)a);
    return real_call(number, a, b, c, d, e, f);
}

void swift_continuation_resume(void *task) {
    if (release) release(task);
    real_resume(task);
}

void swift_continuation_throwingResume(void *task) {
    if (release) release(task);
    real_throwing_resume(task);
}

// Mutex's own way to take a contended lock; the lock's address is where Swift passes self.
#if defined(__x86_64__)
__asm__(".globl \"" LOCK_SLOW "\"\n"
        ".type \"" LOCK_SLOW "\", @function\n"
        "\"" LOCK_SLOW "\":\n"
        "    pushq %r13\n"
        "    movq martlet_lock_slow@GOTPCREL(%rip), %rax\n"
        "    callq *(%rax)\n"
        "    movq (%rsp), %rdi\n"
        "    callq martlet_acquired@PLT\n"
        "    popq %r13\n"
        "    retq\n"
        ".globl swift_continuation_await\n"
        ".type swift_continuation_await, @function\n"
        "swift_continuation_await:\n"
        "    pushq %rdi\n    pushq %rsi\n    pushq %r14\n    pushq %r13\n    pushq %rax\n"
        "    callq martlet_awaits@PLT\n"
        "    popq %rax\n    popq %r13\n    popq %r14\n    popq %rsi\n    popq %rdi\n"
        "    movq martlet_await@GOTPCREL(%rip), %rax\n"
        "    jmpq *(%rax)\n");
#elif defined(__aarch64__)
__asm__(".globl \"" LOCK_SLOW "\"\n"
        ".type \"" LOCK_SLOW "\", @function\n"
        "\"" LOCK_SLOW "\":\n"
        "    stp x29, x30, [sp, #-32]!\n"
        "    str x20, [sp, #16]\n"
        "    adrp x8, :got:martlet_lock_slow\n"
        "    ldr x8, [x8, :got_lo12:martlet_lock_slow]\n"
        "    ldr x8, [x8]\n"
        "    blr x8\n"
        "    ldr x0, [sp, #16]\n"
        "    bl martlet_acquired\n"
        "    ldr x20, [sp, #16]\n"
        "    ldp x29, x30, [sp], #32\n"
        "    ret\n"
        ".globl swift_continuation_await\n"
        ".type swift_continuation_await, @function\n"
        "swift_continuation_await:\n"
        "    stp x29, x30, [sp, #-64]!\n"
        "    stp x0, x1, [sp, #16]\n    stp x20, x22, [sp, #32]\n"
        "    bl martlet_awaits\n"
        "    ldp x0, x1, [sp, #16]\n    ldp x20, x22, [sp, #32]\n"
        "    ldp x29, x30, [sp], #64\n"
        "    adrp x8, :got:martlet_await\n"
        "    ldr x8, [x8, :got_lo12:martlet_await]\n"
        "    ldr x8, [x8]\n"
        "    br x8\n");
#endif
