//! A sink that keeps every settlement, of a pool whose sockets a poller watches.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use blender_pool::conn::{Body, Poller, Reply};
use blender_pool::fault::Fault;
use blender_pool::pool::{CloseReport, Command, LeaseInfo, Options, Sink};
use blender_pool::wire::Dialect;
use serde_json::Value;
use tokio::time::{sleep, timeout};

/// What a test waits for comes long before.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn command(kind: &str, params: Value) -> Command {
    Command { kind: kind.into(), params: params.to_string(), raw: false }
}

pub fn options(port: u16, rest: &str) -> Options {
    let options = format!(
        r#"{{"endpoints":[{{"host":"127.0.0.1","port":{port}}}],"dialect":"worker",{rest}}}"#
    );
    Options::from_json(&options).unwrap()
}

/// What a ticket came to: the reply, or the fault's code.
pub type Told = Result<Value, &'static str>;

/// Keeps every settlement.
pub struct Ledger {
    pub settled: Mutex<HashMap<u64, Vec<Told>>>,
    news: Condvar,
    pub poller: Arc<Poller>,
    is_closed: AtomicBool,
}

impl Ledger {
    pub fn new(poller: Arc<Poller>) -> Arc<Self> {
        Arc::new(Ledger {
            settled: Mutex::default(),
            news: Condvar::new(),
            poller,
            is_closed: AtomicBool::new(false),
        })
    }

    fn note(&self, ticket: u64, told: Told) {
        self.settled.lock().unwrap().entry(ticket).or_default().push(told);
        self.news.notify_all();
    }

    pub fn told(&self, ticket: u64) -> Option<Told> {
        self.settled.lock().unwrap().get(&ticket).map(|told| told[0].clone())
    }

    /// Blocks its thread until that many tickets are settled; says how many are.
    pub fn wait_for(&self, count: usize) -> usize {
        let settled = self.settled.lock().unwrap();
        let (settled, _) =
            self.news.wait_timeout_while(settled, PATIENCE, |all| all.len() < count).unwrap();
        settled.len()
    }

    pub fn wait_for_close(&self) -> bool {
        let settled = self.settled.lock().unwrap();
        let is_open = |_: &mut _| !self.is_closed.load(SeqCst);
        !self.news.wait_timeout_while(settled, PATIENCE, is_open).unwrap().1.timed_out()
    }
}

impl Sink for Ledger {
    fn reply(&self, ticket: u64, reply: Reply, _: &'static Dialect) {
        let Body::Latin1(bytes) = reply.body else { panic!("{:?} is not ASCII", reply.body) };
        self.note(ticket, Ok(serde_json::from_slice(&bytes).unwrap()));
    }

    fn lease(&self, _: u64, _: LeaseInfo) {}

    fn fault(&self, ticket: u64, fault: Fault) {
        self.note(ticket, Err(fault.code().row().text));
    }

    fn done(&self, ticket: u64, report: Value) {
        self.note(ticket, Ok(report));
    }

    fn event(&self, _: Value) {}

    fn poller(&self) -> Option<Arc<Poller>> {
        Some(self.poller.clone())
    }

    fn closed(&self, _: CloseReport) {
        let _settled = self.settled.lock().unwrap();
        self.is_closed.store(true, SeqCst);
        self.news.notify_all();
    }
}

/// Waits for what comes by itself.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let patient = timeout(PATIENCE, async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    });
    patient.await.unwrap_or_else(|_| panic!("never: {what}"));
}
