/* The thread pool's two halves: what an engine sees (pool_table, barrier) and the pool itself, which only machine.pyx
 * compiles (define FASTNN_POOL). One pool serves the whole process. */
#ifndef FASTNN_POOL_H
#define FASTNN_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "real.h"

typedef void (*pool_task)(void *argument, int thread, int threads);
typedef void (*pool_look)(void *argument);

typedef struct {
    atomic_int waiting, sleepers;
    atomic_uint generation; /* may overflow */
    pthread_mutex_t mutex;
    pthread_cond_t awake;
} pool_barrier;

/* What any thread of a team may set and all of them see, at the next barrier at the latest. */
typedef struct {
    atomic_int set;
} pool_flag;

static inline int pool_is_set(const pool_flag *flag) { return atomic_load_explicit(&flag->set, memory_order_relaxed); }
static inline void pool_set(pool_flag *flag) { atomic_store_explicit(&flag->set, 1, memory_order_relaxed); }

typedef struct {
    /* Runs task on up to `threads` threads, the caller being thread 0; on the caller alone if the pool is busy. */
    void (*run)(pool_task task, void *argument, int threads);
    /* Every thread of the running team waits here for the others, and looks at something now and then unless NULL. */
    void (*wait)(int threads, pool_look look, void *argument);
} pool_table;

#define SPINS 1000          /* some 10 us of waiting that nobody else feels */
#define BARRIER_YIELDS 500 /* then at least as long giving the core away between looks: on a shared core the one who is waited
                              for may need it. Waking a sleeper costs more than most phases of a step last */
#define IDLE_YIELDS 20      /* between two calls the cores soon belong to others */

static inline void pool_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#ifdef FASTNN_POOL
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define POOL_MOST 256
#define LOOK_NANOSECONDS 20000000 /* between two looks of a waiting thread */

static struct {
    atomic_flag busy;
    int workers;                  /* threads that exist beside the caller */
    _Atomic unsigned long ticket; /* serial number * POOL_MOST + (team size - 1): one word, so that no worker mixes two jobs */
    atomic_int running, sleepers;
    pool_task task;
    void *argument;
    unsigned mode; /* floating-point mode of the caller, in which the whole team computes */
    pthread_mutex_t mutex;
    pthread_cond_t awake;
    pool_barrier barrier;
} pool = {.busy = ATOMIC_FLAG_INIT,
          .mutex = PTHREAD_MUTEX_INITIALIZER,
          .awake = PTHREAD_COND_INITIALIZER,
          .barrier = {.mutex = PTHREAD_MUTEX_INITIALIZER, .awake = PTHREAD_COND_INITIALIZER}};

/* The i-th moment of waiting. */
static inline void pool_relax(int i) {
    if (i < SPINS)
        pool_pause();
    else
        sched_yield();
}

/* Sleeps until the barrier opens or it is time for a look. Called with the mutex. */
static void pool_sleep(pool_barrier *b, int looks) {
    struct timespec until;
    if (!looks) {
        pthread_cond_wait(&b->awake, &b->mutex);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&b->awake, &b->mutex, &until);
}

static void pool_wait(int threads, pool_look look, void *argument) {
    pool_barrier *b = &pool.barrier;
    if (threads == 1) return;
    const unsigned generation = atomic_load(&b->generation);
    if (atomic_fetch_add(&b->waiting, 1) == threads - 1) {
        atomic_store(&b->waiting, 0);
        atomic_store(&b->generation, generation + 1);
        if (atomic_load(&b->sleepers)) {
            pthread_mutex_lock(&b->mutex);
            pthread_cond_broadcast(&b->awake);
            pthread_mutex_unlock(&b->mutex);
        }
        return;
    }
    for (int i = 0; i < SPINS + BARRIER_YIELDS; i++) {
        if (atomic_load_explicit(&b->generation, memory_order_acquire) != generation) return;
        pool_relax(i);
    }
    pthread_mutex_lock(&b->mutex);
    atomic_fetch_add(&b->sleepers, 1);
    while (atomic_load(&b->generation) == generation) {
        pool_sleep(b, look != NULL);
        if (look != NULL) {
            pthread_mutex_unlock(&b->mutex);
            look(argument);
            pthread_mutex_lock(&b->mutex);
        }
    }
    atomic_fetch_sub(&b->sleepers, 1);
    pthread_mutex_unlock(&b->mutex);
}

