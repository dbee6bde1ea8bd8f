//! Everything at once on sockets that a poller watches: what must hold whoever reads, and however the threads
//! interleave.
#![cfg(unix)]

#[path = "support/ledger.rs"]
mod ledger;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blender_pool::conn::Poller;
use blender_pool::pool::{AnyPool, CallOptions, Cancelled, ConnectionPool};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::time::sleep;

use self::ledger::{Ledger, PATIENCE, command, options, until};

const CONNECTIONS: usize = 4;
const CALLERS: u64 = 3;
const CALLS: u64 = 400;
/// The longest reply.
const LONGEST: usize = 1 << 20;
/// The longest request, more than a socket takes at once.
const LARGE: usize = 8 << 20;

/// A server that takes little at a time: who sends much has to come again and again.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(64).unwrap()
}

/// What the server saw.
#[derive(Default)]
struct Server {
    open: AtomicUsize,
    peak: AtomicUsize,
    /// Whose whole answer was sent.
    answered: Mutex<Vec<u64>>,
}

/// Answers at length or in a word, at once or in pieces, hangs up before, within and together with an answer.
async fn serve(listener: TcpListener, server: Arc<Server>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        server.peak.fetch_max(server.open.fetch_add(1, SeqCst) + 1, SeqCst);
        let server = server.clone();
        tokio::spawn(async move {
            let _ = converse(socket, &server).await;
            server.open.fetch_sub(1, SeqCst);
        });
    }
}

async fn converse(socket: TcpStream, server: &Server) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let request: Value = serde_json::from_str(&line).unwrap();
        let ticket = request["params"]["n"].as_u64().unwrap_or(0);
        let padding = if fastrand::u32(0..10) == 0 { fastrand::usize(0..LONGEST) } else { 10 };
        let result = json!({ "n": ticket, "padding": "x".repeat(padding) });
        let reply = json!({ "id": request["id"], "status": "success", "result": result });
        let reply = format!("{reply}\n").into_bytes();
        let chance = fastrand::u32(0..100);
        match chance {
            0 => return Ok(()),
            1 => return write.write_all(&reply[..reply.len() / 2]).await,
            2..12 => sleep(Duration::from_micros(fastrand::u64(0..5_000))).await,
            _ => {}
        }
        let piece = if fastrand::bool() { reply.len() } else { fastrand::usize(1..100_000) };
        for piece in reply.chunks(piece) {
            write.write_all(piece).await?;
        }
        server.answered.lock().unwrap().push(ticket);
        if chance > 97 {
            return Ok(());
        }
    }
    Ok(())
}

/// Polls as an event loop does, and is busy with something else now and then.
fn event_loop(poller: &Poller, is_over: &AtomicBool) {
    let fd = poller.fd();
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    while !is_over.load(SeqCst) {
        // Registered anew each time, it is told of what is there, and not only of what comes.
        poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
        poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        if fastrand::u32(0..100) == 0 {
            std::thread::sleep(Duration::from_millis(fastrand::u64(1..40)));
        }
        if !events.is_empty() {
            poller.read_on_loop();
        }
    }
}

/// Sends its commands; says which of them it turned away from, and which had little time.
fn call(pool: &ConnectionPool, first: u64) -> (Vec<u64>, Vec<u64>) {
    let (mut cancelled, mut hurried) = (Vec::new(), Vec::new());
    for ticket in first..first + CALLS {
        let padding = if fastrand::u32(0..100) == 0 { fastrand::usize(0..LARGE) } else { 10 };
        let echo = command("echo", json!({ "n": ticket, "padding": "x".repeat(padding) }));
        let hurry = fastrand::u32(0..10) == 0;
        let limit = Duration::from_millis(if hurry { fastrand::u64(1..100) } else { 60_000 });
        let options = CallOptions { timeout: Some(limit), ..CallOptions::default() };
        let key = pool.execute(ticket, echo, &options).unwrap();
        if hurry {
            hurried.push(ticket);
        }
        if fastrand::u32(0..8) == 0
            && let Cancelled::Now(_) | Cancelled::Waiting = pool.cancel(key)
        {
            cancelled.push(ticket);
        }
        if ticket % 50 == 0 {
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..20)));
        }
    }
    (cancelled, hurried)
}

