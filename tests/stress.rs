//! Real sockets, real threads, everything at once: what must hold however the threads interleave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use blender_pool::conn::{Body, Reply};
use blender_pool::fault::Fault;
use blender_pool::pool::{
    AnyPool, CallOptions, Cancelled, CloseReport, Command, ConnectionPool, Held, LeaseInfo,
    Options, Sink,
};
use blender_pool::wire::Dialect;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

const CONNECTIONS: usize = 4;
const THREADS: u64 = 4;
const CALLS: u64 = 1_500;

/// What a ticket came to.
#[derive(Debug)]
enum Outcome {
    Reply(String),
    Lease(LeaseInfo),
    Fault(&'static str),
}

/// Keeps every settlement, and hands leases to a thread that gives them back.
struct Ledger {
    settled: Mutex<HashMap<u64, Vec<Outcome>>>,
    news: Condvar,
    leases: mpsc::UnboundedSender<LeaseInfo>,
    closed: Notify,
}

impl Ledger {
    fn note(&self, ticket: u64, outcome: Outcome) {
        self.settled.lock().unwrap().entry(ticket).or_default().push(outcome);
        self.news.notify_one();
    }
}

impl Sink for Ledger {
    fn reply(&self, ticket: u64, reply: Reply, _: &'static Dialect) {
        let Body::Latin1(bytes) = reply.body else { panic!("{:?} is not ASCII", reply.body) };
        self.note(ticket, Outcome::Reply(String::from_utf8(bytes).unwrap()));
    }

    fn lease(&self, ticket: u64, lease: LeaseInfo) {
        self.note(ticket, Outcome::Lease(lease.clone()));
        let _ = self.leases.send(lease);
    }

    fn fault(&self, ticket: u64, fault: Fault) {
        self.note(ticket, Outcome::Fault(fault.code().row().text));
    }

    fn event(&self, _: Value) {}

    fn closed(&self, _: CloseReport) {
        self.closed.notify_one();
    }
}

/// A worker that echoes, late or early, and now and then hangs up instead.
async fn serve(listener: TcpListener, open: Arc<AtomicUsize>, peak: Arc<AtomicUsize>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        peak.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
        let open = open.clone();
        tokio::spawn(async move {
            let (read, mut write) = socket.into_split();
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let request: Value = serde_json::from_str(&line).unwrap();
                let ping = request["type"] == "ping";
                match fastrand::u32(0..200) {
                    0 if !ping => break,
                    1..20 => {
                        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..3_000))).await
                    }
                    _ => {}
                }
                let reply = serde_json::json!({ "id": request["id"], "status": "success", "result": request["params"] });
                if write.write_all(format!("{reply}\n").as_bytes()).await.is_err() {
                    break;
                }
            }
            // Counted before the socket is gone: what the pool opens next must not look like one
            // too many only because this task has not run yet.
            open.fetch_sub(1, SeqCst);
        });
    }
}

#[test]
fn callers_on_many_threads_get_their_own_answers_and_the_limit_holds() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (open, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(serve(listener, open.clone(), peak.clone()));

    let (leases, mut given) = mpsc::unbounded_channel::<LeaseInfo>();
    let ledger = Arc::new(Ledger {
        settled: Mutex::default(),
        news: Condvar::new(),
        leases,
        closed: Notify::new(),
    });
    let options = format!(
        r#"{{"endpoints":[{{"host":"127.0.0.1","port":{port}}}],"dialect":"worker","maxConnections":{CONNECTIONS},"drainTimeoutMs":50,"retryBackoffMs":1,"maxRetryBackoffMs":5,"maxUses":200}}"#
    );
    let handle: Handle = runtime.handle().clone();
    let pool = Arc::new(ConnectionPool::new(
        Options::from_json(&options).unwrap(),
        handle,
        ledger.clone(),
    ));

    let holder = pool.clone();
    let giver = std::thread::spawn(move || {
        while let Some(lease) = given.blocking_recv() {
            if fastrand::u32(0..20) == 0 {
                holder.discard(lease.lease, "").unwrap();
            } else {
                holder.release(lease.lease).unwrap();
            }
        }
    });

    // What each caller did with its ticket: settled at once, cancelled, or to be settled later.
    let turned_away: Arc<Mutex<HashMap<u64, &'static str>>> = Arc::default();
    let callers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (pool, turned_away, leases) =
                (pool.clone(), turned_away.clone(), ledger.leases.clone());
            std::thread::spawn(move || {
                for call in 0..CALLS {
                    let ticket = thread * CALLS + call + 1;
                    let key = if fastrand::u32(0..10) == 0 {
                        match pool.acquire(ticket, &CallOptions::default()).unwrap() {
                            Held::Later(key) => key,
                            Held::Now(lease) => {
                                turned_away.lock().unwrap().insert(ticket, "granted at once");
                                leases.send(lease).unwrap();
                                continue;
                            }
                        }
                    } else {
                        let command = Command {
                            kind: "echo".into(),
                            params: format!(r#"{{"n":{ticket}}}"#),
                            raw: false,
                        };
                        pool.execute(ticket, command, &CallOptions::default()).unwrap()
                    };
                    if fastrand::u32(0..8) == 0
                        && let Cancelled::Now(_) | Cancelled::Waiting = pool.cancel(key)
                    {
                        turned_away.lock().unwrap().insert(ticket, "cancelled");
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }

    let total = (THREADS * CALLS) as usize;
    let away = turned_away.lock().unwrap().len();
    let settled = ledger.settled.lock().unwrap();
    let patience = Duration::from_secs(30);
    let (settled, _) =
        ledger.news.wait_timeout_while(settled, patience, |s| s.len() + away < total).unwrap();
    assert_eq!(settled.len() + away, total, "{}", pool.stats());
    drop(settled);

    pool.close(Some(Duration::from_secs(5)));
    runtime
        .block_on(async {
            tokio::time::timeout(Duration::from_secs(20), ledger.closed.notified()).await
        })
        .unwrap();
    let turned_away = turned_away.lock().unwrap();
    let mut replies = 0;
    for (ticket, outcomes) in ledger.settled.lock().unwrap().iter() {
        assert_eq!(outcomes.len(), 1, "ticket {ticket} was settled as {outcomes:?}");
        assert!(
            !turned_away.contains_key(ticket),
            "ticket {ticket} was {} and settled",
            turned_away[ticket]
        );
        match &outcomes[0] {
            Outcome::Reply(text) => {
                let reply: Value = serde_json::from_str(text).unwrap();
                assert_eq!(reply["result"]["n"], *ticket, "somebody else's answer");
                replies += 1;
            }
            Outcome::Lease(lease) => assert!(lease.lease.slot < CONNECTIONS as u32),
            Outcome::Fault(code) => assert_eq!(*code, "ERR_POOL_CONNECTION_LOST"),
        }
    }
    assert!(replies > total / 2, "{replies} replies of {total}");
    let stats = pool.stats();
    assert_eq!(stats["raceDetected"], 0);
    assert_eq!(stats["total"], 0);
    // The server learns of a hang-up a moment after the pool has made room for the next socket.
    assert!(peak.load(SeqCst) <= 2 * CONNECTIONS, "{} sockets at the server", peak.load(SeqCst));
    drop(pool);
    drop(ledger);
    // The last sender is in the caller's hands no more: the giver ends.
    drop(giver);
}
