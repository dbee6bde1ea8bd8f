//! Who reads what has come when the event loop does not: the stand-in, and the keeper before it calls
//! anybody's time over.
#![cfg(unix)]

#[path = "support/ledger.rs"]
mod ledger;

use std::io::{BufRead, Read, Write};
use std::sync::{Arc, Weak};
use std::time::Duration;

use blender_pool::conn::connection::{Connection, Ending, Outcome, Owner};
use blender_pool::conn::dial::dial;
use blender_pool::conn::{Address, Poller, Target};
use blender_pool::pool::{AnyPool, CallOptions, ConnectionPool};
use blender_pool::wire::dialect;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{advance, pause, resume, sleep, timeout};

use self::ledger::{Ledger, PATIENCE, command, options, until};

// ---- one connection, which no keeper looks after -----------------------------------------------

struct Heard(UnboundedSender<Result<Outcome, Ending>>);

impl Owner for Heard {
    fn settled(&self, _: &Arc<Connection>, outcome: Outcome) {
        let _ = self.0.send(Ok(outcome));
    }

    fn ended(&self, _: &Arc<Connection>, ending: Ending) {
        let _ = self.0.send(Err(ending));
    }
}

/// A connection whose socket is in a set that nobody polls but its stand-in.
struct Pair {
    connection: Arc<Connection>,
    poller: Weak<Poller>,
    heard: UnboundedReceiver<Result<Outcome, Ending>>,
    peer: TcpStream,
    _owner: Arc<Heard>,
}

impl Pair {
    async fn new() -> Self {
        Self::with_stand_in_on(&Handle::current()).await
    }

    async fn with_stand_in_on(runtime: &Handle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::tcp("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let stream = dial(&address, PATIENCE).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let (told, heard) = unbounded_channel();
        let owner = Arc::new(Heard(told));
        let poller = Poller::new(runtime).unwrap();
        let weak: Weak<Heard> = Arc::downgrade(&owner);
        let target = Arc::new(Target {
            pool: "pool".into(),
            name: "blender".into(),
            address,
            connect_timeout: PATIENCE,
            max_reply_bytes: 1 << 20,
            ping_on_connect: None,
            runtime: Handle::current(),
            poller: Some(poller.clone()),
            owner: weak,
        });
        let worker = dialect("worker").unwrap();
        let connection = Connection::warm(target, 0, 1, worker, stream).unwrap();
        Pair { connection, poller: Arc::downgrade(&poller), heard, peer, _owner: owner }
    }

    /// Long enough for any stand-in to fall asleep. No real time passes.
    async fn fall_asleep(&self) {
        pause();
        sleep(Duration::from_secs(60)).await;
        resume();
    }

    async fn next(&mut self) -> Result<Outcome, Ending> {
        timeout(PATIENCE, self.heard.recv()).await.expect("nobody read what had come").unwrap()
    }
}

#[tokio::test]
async fn a_stand_in_that_sleeps_wakes_for_an_answer() {
    let mut pair = Pair::new().await;
    for exchange in 1..=3 {
        pair.fall_asleep().await;
        let mut request = pair.connection.dialect().encode(exchange, "echo", "{}").unwrap();
        pair.connection.start(exchange, &mut request, false).unwrap();
        pair.peer.readable().await.unwrap();
        let _ = pair.peer.try_read(&mut [0; 1024]).unwrap();
        let reply = format!("{}\n", json!({ "id": exchange, "status": "success" }));
        pair.peer.write_all(reply.as_bytes()).await.unwrap();
        assert!(matches!(pair.next().await, Ok(Outcome::Reply(_))));
    }
}

#[tokio::test]
async fn a_stand_in_writes_on_what_the_socket_did_not_take_at_once() {
    let mut pair = Pair::new().await;
    // More than both ends have room for.
    let long = json!({ "long": "x".repeat(48 << 20) }).to_string();
    let mut request = pair.connection.dialect().encode(1, "echo", &long).unwrap();
    let whole = request.len();
    pair.connection.start(1, &mut request, false).unwrap();
    let (mut read, mut chunk) = (0, vec![0; 1 << 20]);
    while read < whole {
        let count = timeout(PATIENCE, pair.peer.read(&mut chunk)).await;
        read += count.expect("the rest was never written").unwrap();
    }
    pair.peer.write_all(b"{\"id\":1,\"status\":\"success\"}\n").await.unwrap();
    assert!(matches!(pair.next().await, Ok(Outcome::Reply(_))));
}

#[tokio::test]
async fn a_stand_in_that_sleeps_wakes_for_a_hang_up() {
    let mut pair = Pair::new().await;
    pair.fall_asleep().await;
    pair.peer.shutdown().await.unwrap();
    assert!(matches!(pair.next().await, Err(Ending::Lost(_))));
    assert!(has_ended(&mut pair.peer).await, "the socket is open still");
}

#[tokio::test]
async fn a_stand_in_that_sleeps_wakes_for_a_close_and_ends_with_its_set() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut pair = Pair::new().await;
    pair.fall_asleep().await;
    pair.connection.close();
    assert!(matches!(pair.next().await, Err(Ending::Closed)));
    assert!(has_ended(&mut pair.peer).await, "the socket is open still");
    pair.fall_asleep().await;
    let Pair { connection, poller, .. } = pair;
    drop(connection);
    until("the set is gone", || poller.upgrade().is_none()).await;
    until("its stand-in has ended", || tasks() == before).await;
}

