//! Workers, and the queue of work in front of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::event::{Event, Outputs};
use super::processor::{Clock, Sharing, Slowdown};
use super::queue::{Job, QueueFull, QueueOrder, Working, take};
use crate::rng::{Distribution, Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp};

/// Workers, and the queue in front of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Workers {
    /// Requests that are processed at the same time.
    pub count: u32,
    /// Processors that the workers share. Absent: each has one.
    pub cores: Option<u32>,
    /// How work in progress slows itself down. Absent: it does not.
    pub slowdown: Option<Slowdown>,
    /// A worker's time for one request; with `accept_time`, only for one that opens.
    pub service_time: Distribution,
    /// A worker's time for any request, whatever the answer. Absent: none, and every request costs `service_time`.
    pub accept_time: Option<Distribution>,
    /// A worker's time to check credentials. Absent: none.
    pub auth_time: Option<Distribution>,
    /// Maximum of waiting requests, and the action above it. Absent: no limit.
    pub queue: Option<(u32, QueueFull)>,
    /// Which waiting request a worker takes next.
    pub order: QueueOrder,
}

impl Default for Workers {
    fn default() -> Workers {
        Workers {
            count: 4,
            cores: None,
            slowdown: None,
            service_time: Nanos(250_000).into(),
            accept_time: None,
            auth_time: None,
            queue: None,
            order: QueueOrder::default(),
        }
    }
}

/// The workers of each member of a group, ready to run.
#[derive(Debug)]
pub(super) struct WorkersPlan {
    pub count: u32,
    /// How work in progress shares processors, if it does.
    sharing: Option<Sharing>,
    service_time: Sampler,
    prices: Option<Prices>,
    pub queue_max: u32,
    pub queue_full: QueueFull,
    pub order: QueueOrder,
}

impl WorkersPlan {
    pub(super) fn new(config: &Workers) -> WorkersPlan {
        let (queue_max, queue_full) = config.queue.unwrap_or((u32::MAX, QueueFull::default()));
        WorkersPlan {
            count: config.count,
            sharing: (config.cores.is_some() || config.slowdown.is_some())
                .then_some(Sharing { cores: config.cores, slowdown: config.slowdown }),
            service_time: config.service_time.sampler(),
            prices: Prices::new(config),
            queue_max,
            queue_full,
            order: config.order,
        }
    }

    /// Whether requests cost no time at all.
    pub(super) fn is_free(&self) -> bool {
        self.prices.is_none() && self.service_time == Sampler::Constant(Nanos::ZERO)
    }

    /// Whether work in progress shares processors. What waits for others then uses none.
    pub(super) fn shares(&self) -> bool {
        self.sharing.is_some()
    }

    /// A worker's time for a request of a client. Only where there are prices it matters whether it opens, and whether
    /// its credentials were checked.
    pub(super) fn work(&self, seed: Seed, client: Identity, of: impl FnOnce() -> (bool, bool)) -> Nanos {
        let service_time = || self.service_time.sample(|| seed.draw(client, Purpose::Service, 0));
        match &self.prices {
            None => service_time(),
            Some(prices) => prices.work(seed, client, of(), service_time),
        }
    }

    /// Whether a job's turn comes after the queue's deadline.
    pub(super) fn expires(&self, waited: Nanos) -> bool {
        matches!(self.order, QueueOrder::Deadline(deadline) if waited > deadline)
    }
}

/// A worker's time besides `service_time`.
#[derive(Debug)]
struct Prices {
    accept_time: Option<Sampler>,
    auth_time: Option<Sampler>,
}

impl Prices {
    /// `None` if there is only `service_time`.
    fn new(config: &Workers) -> Option<Prices> {
        let sampler = |time: &Option<Distribution>| time.as_ref().map(Distribution::sampler);
        let prices = Prices { accept_time: sampler(&config.accept_time), auth_time: sampler(&config.auth_time) };
        (prices.accept_time.is_some() || prices.auth_time.is_some()).then_some(prices)
    }

