/*
 * A ptrace(2) for user-mode Linux on processors with AMX, loaded before the C library's.
 *
 * The user-mode kernel keeps the floating point registers of each of its processes, and sets them by PTRACE_SETREGSET. It has
 * room for those of the processors of its time. The host's kernel takes all registers or none: with AMX there are many more,
 * the answer is EFAULT, and init dies. So what is missing is taken from the process itself, whose registers of that kind nobody has touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long call(enum __ptrace_request, ...);

static char registers[1 << 16];

long ptrace(enum __ptrace_request request, ...)
{
    static call *original;
    if (!original)
        original = (call *)dlsym(RTLD_NEXT, "ptrace");

    va_list arguments;
    va_start(arguments, request);
    int pid = va_arg(arguments, int);
    void *kind = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    long result = original(request, pid, kind, data);
    if (result == -1 && request == PTRACE_SETREGSET && (uintptr_t)kind == NT_X86_XSTATE) {
        const struct iovec *some = data;
        struct iovec all = {registers, sizeof registers};
        if (original(PTRACE_GETREGSET, pid, kind, &all) == 0 && some->iov_len <= all.iov_len) {
            memcpy(registers, some->iov_base, some->iov_len);
            result = original(PTRACE_SETREGSET, pid, kind, &all);
        }
    }
    return result;
}
