//! Checks over real sockets: what is sent, and what an answer or none leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use blender_pool::conn::Reply;
use blender_pool::fault::Fault;
use blender_pool::pool::event::Observed;
use blender_pool::pool::{AnyPool, CloseReport, Command, ConnectionPool, LeaseInfo, Options, Sink};
use blender_pool::wire::Dialect;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Everything that is told: events, reports under `report`, replies under `reply`.
struct Tape(UnboundedSender<Value>);

impl Tape {
    fn tell(&self, value: Value) {
        let _ = self.0.send(value);
    }
}

impl Sink for Tape {
    fn reply(&self, ticket: u64, _: Reply, _: &'static Dialect) {
        self.tell(json!({ "reply": ticket }));
    }
    fn lease(&self, _: u64, _: LeaseInfo) {}
    fn fault(&self, ticket: u64, fault: Fault) {
        self.tell(json!({ "fault": ticket, "error": fault.to_json() }));
    }
    fn event(&self, event: Value) {
        self.tell(event);
    }
    fn done(&self, _: u64, report: Value) {
        self.tell(json!({ "report": report }));
    }
    fn closed(&self, _: CloseReport) {}
}

fn pool(port: u16, rest: &str) -> (ConnectionPool, UnboundedReceiver<Value>) {
    let (told, tape) = unbounded_channel();
    let options = format!(r#"{{"endpoints":[{{"host":"127.0.0.1","port":{port}}}],{rest}}}"#);
    let options = Options::from_json(&options).unwrap();
    let pool = ConnectionPool::new(options, Handle::current(), Arc::new(Tape(told)));
    pool.observe(Observed::ALL);
    (pool, tape)
}

/// The next that is told with this field, or of this event.
async fn next(tape: &mut UnboundedReceiver<Value>, name: &str) -> Value {
    let next = async {
        loop {
            let told = tape.recv().await.expect("the pool lives");
            if told["event"] == name || told.get(name).is_some() {
                return told;
            }
        }
    };
    timeout(Duration::from_secs(10), next).await.unwrap_or_else(|_| panic!("no {name}"))
}

/// A worker that answers all it is sent, until it is told to be silent; and how much that was.
async fn worker() -> (u16, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (silent, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_silent, hears) = (silent.clone(), heard.clone());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (is_silent, hears) = (is_silent.clone(), hears.clone());
            tokio::spawn(async move {
                let (read, mut write) = socket.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    hears.fetch_add(1, Ordering::SeqCst);
                    let request: Value = serde_json::from_str(&line).unwrap();
                    if is_silent.load(Ordering::SeqCst) {
                        continue;
                    }
                    let reply = json!({ "id": request["id"], "status": "success", "result": {} });
                    write.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
                }
            });
        }
    });
    (port, silent, heard)
}

const WORKER: &str = r#""dialect":"worker","healthCheckIntervalMs":150,"healthCheckTimeoutMs":100,"healthCheckFailures":2,"drainTimeoutMs":50,"maxConnections":1"#;

fn ping() -> Command {
    Command { kind: "ping".into(), params: "{}".into(), raw: false }
}

#[tokio::test]
async fn an_idle_connection_is_pinged_and_goes_on_working() {
    let (port, _, heard) = worker().await;
    let (pool, mut tape) = pool(port, WORKER);
    pool.execute(1, ping(), &Default::default()).unwrap();
    next(&mut tape, "reply").await;
    let commands = heard.load(Ordering::SeqCst);
    let checked = next(&mut tape, "healthCheckSucceeded").await;
    assert_eq!(checked["connectionId"], 1);
    assert!(heard.load(Ordering::SeqCst) > commands, "nothing was sent");
    pool.execute(2, ping(), &Default::default()).unwrap();
    assert_eq!(next(&mut tape, "reply").await["reply"], 2);
    let stats = pool.stats();
    assert_eq!((&stats["commands"], &stats["created"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn one_that_falls_silent_is_pinged_once_more_and_replaced() {
    let (port, silent, heard) = worker().await;
    let (pool, mut tape) = pool(port, WORKER);
    pool.execute(1, ping(), &Default::default()).unwrap();
    next(&mut tape, "reply").await;
    next(&mut tape, "healthCheckSucceeded").await;
    silent.store(true, Ordering::SeqCst);
    let before = heard.load(Ordering::SeqCst);
    assert_eq!(next(&mut tape, "healthCheckFailed").await["consecutiveFailures"], 1);
    assert_eq!(next(&mut tape, "healthCheckFailed").await["consecutiveFailures"], 2);
    let closed = next(&mut tape, "connectionClosed").await;
    assert_eq!(closed["reason"], "unhealthy");
    assert_eq!(heard.load(Ordering::SeqCst), before + 1, "a second ping before the first answer");
    silent.store(false, Ordering::SeqCst);
    pool.execute(2, ping(), &Default::default()).unwrap();
    assert_eq!(next(&mut tape, "reply").await["reply"], 2);
}

#[tokio::test]
async fn a_report_on_connections_that_are_opened_for_each_command_asks_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut count = 0;
        while let Ok(Ok((mut socket, _))) =
            timeout(Duration::from_millis(300), listener.accept()).await
        {
            count += 1;
            let mut request = [0; 1024];
            while socket.read(&mut request).await.is_ok_and(|n| !request[..n].contains(&0)) {}
            let _ = socket.write_all(b"{\"status\":\"ok\",\"result\":{}}\0").await;
        }
        count
    });
    let (pool, mut tape) = pool(port, r#""dialect":"blender-lab","healthCheckIntervalMs":0"#);
    pool.check_health(1);
    let report = next(&mut tape, "report").await["report"].clone();
    assert_eq!(report["status"], "healthy", "{report}");
    assert_eq!(report["connections"][0]["ok"], true);
    assert_eq!(served.await.unwrap(), 1);
    // And now nobody listens.
    pool.check_health(2);
    let report = next(&mut tape, "report").await["report"].clone();
    assert_eq!(report["status"], "unhealthy", "{report}");
    assert_eq!(report["connections"][0]["error"]["cause"]["code"], "ECONNREFUSED", "{report}");
}

#[tokio::test]
async fn a_report_on_an_endpoint_that_refuses_names_it_and_the_cause() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let (pool, mut tape) = pool(port, WORKER);
    pool.check_health(1);
    let report = next(&mut tape, "report").await["report"].clone();
    assert_eq!(report["status"], "unhealthy");
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.contains(&port.to_string()) && reason.contains("refused"), "{reason}");
}
