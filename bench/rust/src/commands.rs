//! Commands through a pool of connections, to a server in another process that answers at once.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blender_pool::conn::Reply;
use blender_pool::fault::Fault;
use blender_pool::pool::{
    AnyPool, CallOptions, CloseReport, Command, ConnectionPool, LeaseInfo, Options, Sink,
};
use blender_pool::wire::Dialect;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// One command after another, each sent when the reply to the one before has come.
pub async fn commands(rounds: u64) -> Duration {
    let server = Server::start();
    let options = format!(
        r#"{{"endpoints":[{{"port":{}}}],"dialect":"worker","maxUses":4294967295}}"#,
        server.port
    );
    let options = Options::from_json(&options).expect("the options are right");
    let replied = Arc::new(Replied(Notify::new()));
    let pool = ConnectionPool::new(options, Handle::current(), replied.clone());
    // The addon asks each pool for it, and each decision minds it.
    let _shelf = pool.make_shelf(0.0);
    let mut began = Instant::now();
    for ticket in 0..=rounds {
        let command = Command {
            kind: "get_scene_info".into(),
            params: r#"{"name":"Cube"}"#.into(),
            raw: false,
        };
        pool.execute(ticket, command, &CallOptions::default()).expect("it is a command");
        replied.0.notified().await;
        if ticket == 0 {
            // That one had to connect first.
            began = Instant::now();
        }
    }
    began.elapsed()
}

struct Replied(Notify);

impl Sink for Replied {
    fn reply(&self, _ticket: u64, reply: Reply, _dialect: &'static Dialect) {
        assert!(reply.ok, "the server says yes to everything");
        self.0.notify_one();
    }

    fn lease(&self, _ticket: u64, _lease: LeaseInfo) {}

    fn fault(&self, _ticket: u64, fault: Fault) {
        panic!("{fault}");
    }

    fn event(&self, _event: Value) {}

    fn closed(&self, _report: CloseReport) {}
}

/// The same program as a server, so that what it does is counted apart.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().expect("a program");
        let mut process = Process::new(program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut port = String::new();
        let said = process.stdout.take().expect("it was piped");
        BufReader::new(said).read_line(&mut port).expect("it says its port");
        Server { process, port: port.trim().parse().expect("a port") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says its port, and answers until whoever started it is gone.
pub fn serve() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    std::io::stdin().read_line(&mut String::new()).map(drop)
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let id = line.split_once(r#""id":"#).and_then(|(_, rest)| rest.split([',', '}']).next());
        let id = id.unwrap_or("null");
        let reply =
            format!("{{\"id\":{id},\"status\":\"success\",\"result\":{{\"name\":\"Cube\"}}}}\n");
        writer.write_all(reply.as_bytes())?;
    }
    Ok(())
}
