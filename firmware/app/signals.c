#include "app/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/log.h"
#include "base/thread.h"

static struct kg_thread thread;
static atomic_bool caught;
static void (*wake)(void);

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGUSR2); /* ends the thread */
}

static void wait_for_signals(void *unused)
{
    (void)unused;
    sigset_t set;
    int number;
    fill(&set);
    while (sigwait(&set, &number) == 0 && number != SIGUSR2) {
        atomic_store(&caught, true);
        wake();
    }
}

bool kg_signals_start(void (*wake_main)(void))
{
    sigset_t set;
    fill(&set);
    wake = wake_main;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return kg_thread_start(&thread, "signals", wait_for_signals, NULL);
}

void kg_signals_stop(void)
{
    pthread_kill(thread.id, SIGUSR2);
    kg_thread_join(&thread);
}

bool kg_signals_caught(void)
{
    return atomic_load(&caught);
}