    fn work(
        &self,
        seed: Seed,
        client: Identity,
        (opens, checked): (bool, bool),
        service_time: impl FnOnce() -> Nanos,
    ) -> Nanos {
        let price = |price: &Option<Sampler>, purpose| {
            price.as_ref().map_or(Nanos::ZERO, |price| price.sample(|| seed.draw(client, purpose, 0)))
        };
        let mut work = price(&self.accept_time, Purpose::AcceptTime);
        if opens || checked {
            work += price(&self.auth_time, Purpose::AuthTime);
        }
        if opens || self.accept_time.is_none() {
            work += service_time();
        }
        work
    }
}

/// The workers of one process, and the work that waits for them.
#[derive(Debug)]
pub(super) struct WorkQueue<W> {
    pub waiting: VecDeque<Job<W>>,
    working: BinaryHeap<Reverse<Working<W>>>,
    started: u64,
    /// Workers that are not free though their work is done.
    pub held: u32,
    /// Jobs in progress that take no worker.
    pub apart: u32,
    /// The factor by which work is slowed, if it is.
    slow: Option<f64>,
    /// The clock of work that shares processors: then the times of `working` are its.
    clock: Option<Clock>,
}

impl<W> Default for WorkQueue<W> {
    fn default() -> WorkQueue<W> {
        WorkQueue {
            waiting: VecDeque::new(),
            working: BinaryHeap::new(),
            started: 0,
            held: 0,
            apart: 0,
            slow: None,
            clock: None,
        }
    }
}

impl<W> WorkQueue<W> {
    /// Slows work that starts from now on by this factor; `None`: normal speed.
    pub(super) fn slow_down(&mut self, factor: Option<f64>) {
        self.slow = factor;
    }

    /// Jobs that workers are at.
    pub(super) fn in_progress(&self) -> usize {
        self.working.len()
    }

    /// Workers that are not free.
    pub(super) fn busy(&self) -> u32 {
        self.working.len() as u32 + self.held - self.apart
    }

    /// A time of work, slowed if it is.
    pub(super) fn slowed(&self, work: Nanos) -> Nanos {
        self.slow.map_or(work, |factor| Nanos::from_f64(work.0 as f64 * factor))
    }

    /// A worker takes a job, which takes so much of a processor's time.
    pub(super) fn start(
        &mut self,
        plan: &WorkersPlan,
        now: Timestamp,
        job: Job<W>,
        work: Nanos,
        queued: bool,
        out: &mut Outputs,
    ) {
        // Work takes at least one nanosecond: it ends later than it starts.
        let served = work.max(Nanos(1));
        let waited = now.since(job.since);
        out.event(Event::ServiceStarted { connection: job.connection, waited, queued });
        let order = self.next_order();
        let mut done = now + served;
        if let Some(sharing) = &plan.sharing {
            let clock = self.clock.get_or_insert_with(|| Clock::new(now));
            done = clock.after(now, served);
            clock.turn(now, sharing, self.working.len() + 1);
        }
        self.working.push(Reverse(Working { done, order, served, job }));
    }

    /// Tells jobs apart that are due at the same moment.
    pub(super) fn next_order(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    /// When the next job is done.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let Reverse(Working { done, .. }) = self.working.peek()?;
        Some(self.clock.as_ref().map_or(*done, |clock| clock.when(*done)))
    }

    /// A job that is done, and the time of a worker, or of a processor that is shared, that it cost.
    pub(super) fn done(&mut self, plan: &WorkersPlan, now: Timestamp) -> Option<(Job<W>, Nanos)> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let Reverse(Working { served, job, .. }) = self.working.pop()?;
        if let (Some(clock), Some(sharing)) = (&mut self.clock, &plan.sharing) {
            clock.turn(due, sharing, self.working.len());
        }
        Some((job, served))
    }

    /// The job that a free worker takes next, if one is free.
    pub(super) fn next(&mut self, plan: &WorkersPlan) -> Option<Job<W>> {
        if self.busy() < plan.count { take(&mut self.waiting, plan.order) } else { None }
    }
}
