//! One end of a real connection: a task that reads, writes, and ends it as it is told.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use shakedown_core::machine::CloseMode;

/// What is read at a time.
const CHUNK: usize = 16 * 1024;
/// Nothing more is read from who does not take what it is sent, once that much waits.
const UNSENT_MAX: usize = 64 * 1024;
/// How long what still comes in after the end is thrown away: closing at once would send RST, and that might overtake
/// the last answer (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
/// And how much of it.
const LINGER_MAX: usize = 1 << 20;

/// A stream of bytes that can be reset.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + 'static {
    /// From now on, dropping it sends RST.
    fn reset_on_drop(&self);
}

/// What comes out of a connection.
#[derive(Debug)]
pub(crate) enum StreamEvent<'a> {
    /// Bytes.
    Received(&'a [u8]),
    /// FIN.
    Eof,
    /// RST, or the kernel gave it up.
    Reset,
}

/// How an end is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As its machine wants it.
    Close(CloseMode),
    /// Its process is gone: the kernel does what it does then.
    Killed,
}

#[derive(Debug, Default)]
struct State {
    unsent: Vec<u8>,
    sent: usize,
    end: Option<End>,
    /// Nothing is read.
    held: bool,
    /// Neither read nor written: its host has no power.
    mute: bool,
    /// Its host had no power, and has forgotten it: what comes is answered with RST.
    forgotten: bool,
    /// The end that sends on what is read here, if there is one: nothing is read while that has enough to send.
    onto: Weak<RefCell<State>>,
    waker: Option<Waker>,
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether nothing more should be sent for now.
    fn is_full(&self) -> bool {
        self.unsent.len() - self.sent > UNSENT_MAX
    }
}

/// The driver's handle on an end.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamHandle(Rc<RefCell<State>>);

impl StreamHandle {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.borrow_mut();
        change(&mut state);
        state.wake();
    }

    /// What is read at either of two ends goes out at the other: neither is read faster than that can be.
    pub(crate) fn join(one: &StreamHandle, other: &StreamHandle) {
        one.change(|state| state.onto = Rc::downgrade(&other.0));
        other.change(|state| state.onto = Rc::downgrade(&one.0));
    }

    /// Sends bytes after those before.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.change(|state| state.unsent.extend_from_slice(bytes));
    }

    /// Closes it: after what was sent, or at once.
    pub(crate) fn close(&self, how: CloseMode) {
        self.change(|state| state.end = Some(End::Close(how)));
    }

    /// Its process is gone.
    pub(crate) fn kill(&self) {
        self.change(|state| state.end = Some(End::Killed));
    }

    /// Stops reading, or goes on.
    pub(crate) fn hold(&self, held: bool) {
        self.change(|state| state.held = held);
    }

    /// Its host loses power.
    pub(crate) fn mute(&self) {
        self.change(|state| state.mute = true);
    }

    /// Its host has power again, and knows nothing of it.
    pub(crate) fn forget(&self) {
        self.change(|state| (state.mute, state.forgotten) = (false, true));
    }

    /// Carries bytes both ways until the end.
    pub(crate) async fn carry<S: ByteStream>(&self, mut stream: S, mut notify: impl FnMut(StreamEvent<'_>)) {
        let mut eof = false;
        let left = std::future::poll_fn(|cx| self.poll(cx, &mut stream, &mut eof, &mut notify)).await;
        match left {
            Left::Finished if !eof => {
                let mut left = LINGER_MAX;
                let rest = std::future::poll_fn(|cx| discard(cx, &mut stream, &mut left));
                // Whoever goes on for longer is cut off.
                let _ = tokio::time::timeout(LINGER, rest).await;
            }
            Left::Reset => stream.reset_on_drop(),
            Left::Finished | Left::Broken => {}
        }
    }

    fn poll<S: ByteStream>(
        &self,
        cx: &mut Context<'_>,
        stream: &mut S,
        eof: &mut bool,
        notify: &mut impl FnMut(StreamEvent<'_>),
    ) -> Poll<Left> {
        loop {
            let mut state = self.0.borrow_mut();
            if state.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            match state.end {
                Some(End::Killed) => return Poll::Ready(Left::Broken),
                Some(End::Close(CloseMode::Reset)) => return Poll::Ready(Left::Reset),
                _ if state.mute => return Poll::Pending,
                _ => {}
            }
            let was_full = state.is_full();
            let State { unsent, sent, .. } = &mut *state;
            while *sent < unsent.len() {
                match Pin::new(&mut *stream).poll_write(cx, &unsent[*sent..]) {
                    Poll::Ready(Ok(len)) if len > 0 => *sent += len,
                    Poll::Ready(_) => {
                        drop(state);
                        notify(StreamEvent::Reset);
                        return Poll::Ready(Left::Broken);
                    }
                    Poll::Pending => break,
                }
            }
            let all_sent = *sent == unsent.len();
            if all_sent {
                (state.sent, state.unsent) = (0, emptied(std::mem::take(&mut state.unsent)));
            }
            if state.end.is_some() {
                if !all_sent {
                    return Poll::Pending;
                }
                let done = ready!(Pin::new(&mut *stream).poll_shutdown(cx));
                return Poll::Ready(if done.is_ok() { Left::Finished } else { Left::Broken });
            }
            let onto = state.onto.upgrade();
            if was_full && !state.is_full() {
                onto.iter().for_each(|onto| onto.borrow_mut().wake());
            }
            if *eof || state.held || state.is_full() || onto.is_some_and(|onto| onto.borrow().is_full()) {
                return Poll::Pending;
            }
            let forgotten = state.forgotten;
            drop(state);
            let mut room = [MaybeUninit::uninit(); CHUNK];
            let mut chunk = ReadBuf::uninit(&mut room);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut chunk)) {
                Ok(()) if forgotten => {
                    return Poll::Ready(if chunk.filled().is_empty() { Left::Broken } else { Left::Reset });
                }
                Ok(()) if chunk.filled().is_empty() => {
                    *eof = true;
                    notify(StreamEvent::Eof);
                }
                Ok(()) => notify(StreamEvent::Received(chunk.filled())),
                Err(_) => {
                    notify(StreamEvent::Reset);
                    return Poll::Ready(Left::Broken);
                }
            }
        }
    }
}

/// What becomes of the stream.
enum Left {
    /// FIN was sent.
    Finished,
    /// RST is to be sent.
    Reset,
    /// There is nothing to be said any more.
    Broken,
}

/// A buffer with its memory, unless that is large.
fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > CHUNK {
        return Vec::new();
    }
    buffer.clear();
    buffer
}

fn discard<S: ByteStream>(cx: &mut Context<'_>, stream: &mut S, left: &mut usize) -> Poll<()> {
    loop {
        let mut room = [MaybeUninit::uninit(); CHUNK];
        let mut chunk = ReadBuf::uninit(&mut room);
        match ready!(Pin::new(&mut *stream).poll_read(cx, &mut chunk)) {
            Ok(()) if (1..*left).contains(&chunk.filled().len()) => *left -= chunk.filled().len(),
            _ => return Poll::Ready(()),
        }
    }
}
