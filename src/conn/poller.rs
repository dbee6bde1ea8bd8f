//! Answers read by the thread that waits for them.
//!
//! A thread that only reads for another costs a wake-up of its own for every answer, which on an idle
//! machine is most of what a small command takes. So the open sockets of one JavaScript environment are
//! kept in one set of the system's (epoll, kqueue), and whoever polls that set reads what has come:
//!
//! - the event loop, which watches the set like any other socket of its own, and
//! - a *stand-in*, a task that looks every 2 ms whether the loop still does. If not, and
//!   something has come, the loop is busy, and the stand-in reads in its place until it is back.
//!
//! What comes is read once, whoever is first: a connection's reader is behind a lock. A reply that
//! turns out to be long is left to the connection's own task, so that it never holds up the loop.
//!
//! (A set within a set is described in epoll(7); one that polls while others stand by is the
//! leader/followers pattern of Schmidt and others.)

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::connection::{Connection, News};

/// How often the stand-in looks after the event loop.
const STAND_IN: Duration = Duration::from_millis(2);
/// So often in a row it finds nothing going on before it sleeps until something comes, and the loop back
/// before it leaves the reading to it: one that was busy will be again.
const ROUNDS: u32 = 25;
/// Taken from the set at a time.
const EVENTS: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Poller {
    registry: Registry,
    poll: Mutex<(Poll, Events)>,
    watched: Mutex<Slab<Weak<Connection>>>,
    /// The event loop has polled since the stand-in looked.
    loop_polls: AtomicBool,
    /// Ends the stand-in's sleep when there is nothing left to stand in for.
    dropped: Arc<Notify>,
}

/// A socket in the set of a [`Poller`].
#[derive(Debug)]
pub(super) struct Watch(usize);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Poller {
    /// A set without sockets, and its stand-in, which runs on `runtime` until the set is dropped.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new(runtime: &Handle) -> io::Result<Arc<Self>> {
        let poll = Poll::new()?;
        let poller = Arc::new(Poller {
            registry: poll.registry().try_clone()?,
            poll: Mutex::new((poll, Events::with_capacity(EVENTS))),
            watched: Mutex::default(),
            loop_polls: AtomicBool::new(false),
            dropped: Arc::default(),
        });
        let set = poller.registry.as_fd().try_clone_to_owned()?;
        runtime.spawn(stand_in(Arc::downgrade(&poller), set, poller.dropped.clone()));
        Ok(poller)
    }

    /// The set's descriptor, readable while something has come that nobody has read. Open for as long
    /// as this lives.
    pub fn fd(&self) -> RawFd {
        self.registry.as_raw_fd()
    }

    /// Reads what has come, unless somebody else is just doing that. For the event loop.
    pub fn read_on_loop(&self) {
        self.loop_polls();
        match self.poll.try_lock() {
            Ok(mut poll) => self.read_all(&mut poll),
            Err(TryLockError::Poisoned(poll)) => self.read_all(&mut poll.into_inner()),
            Err(TryLockError::WouldBlock) => false,
        };
    }

    /// The event loop is not busy.
    pub fn loop_polls(&self) {
        self.loop_polls.store(true, SeqCst);
    }

    /// Reads what has come; says whether anything had. Waits for whoever is reading already.
    pub fn read(&self) -> bool {
        self.read_all(&mut lock(&self.poll))
    }

    fn read_all(&self, (poll, events): &mut (Poll, Events)) -> bool {
        let mut any = false;
        loop {
            // Interrupted: the descriptor stays readable, and whoever watches it comes again.
            if poll.poll(events, Some(Duration::ZERO)).is_err() || events.is_empty() {
                return any;
            }
            any = true;
            for event in &*events {
                let connection = lock(&self.watched).get(event.token().0).and_then(Weak::upgrade);
                // One that is over may have been told of in the same breath.
                let Some(connection) = connection else { continue };
                connection.heard(News {
                    may_write: event.is_writable(),
                    is_last: event.is_read_closed() || event.is_error(),
                });
            }
            if events.iter().count() < EVENTS {
                return true;
            }
        }
    }

    /// Puts a socket into the set. What has come by now is news, too.
    pub(super) fn watch(&self, fd: RawFd, connection: &Arc<Connection>) -> io::Result<Watch> {
        let mut watched = lock(&self.watched);
        let at = watched.insert(Arc::downgrade(connection));
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.registry.register(&mut SourceFd(&fd), Token(at), interest) {
            watched.remove(at);
            return Err(error);
        }
        Ok(Watch(at))
    }

    /// Takes it out again.
    pub(super) fn forget(&self, Watch(at): Watch, fd: RawFd) {
        // An error means that it is out already.
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        lock(&self.watched).remove(at);
    }

    /// Reads as things come, until the event loop is back or nothing comes any more.
    async fn read_in_its_place(&self, set: &AsyncFd<BorrowedFd<'_>>) {
        let (mut looked, mut polled) = (Instant::now(), 0);
        while polled < ROUNDS {
            if looked.elapsed() >= STAND_IN {
                polled = if self.loop_polls.swap(false, SeqCst) { polled + 1 } else { 0 };
                looked = Instant::now();
            }
            let Ok(Ok(mut ready)) = timeout(STAND_IN, set.readable()).await else { return };
            // What comes after this is news again.
            ready.clear_ready();
            drop(ready);
            self.read();
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

/// The task beside the event loop. It holds the poller only while it works, and has a descriptor of the set
/// for itself.
async fn stand_in(poller: Weak<Poller>, set: OwnedFd, dropped: Arc<Notify>) {
    let mut quiet = 0;
    loop {
        sleep(STAND_IN).await;
        let news = {
            let Some(poller) = poller.upgrade() else { return };
            if poller.loop_polls.swap(false, SeqCst) {
                quiet = 0;
                continue;
            }
            let has_read = poller.read();
            quiet = if has_read { 0 } else { quiet + 1 };
            if !has_read && quiet < ROUNDS {
                continue;
            }
            // Not longer than needed: the runtime would be woken by everything that comes.
            let Ok(news) = news_of(&set) else { continue };
            if has_read {
                debug!("the event loop is busy: reading in its place");
                poller.read_in_its_place(&news).await;
                continue;
            }
            news
        };
        quiet = 0;
        // Whatever comes ends the sleep, be it an answer or an end: the loop may never poll again.
        tokio::select! {
            _ = news.readable() => {}
            () = dropped.notified() => {}
        }
    }
}

/// Has the runtime watch a set, until what this returns is dropped.
fn news_of(set: &OwnedFd) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: the descriptor stays open for as long as it is borrowed.
    #[allow(unsafe_code)]
    Ok(unsafe { AsyncFd::register(set.as_fd()) }?)
}
