/* kaigi-agenda-reader: reads one calendar for the relay and ends (agenda_wire.h). Calendars come from
 * outside, and libical is large: what goes wrong in it shall go wrong here, not beside keys and rooms'
 * connections.
 *
 * Before the first byte is read, and for good:
 *   - No system call is left but reading stdin, writing stdout and stderr, memory that cannot be executed,
 * and ending: no file, socket, process, signal or ptrace (seccomp; all else fails with EPERM).
 *   - Some seconds of CPU, 512 MiB of address space, no core file, no descriptor beyond these three.
 *   - Nothing of the relay is inherited: a new program, an empty environment, default signals
 * (agenda_read.c). When one of these cannot be had, it reads nothing and says so.
 *
 * What does not hold: until it is shut in, it is a program of the relay's user (a namespace would not change
 * that, and the service's unit forbids them). Taken over, it can answer what it likes: the relay checks every
 * value. Bugs of the kernel in those few calls, or of the processor, are not its to prevent.
 *
 * Thread: main alone. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attr.h"
#include "relay/agenda_wire.h"

/* A sanitizer's shadow takes terabytes of addresses. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { ADDRESS_BYTES = 512 << 20 };

static bool limit(__rlimit_resource_t resource, rlim_t value)
{
    /* Of processor time the harder limit is looked at first, and says less. */
    struct rlimit both = {.rlim_cur = value, .rlim_max = resource == RLIMIT_CPU ? value + 1 : value};
    return setrlimit(resource, &both) == 0;
}

static bool limit_resources(void)
{
    return limit(RLIMIT_CPU, KG_AGENDA_READER_CPU_S) && limit(RLIMIT_NOFILE, 0) && limit(RLIMIT_CORE, 0) &&
           limit(RLIMIT_NPROC, 0) && (SANITIZED || limit(RLIMIT_AS, ADDRESS_BYTES));
}

/* Everything else fails as if forbidden by rights: a library that asks for a file goes on without it. */
static bool limit_calls(void)
{
    static const int plain[] = {
        SCMP_SYS(brk),       SCMP_SYS(munmap),       SCMP_SYS(mremap),
        SCMP_SYS(madvise),   SCMP_SYS(futex),        SCMP_SYS(clock_gettime),
        SCMP_SYS(getrandom), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
        SCMP_SYS(exit),      SCMP_SYS(exit_group),
    };
    const struct scmp_arg_cmp not_executable = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool ok = filter != NULL;
    for (size_t i = 0; ok && i < KG_ARRAY_LEN(plain); i++)
        ok = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, plain[i], 0, NULL) == 0;
    if (ok && SANITIZED) /* at the thread's end */
        ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sigaltstack), 0) == 0;
    ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_executable) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                          SCMP_A0_64(SCMP_CMP_EQ, STDIN_FILENO, 0)) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                          SCMP_A0_64(SCMP_CMP_EQ, STDOUT_FILENO, 0)) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                          SCMP_A0_64(SCMP_CMP_EQ, STDERR_FILENO, 0)) == 0 &&
         seccomp_load(filter) == 0;
    seccomp_release(filter);
    return ok;
}

/* When memory is short it is the one to go, not the relay with its meetings. */
static void offer_oneself(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1000", 4) != 4)
        fprintf(stderr, "kaigi-agenda-reader: oom_score_adj: %s\n", strerror(errno));
    if (fd >= 0)
        close(fd);
}

static bool confine(void)
{
    offer_oneself();
    return close_range(STDERR_FILENO + 1, ~0U, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && limit_resources() && limit_calls();
}

static bool read_all(void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(STDIN_FILENO, (char *)out + done, size - done);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_all(const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(STDOUT_FILENO, bytes + done, size - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static enum kg_agenda_reader_status answer(const struct kg_agenda *agenda)
{
    size_t size = kg_agenda_answer_bytes(agenda);
    if (size > KG_AGENDA_MAX_ANSWER_BYTES)
        return KG_AGENDA_READER_TOO_MUCH;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return KG_AGENDA_READER_NO_MEMORY;
    kg_agenda_answer_encode(agenda, bytes);
    /* When nobody takes it, nobody is there to be told either. */
    (void)!write_all(bytes, size);
    free(bytes);
    return KG_AGENDA_READER_DONE;
}

static enum kg_agenda_reader_status serve(void)
{
    uint8_t head[KG_AGENDA_QUESTION_BYTES];
    struct kg_agenda_question question;
    if (!read_all(head, sizeof head) || !kg_agenda_question_decode(head, &question))
        return KG_AGENDA_READER_NO_QUESTION;
    char *text = malloc(question.size + 1u);
    if (!text)
        return KG_AGENDA_READER_NO_MEMORY;
    if (!read_all(text, question.size)) {
        free(text);
        return KG_AGENDA_READER_NO_QUESTION;
    }
    struct kg_agenda *agenda = kg_agenda_parse(text, question.size, question.from_us, question.to_us);
    enum kg_agenda_reader_status status = agenda ? answer(agenda) : KG_AGENDA_READER_NO_MEMORY;
    kg_agenda_destroy(agenda);
    free(text);
    return status;
}

int main(void)
{
    static const char *const remarks[] = {
        [KG_AGENDA_READER_UNCONFINED] = "it cannot shut itself in (seccomp, resource limits)",
        [KG_AGENDA_READER_NO_QUESTION] = "only kaigi-relay knows what to ask it (agenda_wire.h)",
        [KG_AGENDA_READER_NO_MEMORY] = "no memory",
        [KG_AGENDA_READER_TOO_MUCH] = "the calendar's meetings take too much room",
    };
    enum kg_agenda_reader_status status = confine() ? serve() : KG_AGENDA_READER_UNCONFINED;
    if (status != KG_AGENDA_READER_DONE)
        fprintf(stderr, "kaigi-agenda-reader: %s\n", remarks[status]);
    /* Nothing is left to be done at exit, and a sanitizer's search for leaks could not be done in here. */
    _exit(status);
}