static unsigned long pool_next_ticket(unsigned long seen) {
    unsigned long ticket;
    for (int i = 0; i < SPINS + IDLE_YIELDS; i++) {
        if ((ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire)) != seen) return ticket;
        pool_relax(i);
    }
    pthread_mutex_lock(&pool.mutex);
    atomic_fetch_add(&pool.sleepers, 1);
    while ((ticket = atomic_load(&pool.ticket)) == seen) pthread_cond_wait(&pool.awake, &pool.mutex);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.mutex);
    return ticket;
}

typedef struct { int thread; unsigned long ticket; } pool_start;
static pool_start pool_starts[POOL_MOST];

static void *pool_worker(void *argument) {
    const pool_start start = *(pool_start *)argument;
    for (unsigned long ticket = start.ticket;;) {
        ticket = pool_next_ticket(ticket);
        const int threads = (int)(ticket % POOL_MOST) + 1;
        if (start.thread >= threads) continue; /* not of this team: task and argument may change already */
        set_floating_mode(pool.mode);
        pool.task(pool.argument, start.thread, threads);
        atomic_fetch_sub_explicit(&pool.running, 1, memory_order_release);
    }
    return NULL;
}

/* Called with the pool taken. Returns the team that exists: fewer than asked where threads cannot be had. */
static int pool_grow(int threads) {
    sigset_t all, before;
    if (threads > POOL_MOST) threads = POOL_MOST;
    if (pool.workers + 1 >= threads) return threads;
    sigfillset(&all); /* signals belong to the thread that runs Python */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.workers + 1 < threads) {
        pthread_t id;
        pool_start *start = &pool_starts[pool.workers + 1];
        *start = (pool_start){pool.workers + 1, atomic_load(&pool.ticket)};
        if (pthread_create(&id, NULL, pool_worker, start)) break;
        pthread_detach(id);
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool.workers + 1;
}

static void pool_run(pool_task task, void *argument, int threads) {
    if (threads <= 1 || atomic_flag_test_and_set(&pool.busy)) {
        task(argument, 0, 1);
        return;
    }
    threads = pool_grow(threads);
    if (threads > 1) {
        pool.task = task;
        pool.argument = argument;
        pool.mode = floating_mode();
        atomic_store(&pool.running, threads - 1);
        const unsigned long serial = atomic_load(&pool.ticket) / POOL_MOST + 1;
        atomic_store(&pool.ticket, serial * POOL_MOST + (unsigned long)(threads - 1));
        if (atomic_load(&pool.sleepers)) {
            pthread_mutex_lock(&pool.mutex);
            pthread_cond_broadcast(&pool.awake);
            pthread_mutex_unlock(&pool.mutex);
        }
    }
    task(argument, 0, threads);
    if (threads > 1) /* tasks end with a barrier or a short rest of work: no need to sleep */
        for (int i = 0; atomic_load_explicit(&pool.running, memory_order_acquire); i += i < SPINS) pool_relax(i);
    atomic_flag_clear(&pool.busy);
}

/* The threads of the parent do not exist in a forked child: begin again with none. */
static void pool_forget(void) {
    pool.workers = 0;
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.running, 0);
    atomic_store(&pool.barrier.waiting, 0);
    atomic_store(&pool.barrier.sleepers, 0);
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.awake, NULL);
    pthread_mutex_init(&pool.barrier.mutex, NULL);
    pthread_cond_init(&pool.barrier.awake, NULL);
    atomic_flag_clear(&pool.busy);
}

static int pool_prepare(void) { return pthread_atfork(NULL, NULL, pool_forget); }

static const pool_table pool_functions = {pool_run, pool_wait};
#endif

#endif
