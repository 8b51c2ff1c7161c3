//! Requests that wait for calls, and what becomes of these.

use std::cmp::Reverse;

use super::Web;
use super::plan::Context;
use crate::handshake::call::{self, read_status, write_call};
use crate::machine::{CloseMode, ConnectError, ConnectionId, EndpointId, Input, Output};
use crate::rng::{Identity, Purpose};
use crate::server::behavior::Choice;
use crate::server::calls::{Call, CallPlan, CallingRequest, Phase, PickCalled};
use crate::server::event::{CallOutcome, Event, Outputs};
use crate::server::targets::Listed;
use crate::server::work::Asked;
use crate::time::{Nanos, Timestamp};

impl Web {
    /// The client for which a request is made: from its path if it is a call itself, else its client's address.
    pub(super) fn asker(&self, c: ConnectionId, path: &str, call: bool) -> Identity {
        let said = if call { call::asker(path) } else { None };
        said.or(self.limits.addresses.get(c.0 as usize).copied()).unwrap_or(Identity(0))
    }

    /// Whether a request waits for other servers before it is answered.
    #[inline]
    pub(super) fn makes_calls(&self, cx: &Context<'_>, asked: &Asked) -> bool {
        !cx.plan.calls.is_empty() && self.drain.is_none() && {
            let choice = cx.plan.behaviors.get(asked.behavior as usize).map(|behavior| &behavior.choice);
            matches!(choice, None | Some(Choice::Accept | Choice::Serve))
        }
    }

    /// A worker is done with a request, which is answered after its calls.
    pub(super) fn begin_calls(&mut self, cx: &Context<'_>, now: Timestamp, caller: CallingRequest, out: &mut Outputs) {
        let Some(which) = self.next_call(cx, &caller, 0) else {
            return self.answer(cx, now, &caller, out);
        };
        let holds = cx.plan.calls_hold_worker;
        self.workers.held += u32::from(holds);
        // A worker that is held uses no processor, if it shares those.
        if (!holds || cx.plan.workers.shares()) && caller.served > Nanos::ZERO {
            out.event(Event::Worked { connection: caller.connection, served: caller.served });
        }
        self.attempt(cx, now, caller, which, 1, out);
    }

    /// The first call from `from` on that this request makes.
    fn next_call(&self, cx: &Context<'_>, caller: &CallingRequest, from: usize) -> Option<usize> {
        let from_the_beginning = self.since == Timestamp::ZERO;
        let makes = |(which, call): &(usize, &CallPlan)| {
            let kept = || from_the_beginning || self.calls.kept.contains(&(*which, caller.asked.asker.0));
            let drawn = || cx.seed.draw(caller.client, Purpose::Call, ordinal(*which, 0, 0)).unit();
            !(call.cached && kept()) && call.share.is_none_or(|share| drawn() < share.0)
        };
        cx.plan.calls.iter().enumerate().skip(from).find(makes).map(|(which, _)| which)
    }

    fn attempt(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        caller: CallingRequest,
        which: usize,
        attempt: u32,
        out: &mut Outputs,
    ) {
        let to = self.called(cx, &caller, which, attempt);
        let number = self.calls.numbers;
        self.calls.numbers += 1;
        let plan = &cx.plan.calls[which];
        let due = now + plan.timeout;
        let call = Call { caller, which, to, attempt, began: now, due, phase: Phase::Answer, partial: Vec::new() };
        let Some(pool) = plan.pool else { return self.connect_call(cx, number, call, out) };
        let state = self.calls.pools.entry(which).or_default();
        if state.in_use < pool.size {
            state.in_use += 1;
            return self.connect_call(cx, number, call, out);
        }
        let full = state.waiting >= pool.queue;
        state.waiting += 1;
        state.queue.push_back(number);
        self.calls.wait(number, Call { due: now + pool.timeout, phase: Phase::Turn, ..call });
        match full {
            true => self.ended(cx, now, number, CallOutcome::PoolFull, out),
            false => self.schedule(cx, out),
        }
    }

    /// An attempt has its turn.
    fn connect_call(&mut self, cx: &Context<'_>, number: u32, call: Call, out: &mut Outputs) {
        out.event(Event::Called { connection: call.caller.connection, endpoint: call.to.0 });
        out.push(Output::Open(ConnectionId::own(number), call.to));
        self.calls.open += 1;
        self.calls.wait(number, call);
        self.schedule(cx, out);
    }

    /// A connection of a pool is free: whoever has waited longest has its turn.
    fn free_pooled(&mut self, cx: &Context<'_>, now: Timestamp, which: usize, out: &mut Outputs) {
        let Some(pool) = self.calls.pools.get_mut(&which) else { return };
        pool.in_use -= 1;
        while let Some(number) = pool.queue.pop_front() {
            // One that has waited too long is gone.
            if let Some(call) = self.calls.waiting.remove(&number) {
                pool.in_use += 1;
                pool.waiting -= 1;
                let due = now + cx.plan.calls[which].timeout;
                let call = Call { began: now, due, phase: Phase::Answer, ..call };
                return self.connect_call(cx, number, call, out);
            }
        }
    }

