//! Bytes that nobody asked for: they cost a connection at most, never a slot, and never a command
//! that runs twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blender_pool::conn::Reply;
use blender_pool::fault::Fault;
use blender_pool::pool::{
    CallOptions, CloseReport, Command, ConnectionPool, LeaseInfo, Options, Sink,
};
use blender_pool::wire::Dialect;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Tells of settled tickets in the order in which they come.
struct Tape(UnboundedSender<(u64, Option<Fault>)>);

impl Sink for Tape {
    fn reply(&self, ticket: u64, _: Reply, _: &'static Dialect) {
        let _ = self.0.send((ticket, None));
    }
    fn lease(&self, _: u64, _: LeaseInfo) {}
    fn fault(&self, ticket: u64, fault: Fault) {
        let _ = self.0.send((ticket, Some(fault)));
    }
    fn event(&self, _: Value) {}
    fn closed(&self, _: CloseReport) {}
}

fn pool(port: u16, rest: &str) -> (ConnectionPool, UnboundedReceiver<(u64, Option<Fault>)>) {
    let (told, tape) = unbounded_channel();
    let options = format!(r#"{{"endpoints":[{{"host":"127.0.0.1","port":{port}}}],{rest}}}"#);
    let options = Options::from_json(&options).unwrap();
    (ConnectionPool::new(options, Handle::current(), Arc::new(Tape(told))), tape)
}

fn command(kind: &str, params: String) -> Command {
    Command { kind: kind.into(), params, raw: false }
}

#[tokio::test]
async fn a_per_request_reply_with_more_behind_it_costs_no_slot() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            while socket.read(&mut request).await.is_ok_and(|count| !request[..count].contains(&0))
            {
            }
            let _ = socket.write_all(b"{\"status\":\"ok\",\"result\":{}}\0{\"more\":1}\0").await;
        }
    });
    let (pool, mut tape) = pool(port, r#""dialect":"blender-lab","maxConnections":1"#);
    for ticket in 1..=3 {
        let code = command("execute_code", r#"{"code":""}"#.into());
        pool.execute(ticket, code, &CallOptions::default()).unwrap();
        let told = timeout(Duration::from_secs(5), tape.recv()).await;
        let (settled, fault) = told.expect("the slot was lost").unwrap();
        assert_eq!((settled, fault.map(|fault| fault.code())), (ticket, None));
    }
}

/// Lets a few microseconds pass, fewer than a timer can tell.
fn spin(at_most: u64) {
    let end = std::time::Instant::now() + Duration::from_micros(fastrand::u64(0..at_most));
    while std::time::Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Echoes, and some time after many a reply says something more.
async fn chatter(listener: TcpListener, ran: Arc<Mutex<HashMap<u64, u32>>>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let ran = ran.clone();
        tokio::spawn(async move {
            let (read, mut write) = socket.into_split();
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let request: Value = serde_json::from_str(&line).unwrap();
                let ping = request["type"] == "ping";
                if !ping {
                    *ran.lock()
                        .unwrap()
                        .entry(request["params"]["n"].as_u64().unwrap())
                        .or_default() += 1;
                }
                let reply = serde_json::json!({ "id": request["id"], "status": "success" });
                let _ = write.write_all(format!("{reply}\n").as_bytes()).await;
                if !ping {
                    spin(100);
                    let _ = write.write_all(b"{\"stray\":true}\n").await;
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_crosses_a_stray_reply_runs_once_at_most() {
    let ran: Arc<Mutex<HashMap<u64, u32>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(chatter(listener, ran.clone()));
    let (pool, mut tape) = pool(port, r#""dialect":"worker","maxConnections":2"#);
    for ticket in 1..=3_000 {
        pool.execute(
            ticket,
            command("echo", format!(r#"{{"n":{ticket}}}"#)),
            &CallOptions::default(),
        )
        .unwrap();
        let told = timeout(Duration::from_secs(10), tape.recv()).await;
        assert_eq!(told.expect("a ticket was lost").unwrap().0, ticket);
        spin(200);
    }
    for (ticket, times) in ran.lock().unwrap().iter() {
        assert_eq!(*times, 1, "command {ticket} ran {times} times");
    }
}
