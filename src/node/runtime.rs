//! The threads that do the I/O.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// One thread would do for the sockets; the second one keeps them going while the first checks a
/// large reply.
const WORKERS: usize = 2;
/// For looking up host names, which the system does blocking.
const LOOKUPS: usize = 4;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The addon's own runtime, started on first use and kept until the process ends. Its threads
/// never hold the process: Node decides when to exit.
///
/// # Errors
/// When the system refuses to start a thread.
pub fn handle() -> std::io::Result<Handle> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(LOOKUPS)
        .thread_name("blender-pool")
        .enable_all()
        .build()?;
    // Two environments may start at the same time; the loser's runtime is dropped unused.
    Ok(RUNTIME.get_or_init(|| runtime).handle().clone())
}