#[tokio::test]
async fn what_has_ended_takes_no_command_though_nobody_has_read_so() {
    let nowhere = Nowhere::new();
    let mut pair = Pair::with_stand_in_on(&nowhere.handle).await;
    let poller = pair.poller.upgrade().unwrap();
    poller.read();
    pair.fall_asleep().await;
    pair.peer.shutdown().await.unwrap();
    wait_for_news(&poller);
    let mut request = pair.connection.dialect().encode(1, "echo", "{}").unwrap();
    assert!(pair.connection.start(1, &mut request, false).is_err());
    poller.read();
    assert!(matches!(pair.next().await, Err(Ending::Lost(_))));
    assert!(has_ended(&mut pair.peer).await, "something was written");
}

/// Reads to the end of the stream, of which nothing but the end is to come.
async fn has_ended(peer: &mut TcpStream) -> bool {
    matches!(timeout(PATIENCE, peer.read(&mut [0; 64])).await, Ok(Ok(0)))
}

// ---- the keeper --------------------------------------------------------------------------------

/// A server on a thread of its own, which answers one connection's commands.
fn echo() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let lines = std::io::BufReader::new(socket.try_clone().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            let request: Value = serde_json::from_str(&line).unwrap();
            let reply = json!({ "id": request["id"], "status": "success" });
            if socket.write_all(format!("{reply}\n").as_bytes()).is_err() {
                return;
            }
        }
        let _ = socket.read(&mut [0; 1]);
    });
    port
}

/// A runtime that never runs what is spawned on it.
struct Nowhere {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Nowhere {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Nowhere { handle: runtime.handle().clone(), runtime: Some(runtime) }
    }
}

impl Drop for Nowhere {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// A pool with one open connection, whose set nobody polls, not even a stand-in.
async fn unwatched(nowhere: &Nowhere) -> (ConnectionPool, Arc<Ledger>) {
    let ledger = Ledger::new(Poller::new(&nowhere.handle).unwrap());
    let options = options(echo(), r#""maxConnections":1,"minConnections":1"#);
    let pool = ConnectionPool::new(options, Handle::current(), ledger.clone());
    pool.warm(1).unwrap();
    until("it is open", || ledger.told(1).is_some()).await;
    // That it could be written to was news.
    ledger.poller.read();
    (pool, ledger)
}

/// Sends a command, and keeps the pool's runtime from running until its answer is there.
fn ask_and_let_it_answer(pool: &ConnectionPool, ledger: &Ledger, ticket: u64, limit: Duration) {
    let options = CallOptions { timeout: Some(limit), ..CallOptions::default() };
    pool.execute(ticket, command("echo", json!({})), &options).unwrap();
    wait_for_news(&ledger.poller);
}

/// Blocks its thread until something has come that nobody has read.
fn wait_for_news(poller: &Poller) {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    let fd = poller.fd();
    poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
    poll.poll(&mut events, Some(PATIENCE)).unwrap();
    assert!(!events.is_empty(), "nothing came");
}

#[tokio::test]
async fn an_answer_is_given_before_the_event_loop_goes_on() {
    let nowhere = Nowhere::new();
    let (pool, ledger) = unwatched(&nowhere).await;
    for ticket in 2..10 {
        ask_and_let_it_answer(&pool, &ledger, ticket, PATIENCE);
        assert_eq!(ledger.told(ticket), None);
        ledger.poller.read_on_loop();
        assert!(matches!(ledger.told(ticket), Some(Ok(_))), "{:?}", ledger.told(ticket));
    }
}

#[tokio::test]
async fn an_answer_that_is_there_when_its_time_is_over_is_given() {
    let nowhere = Nowhere::new();
    let (pool, ledger) = unwatched(&nowhere).await;
    pause();
    ask_and_let_it_answer(&pool, &ledger, 2, Duration::from_secs(1));
    sleep(Duration::from_secs(2)).await;
    assert!(matches!(ledger.told(2), Some(Ok(_))), "{:?}", ledger.told(2));
}

#[tokio::test]
async fn so_it_is_when_the_keeper_is_woken_for_another_at_that_moment() {
    let nowhere = Nowhere::new();
    // Which of two things a task sees first that come together is left to chance.
    for _ in 0..16 {
        let (pool, ledger) = unwatched(&nowhere).await;
        pause();
        ask_and_let_it_answer(&pool, &ledger, 2, Duration::from_secs(1));
        let sooner =
            CallOptions { timeout: Some(Duration::from_millis(1)), ..CallOptions::default() };
        pool.execute(3, command("echo", json!({})), &sooner).unwrap();
        advance(Duration::from_secs(2)).await;
        resume();
        until("both are settled", || ledger.told(2).is_some() && ledger.told(3).is_some()).await;
        assert!(matches!(ledger.told(2), Some(Ok(_))), "{:?}", ledger.told(2));
    }
}