    /// The server to call: one that the registry lists, or any if it lists none.
    fn called(&mut self, cx: &Context<'_>, caller: &CallingRequest, which: usize, attempt: u32) -> EndpointId {
        let CallPlan { to, pick, .. } = &cx.plan.calls[which];
        if self.calls.listed.len() <= which {
            self.calls.listed.resize_with(which + 1, Listed::default);
        }
        self.calls.listed[which].refresh(cx.directory, to);
        let listed = self.calls.listed[which].places();
        let of = listed.len() as u64;
        let draw = |who, attempt| cx.seed.draw(who, Purpose::Call, ordinal(which, attempt, 1)).below(of);
        let nth = match pick {
            PickCalled::RoundRobin => {
                self.calls.turn += 1;
                (u64::from(cx.endpoint.0) + self.calls.turn - 1) % of
            }
            PickCalled::Random => draw(caller.client, attempt),
            PickCalled::Hash => draw(caller.asked.asker, 0),
        };
        to[listed[nth as usize] as usize]
    }

    /// An input for a connection that this server opened.
    #[cold]
    pub(super) fn call_event(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        input: Input<'_>,
        out: &mut Outputs,
    ) {
        let Some(number) = c.as_own() else { return };
        let Some(call) = self.calls.waiting.get_mut(&number).filter(|call| call.phase == Phase::Answer) else { return };
        let outcome = match input {
            Input::Connected(_) => {
                let authority = cx.directory.authority(call.to);
                return out.transmit(c, |bytes| write_call(bytes, authority, call.caller.asked.asker));
            }
            Input::Received(_, bytes) => {
                call.partial.extend_from_slice(bytes);
                match read_status(&call.partial) {
                    Ok(None) => return,
                    Ok(Some(200..=299)) => CallOutcome::Answered,
                    Ok(Some(_)) => CallOutcome::Rejected,
                    Err(_) => CallOutcome::Broken,
                }
            }
            Input::ConnectFailed(_, ConnectError::Refused | ConnectError::NoPort) => CallOutcome::Refused,
            Input::ConnectFailed(_, ConnectError::TimedOut) => CallOutcome::TimedOut,
            _ => CallOutcome::Broken,
        };
        out.push(Output::Close(c, CloseMode::Fin));
        self.ended(cx, now, number, outcome, out);
    }

    /// Ends calls at their time limit, and begins attempts that are due.
    pub(super) fn time_calls(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while self.calls.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse((_, number))) = self.calls.due.pop() else { break };
            match self.calls.waiting[&number].phase {
                Phase::Answer => {
                    out.push(Output::Close(ConnectionId::own(number), CloseMode::Fin));
                    self.ended(cx, now, number, CallOutcome::TimedOut, out);
                }
                Phase::Turn => self.ended(cx, now, number, CallOutcome::PoolTimedOut, out),
                Phase::Retry => {
                    if let Some(Call { caller, which, attempt, .. }) = self.calls.waiting.remove(&number) {
                        self.attempt(cx, now, caller, which, attempt + 1, out);
                    }
                }
            }
        }
    }

    /// An attempt has ended: the request continues, the call is retried, or the request fails.
    fn ended(&mut self, cx: &Context<'_>, now: Timestamp, number: u32, outcome: CallOutcome, out: &mut Outputs) {
        let Some(mut call) = self.calls.waiting.remove(&number) else { return };
        let (connection, took) = (call.caller.connection, now.since(call.began));
        let plan = &cx.plan.calls[call.which];
        match call.phase {
            // It never had a connection: its attempt begins and ends now.
            Phase::Turn => {
                out.event(Event::Called { connection, endpoint: call.to.0 });
                if let Some(pool) = self.calls.pools.get_mut(&call.which) {
                    pool.waiting -= 1;
                }
            }
            _ => self.calls.open -= 1,
        }
        let pooled = (call.phase == Phase::Answer && plan.pool.is_some()).then_some(call.which);
        out.event(Event::CallEnded { connection, outcome, took });
        if let Some(which) = pooled {
            self.free_pooled(cx, now, which, out);
        }
        let answered = outcome == CallOutcome::Answered;
        if answered && plan.cached {
            self.calls.kept.insert((call.which, call.caller.asked.asker.0));
        }
        if !answered && call.attempt < plan.attempts {
            let draw = || cx.seed.draw(call.caller.client, Purpose::Call, ordinal(call.which, call.attempt, 2));
            call.due = now + plan.delay.sample(draw);
            call.phase = Phase::Retry;
            self.calls.wait(number, call);
            return self.schedule(cx, out);
        }
        let Call { caller, which, .. } = call;
        let goes_on = answered || plan.optional;
        if goes_on && let Some(next) = self.next_call(cx, &caller, which + 1) {
            return self.attempt(cx, now, caller, next, 1, out);
        }
        let CallingRequest { client, asked, served, worked, .. } = caller;
        // A worker that was held has cost all that time.
        let holds = cx.plan.calls_hold_worker;
        let occupied = holds && !cx.plan.workers.shares();
        let served = if occupied { served + now.since(worked) } else { Nanos::ZERO };
        if goes_on {
            self.answer(cx, now, &CallingRequest { connection, client, asked, served, worked }, out);
        } else {
            self.cannot_answer(ConnectionId(connection), served, out);
        }
        if holds {
            self.workers.held -= 1;
            self.take_next(cx, now, out);
        }
        self.schedule(cx, out);
    }
}

/// The index of a request's draw: by call, attempt and purpose.
fn ordinal(which: usize, attempt: u32, what: u64) -> u64 {
    (which as u64) << 40 | u64::from(attempt) << 8 | what
}
