// Tells ThreadSanitizer of the locks that it cannot see, preloaded into the process under test.
//
// Swift's Mutex takes and gives a lock that is contended by a system call (FUTEX_LOCK_PI, FUTEX_UNLOCK_PI): the kernel
// changes the lock's word, and the sanitizer, which watches only the program's own atomic operations on it, takes what
// follows for a race. Here each of these calls says what it means: nothing else is hidden.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

static long (*real_call)(long, ...);
static void (*acquired)(void *);
static void (*will_release)(void *);

__attribute__((constructor)) static void find(void) {
    real_call = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    acquired = (void (*)(void *))dlsym(RTLD_DEFAULT, "__tsan_acquire");
    will_release = (void (*)(void *))dlsym(RTLD_DEFAULT, "__tsan_release");
}

long syscall(long number, long a, long b, long c, long d, long e, long f) {
    if (!real_call) find();
    long operation = number == SYS_futex ? b & FUTEX_CMD_MASK : -1;
    if (operation == FUTEX_UNLOCK_PI && will_release) will_release((void *)a);
    long result = real_call(number, a, b, c, d, e, f);
    if ((operation == FUTEX_LOCK_PI || operation == FUTEX_TRYLOCK_PI) && result == 0 && acquired) acquired((void *)a);
    return result;
}