/// Descriptors are the process's: tests that open some run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Who polls beside the stand-in.
fn everything_at_once(with_event_loop: bool) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(async { listen() });
    let port = listener.local_addr().unwrap().port();
    let server = Arc::new(Server::default());
    runtime.spawn(serve(listener, server.clone()));
    let (descriptors_before, tasks) = (descriptors(), runtime.metrics());

    let ledger = Ledger::new(Poller::new(runtime.handle()).unwrap());
    let rest = format!(
        r#""maxConnections":{CONNECTIONS},"drainTimeoutMs":50,"retryBackoffMs":1,"maxRetryBackoffMs":5"#
    );
    let handle = runtime.handle().clone();
    let pool = Arc::new(ConnectionPool::new(options(port, &rest), handle, ledger.clone()));
    let is_over = Arc::new(AtomicBool::new(false));
    let poller = ledger.poller.clone();
    let polling = with_event_loop.then(|| {
        let is_over = is_over.clone();
        std::thread::spawn(move || event_loop(&poller, &is_over))
    });

    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let pool = pool.clone();
            std::thread::spawn(move || call(&pool, caller * CALLS + 1))
        })
        .collect();
    let (mut cancelled, mut hurried) = (Vec::new(), Vec::new());
    for caller in callers {
        let (away, hurry) = caller.join().unwrap();
        cancelled.extend(away);
        hurried.extend(hurry);
    }
    let expected = (CALLERS * CALLS) as usize - cancelled.len();
    assert_eq!(ledger.wait_for(expected), expected, "{}", pool.stats());

    pool.close(Some(PATIENCE));
    assert!(ledger.wait_for_close(), "it never closed: {}", pool.connections());
    is_over.store(true, SeqCst);
    if let Some(polling) = polling {
        polling.join().unwrap();
    }
    let answered = std::mem::take(&mut *server.answered.lock().unwrap());
    for (ticket, told) in ledger.settled.lock().unwrap().iter() {
        assert_eq!(told.len(), 1, "ticket {ticket} was settled as {told:?}");
        assert!(!cancelled.contains(ticket), "ticket {ticket} was cancelled and settled");
        match &told[0] {
            Ok(reply) => assert_eq!(reply["result"]["n"], *ticket, "somebody else's answer"),
            Err("ERR_POOL_COMMAND_TIMEOUT" | "ERR_POOL_ACQUIRE_TIMEOUT") => {
                assert!(hurried.contains(ticket), "ticket {ticket} was forgotten");
            }
            Err(code) => {
                assert!(
                    matches!(*code, "ERR_POOL_CONNECTION_LOST" | "ERR_POOL_PROTOCOL"),
                    "{code}"
                );
                assert!(!answered.contains(ticket), "the answer to {ticket} was lost: {code}");
            }
        }
    }
    assert_eq!(pool.stats()["raceDetected"], 0);
    let peak = server.peak.load(SeqCst);
    // The server learns of a hang-up a moment after the pool has made room for the next socket.
    assert!(peak <= 2 * CONNECTIONS, "{peak} sockets at the server");

    drop((pool, ledger));
    runtime.block_on(async {
        // What is left is who listens.
        until("every task has ended", || tasks.num_alive_tasks() == 1).await;
    });
    assert_eq!(descriptors(), descriptors_before, "descriptors were left open");
}

#[test]
fn each_caller_gets_its_own_answer_whoever_reads_it() {
    let _alone = alone();
    everything_at_once(true);
}

#[test]
fn each_caller_gets_its_own_answer_though_nobody_polls() {
    let _alone = alone();
    everything_at_once(false);
}
